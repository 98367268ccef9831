"""Suspicions about data sets, each rendered, and none about honest data."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.data.inspection.facts import MaskFacts, mask_facts, picture_facts
from segqc.data.inspection.survey import commonest_reason, draw_pairs, survey_pairs
from segqc.data.inspection.suspicion import MaskRole
from segqc.data.inspection.suspicions import Settled, settle
from segqc.data.label_files import read_label_file
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair

TWO = LabelSpace(("background", "lesion"), void_stated=False)
THREE = LabelSpace(("background", "pit", "bar"), void_stated=False)


def blobs(number: int, values: tuple[int, ...], size: tuple[int, int] = (40, 30), dtype: type = np.uint8) -> np.ndarray:
    """A mask of value `values[0]` with a square of each further value."""
    mask = np.full(size[::-1], values[0], dtype)
    for place, value in enumerate(values[1:]):
        left = 4 + 9 * place + number % 3
        mask[5 + number % 4 : 15, left : left + 8] = value
    return mask


def data(tmp_path: Path, masks: list, **picture: object) -> list[Pair]:
    """Pairs of rendered pictures and of masks that are arrays, or pictures to be saved."""
    pairs = []
    for place, mask in enumerate(masks):
        path = tmp_path / "masks" / f"{place:02d}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        image.save(path)
        shown = tmp_path / "images" / f"{place:02d}.png"
        shown.parent.mkdir(exist_ok=True)
        size = picture.get("size", image.size)
        noise = np.random.default_rng(place).integers(0, 255, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).save(shown)
        pairs.append(Pair(f"{place:02d}", shown, path))
    return pairs


def looked(pairs: list[Pair], labels: LabelSpace, predictions: bool = False) -> Settled:
    return settle(survey_pairs(pairs), labels, MaskRole(predictions))


def kinds(settled: Settled) -> set[str]:
    return {suspicion.kind for suspicion in settled.suspicions}


def test_masks_of_0_and_255_are_one_class(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 255)) for place in range(6)])
    settled = looked(pairs, TWO)
    assert settled.said == ("masks hold 0 and 255: 255 is read as lesion",)
    assert not settled.suspicions
    mask = read_mask(pairs[0].mask, settled.labels)
    assert sorted(np.unique(mask)) == [0, 1]
    assert LabelSpace.from_dict(json.loads(json.dumps(settled.labels.to_dict()))).ids == {0: 0, 255: 1}


def test_rgb_black_and_white_is_one_class_too(tmp_path):
    pairs = data(tmp_path, [np.stack([blobs(place, (0, 255))] * 3, -1) for place in range(4)])
    settled = looked(pairs, TWO)
    assert settled.said
    assert read_mask(pairs[0].mask, settled.labels).max() == 1


def test_a_third_value_makes_255_void(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 1, 255)) for place in range(4)])
    settled = looked(pairs, TWO)
    assert not settled.said
    assert not settled.suspicions
    assert read_mask(pairs[0].mask, settled.labels).max() == 255


def test_0_and_255_are_refused_where_void_was_stated_or_there_are_more_classes(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 255)) for place in range(4)])
    stated = looked(pairs, LabelSpace(("background", "lesion")))
    assert "binary masks, void stated" in kinds(stated)
    several = looked(pairs, VOC_LABELS)
    assert "binary masks, several classes" in kinds(several)
    for settled in (stated, several):
        with pytest.raises(BadInput, match="classes"):
            settled.refuse("masks")


def test_one_other_value_is_the_foreground_of_two_classes(tmp_path):
    settled = looked(data(tmp_path, [blobs(place, (0, 128)) for place in range(4)]), TWO)
    assert settled.labels.ids == {0: 0, 128: 1}


def test_values_shifted_by_one_are_refused(tmp_path):
    settled = looked(data(tmp_path, [blobs(place, (0, 1, 2, 3)) for place in range(4)]), THREE)
    assert kinds(settled) == {"shifted by one"}
    assert settled.grave


def test_minus_one_is_void(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 1, 2)) for place in range(3)])
    masks = [blobs(place, (0, 1, -1), dtype=np.int32) for place in range(3)]
    for place, pair in enumerate(pairs):
        np.save(tmp_path / f"{place}.npy", masks[place])
        pairs[place] = Pair(pair.id, pair.image, tmp_path / f"{place}.npy")
    settled = looked(pairs, THREE)
    assert settled.said == ("-1 in masks is read as void",)
    assert not settled.grave
    assert sorted(np.unique(read_mask(pairs[0].mask, settled.labels))) == [0, 1, 255]


def test_lossy_masks_are_refused(tmp_path):
    sharp = [np.kron(blobs(place, (0, 120, 255)), np.ones((3, 3), np.uint8)) for place in range(4)]
    soft = [Image.fromarray(mask).resize((157, 113), Image.Resampling.BICUBIC) for mask in sharp]
    assert "lossy masks" in kinds(looked(data(tmp_path / "resized", soft), THREE))
    (tmp_path / "jpeg").mkdir()
    jpegs = []
    for place, mask in enumerate(sharp):
        Image.fromarray(mask).save(tmp_path / "jpeg" / f"{place}.jpg", quality=80)
        jpegs.append(Image.open(tmp_path / "jpeg" / f"{place}.jpg").convert("L"))
    assert "lossy masks" in kinds(looked(data(tmp_path / "png_of_jpeg", jpegs), THREE))
    two = [Image.fromarray(np.kron(blobs(place, (0, 255)), np.ones((3, 3), np.uint8))) for place in range(4)]
    blurred = [mask.filter(ImageFilter.GaussianBlur(1)) for mask in two]  # an outline that was smoothed to look well
    assert "lossy masks" in kinds(looked(data(tmp_path / "blurred", blurred), TWO))


def test_grey_levels_that_were_chosen_to_be_seen_are_refused_with_the_map_that_reads_them(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 127, 254)) for place in range(4)])
    (grave,) = looked(pairs, THREE).grave
    ids = json.loads(grave.fix[grave.fix.index("{") :])
    assert ids == {"0": "background", "127": "pit", "254": "bar"}
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(ids))
    settled = looked(pairs, read_label_file(path))
    assert not settled.suspicions
    assert sorted(np.unique(read_mask(pairs[0].mask, settled.labels))) == [0, 1, 2]


def test_class_indices_in_one_channel_are_refused_by_its_name(tmp_path):
    masks = [np.dstack([0 * mask, mask, 0 * mask]) for mask in (blobs(place, (0, 1, 2)) for place in range(4))]
    (grave, *_) = looked(data(tmp_path, masks), THREE).grave
    assert "all lie in the green channel" in grave.text
    assert "save it alone as a grey PNG" in grave.fix


def test_instance_ids_are_refused(tmp_path):
    masks = [blobs(place, tuple(range(1, 5 + place)), (90, 30)) for place in range(5)]
    assert "instance ids" in kinds(looked(data(tmp_path, masks), THREE))


def test_an_odd_file_is_a_warning_and_many_are_refused(tmp_path):
    good = [blobs(place, (0, 1, 2)) for place in range(9)]
    one = looked(data(tmp_path / "one", [*good, blobs(0, (0, 77, 3))]), THREE)
    assert kinds(one) == {"unknown values"}
    assert not one.grave
    many = looked(data(tmp_path / "many", [*good[:5], *[blobs(place, (0, 77, 5)) for place in range(5)]]), THREE)
    assert many.grave


def test_a_palette_with_the_classes_colours_elsewhere_is_refused(tmp_path):
    masks = []
    for place in range(3):
        image = Image.fromarray(blobs(place, (0, 1)))
        palette = VOC_LABELS.palette.copy()
        palette[1] = VOC_LABELS.palette[15]
        image.putpalette(palette.tobytes())
        masks.append(image)
    settled = looked(data(tmp_path, masks), VOC_LABELS)
    assert "palette reordered" in {suspicion.kind for suspicion in settled.grave}


def test_labels_in_the_alpha_channel_are_refused(tmp_path):
    masks = []
    for place in range(3):
        pixels = np.zeros((30, 40, 4), np.uint8)
        pixels[..., 3] = blobs(place, (0, 255))
        masks.append(Image.fromarray(pixels))
    assert "labels in alpha" in kinds(looked(data(tmp_path, masks), TWO))


def test_colours_of_no_class_are_refused(tmp_path):
    masks = [np.stack([blobs(place, (0, 48)), blobs(place, (0, 112)), blobs(place, (0, 32))], -1) for place in range(3)]
    settled = looked(data(tmp_path, masks), THREE)
    assert "colours of no class" in {suspicion.kind for suspicion in settled.grave}


def test_empty_masks_and_classes_without_a_picture_are_warnings(tmp_path):
    empty = looked(data(tmp_path / "empty", [blobs(place, (0,)) for place in range(4)]), TWO)
    assert kinds(empty) >= {"all masks empty"}
    absent = looked(data(tmp_path / "absent", [blobs(place, (0, 1)) for place in range(4)]), THREE)
    assert kinds(absent) == {"class without pictures"}
    assert not empty.grave
    assert not absent.grave


def test_a_first_class_that_is_no_background_is_said(tmp_path):
    masks = [blobs(place, (1, 0, 2)) for place in range(4)]
    assert "background that looks like none" in kinds(looked(data(tmp_path, masks), THREE))


def test_predictions_of_the_first_of_many_classes_alone_may_be_binary_masks(tmp_path):
    settled = looked(data(tmp_path, [blobs(place, (0, 1)) for place in range(4)]), THREE, predictions=True)
    assert kinds(settled) == {"one class of many"}
    assert not settled.grave
    assert not kinds(looked(data(tmp_path / "last", [blobs(place, (0, 2)) for place in range(4)]), THREE, True))


def test_colours_with_red_and_blue_swapped_are_refused_by_that_name(tmp_path):
    swapped = [VOC_LABELS.palette[blobs(place, (0, 3, 9))][..., ::-1] for place in range(4)]
    (grave, *_) = looked(data(tmp_path, [np.ascontiguousarray(mask) for mask in swapped]), VOC_LABELS).grave
    assert "with red and blue swapped they are the classes' colours" in grave.text


def test_void_in_predictions_is_suspicious(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 1, 2, 255)) for place in range(4)])
    settled = looked(pairs, THREE, predictions=True)
    assert kinds(settled) == {"void in predictions"}
    assert not settled.grave
    shifted = LabelSpace(("wall", "floor"), 0, None, ids={1: 0, 2: 1})
    assert looked(data(tmp_path / "ade", [blobs(place, (0, 1)) for place in range(4)]), shifted, predictions=True).grave


def test_predictions_of_class_indices_for_a_model_of_other_values(tmp_path):
    model = LabelSpace(("background", "lesion"), None, ids={0: 0, 255: 1})
    settled = looked(data(tmp_path, [blobs(place, (0, 1)) for place in range(4)]), model, predictions=True)
    assert settled.labels.ids is None
    assert settled.said


def test_turned_pictures_are_refused_only_where_their_size_does_not_tell(tmp_path):
    for orientation, size, grave in ((3, (40, 30), True), (6, (40, 30), False), (6, (30, 30), True)):
        folder = tmp_path / f"{orientation}-{size[0]}"
        pairs = data(folder, [blobs(place, (0, 1, 2), size) for place in range(3)])
        for pair in pairs:
            exif = Image.Exif()
            exif[0x0112] = orientation
            Image.open(pair.image).save(pair.image, exif=exif)
        assert bool(looked(pairs, THREE).grave) == grave


def test_sizes_that_differ_are_counted_by_kind(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 1, 2)) for place in range(3)], size=(40, 31))
    (suspicion,) = looked(pairs, THREE).suspicions
    assert suspicion.text == "3 masks are a few pixels larger or smaller than their picture"


def test_pictures_of_12_bits_in_16_are_noticed(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 1, 2)) for place in range(3)])
    for pair in pairs:
        Image.fromarray(np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)).save(pair.image)
    assert kinds(looked(pairs, THREE)) == {"little of the range is used"}


@pytest.mark.parametrize(
    "name", ["voc", "voc predictions", "camvid", "camvid predictions", "nuclei", "nuclei predictions"]
)
def test_honest_data_is_not_suspected(shared_data, name):
    if name.startswith("voc"):
        labels, root = VOC_LABELS, shared_data / "voc" / "VOCdevkit" / "VOC2012"
        images, masks = root / "JPEGImages", root / "SegmentationClass"
        predicted = shared_data / "voc" / "deeplab_out" / "mnv2_513_quant"
    else:
        root = shared_data / name.split()[0]
        labels = LabelSpace.from_dict(json.loads((root / "classes.json").read_text()))
        images, masks = root / "train" / "images", root / "train" / "masks"
        predicted = next(path for path in sorted((root / "predictions").iterdir()))
        if name.endswith("predictions"):
            images = next(path for path in sorted(root.glob("*/images")) if path.parent.name != "train")
    folder = predicted if name.endswith("predictions") else masks
    pictures = {path.stem: path for path in images.iterdir()}
    pairs = [Pair(path.stem, pictures[path.stem], path) for path in sorted(folder.glob("*.png"))]
    settled = looked(draw_pairs(pairs, 100), labels, name.endswith("predictions"))
    assert not settled.said
    assert kinds(settled) <= {"class without pictures"}  # the subset of VOC lacks some


def test_facts_are_kept_in_a_journal_by_stamp(tmp_path):
    pairs = data(tmp_path, [blobs(place, (0, 1)) for place in range(3)])
    with Journal(tmp_path / "look.jsonl", {}) as journal:
        first = survey_pairs(pairs, journal)
    Image.fromarray(blobs(0, (0, 2))).save(pairs[0].mask)
    with Journal(tmp_path / "look.jsonl", {}) as journal:
        assert len(journal.rows) == 3
        second = survey_pairs(pairs, journal)
    assert first.masks["01"] == second.masks["01"]
    assert set(second.masks["00"].pixels) == {0, 2}


def test_facts_of_files_that_cannot_be_read(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert "PNG" in mask_facts(tmp_path / "broken.png").error
    assert picture_facts(tmp_path / "broken.png").error
    assert "does not exist" in picture_facts(tmp_path / "absent.png").error
    facts = mask_facts(tmp_path / "broken.png")
    assert MaskFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_the_commonest_reason_stands_for_its_kind():
    reasons = [("a", "is 30x40 pixels"), ("b", "is 31x44 pixels"), ("c", "is empty")]
    assert commonest_reason(reasons) == "2 of 3: is 30x40 pixels (for example a)"
    assert commonest_reason([]) == ""
