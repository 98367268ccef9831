"""Instances: objects that touch keep their own ids, whatever file they come from."""

import json

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.annotations.coco import read_coco
from segqc.data.annotations.cvat import read_cvat
from segqc.data.annotations.drawing import draw_mask, draw_masks
from segqc.data.annotations.labelme import read_labelme
from segqc.data.annotations.yolo import read_yolo
from segqc.data.components import mask_components
from segqc.data.instances import Instances, instance_files, mask_objects, read_instances, write_instances
from segqc.data.labels import LabelSpace

LABELS = LabelSpace(("background", "cat", "dog", "cow"))
WIDTH, HEIGHT = 40, 30


def test_two_touching_instances_are_two_objects_and_the_rest_is_as_before():
    mask, ids = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.int64)
    mask[2:10, 2:22] = 1
    ids[2:10, 2:12], ids[2:10, 12:22] = 900100581904, 7
    mask[20:24, 0:4] = mask[20:24, 30:34] = 2
    ids[20:24] = 12  # not connected, and reaching into the background
    mask[20, 3] = 3  # a pixel of another class
    mask[27:30, 5:9] = 3  # no instance
    ids[0, 30:39] = 15  # of background alone
    mask[0, 20:29] = 1
    ids[0, 20:29] = 20  # nine pixels
    found = mask_objects(mask, LABELS, 10, Instances.of(ids))
    assert found.ids.tolist() == [7, 12, 900100581904, 900100581905]
    assert found.classes.tolist() == [1, 2, 1, 3]
    assert found.sizes.tolist() == [80, 31, 80, 12]
    assert [np.count_nonzero(found.numbers == place) for place in range(1, 5)] == found.sizes.tolist()
    assert found.windows[1] == (slice(20, 24), slice(0, 34))
    assert (mask[found.numbers == 2] == 2).all()
    assert len(mask_objects(mask, LABELS, 10).ids) == 4  # the two that touch are one, the two parts of 12 are two


def test_instances_that_are_the_components_change_nothing_but_ids():
    mask = np.random.default_rng(0).choice([0, 0, 1, 2, 255], size=(19, 31)).astype(np.uint8)
    plain = mask_components(mask, LABELS, 3)
    found = mask_objects(mask, LABELS, 3, Instances.of(mask_components(mask, LABELS).numbers * 10))
    assert (found.classes.tolist(), found.sizes.tolist()) == (plain.classes.tolist(), plain.sizes.tolist())
    np.testing.assert_array_equal(found.numbers, plain.numbers)
    assert found.windows == plain.windows
    assert (found.ids % 10 == 0).all()
    nothing = mask_objects(mask, LABELS, 3, Instances.of(np.zeros(mask.shape, int)))
    np.testing.assert_array_equal(nothing.numbers, plain.numbers)
    assert nothing.ids.tolist() == plain.ids.tolist()
    everywhere = Instances.of(np.full((2, 3), 5))
    assert (everywhere.ids.tolist(), everywhere.numbers.tolist()) == ([5], [[1, 1, 1]] * 2)
    assert len(mask_objects(np.full((4, 4), 255, np.uint8), LABELS, 1, Instances.of(np.ones((4, 4), int))).ids) == 0


@pytest.mark.parametrize("suffix", ["png", "tif", "npy", "npz"])
def test_ids_of_sixteen_bits_and_more_are_read_from_any_mask_file(tmp_path, suffix):
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    ids[3:9, 4:8], ids[3:9, 8:20] = 300, 65535
    path = tmp_path / f"a.{suffix}"
    if suffix == "npz":
        write_instances(path, ids.astype(np.int64) << 20)
        written = path.stat().st_mtime_ns
        write_instances(path, ids.astype(np.int64) << 20)
        assert path.stat().st_mtime_ns == written
    elif suffix == "npy":
        np.save(path, ids)
    else:
        Image.fromarray(ids).save(path)
    found = read_instances(path, (WIDTH, HEIGHT))
    assert found.ids.tolist() == [300 << 20 * (suffix == "npz"), 65535 << 20 * (suffix == "npz")]
    np.testing.assert_array_equal(found.ids[found.numbers[3, [4, 8]] - 1], found.ids)
    half = read_instances(path, (WIDTH // 2, HEIGHT // 2), resize=True)
    assert half.numbers.shape == (HEIGHT // 2, WIDTH // 2)
    with pytest.raises(BadInput, match="is 40x30 pixels but its image is 20x15"):
        read_instances(path, (WIDTH // 2, HEIGHT // 2))


def test_what_holds_no_ids_is_refused(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="holds colours, which are no instance ids"):
        read_instances(tmp_path / "a.png", (5, 4))
    with pytest.raises(BadInput, match="is no folder"):
        instance_files(tmp_path / "none", ["a"])
    np.save(tmp_path / "a.npy", np.zeros((4, 5), int))
    with pytest.raises(BadInput, match=r"several instance masks for a: a\.npy, a\.png"):
        instance_files(tmp_path, ["a"])


def coco(tmp_path, annotations, name="coco.json"):
    images = [{"id": 5, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}]
    images += [{"id": 6, "file_name": "b.jpg", "width": WIDTH, "height": HEIGHT}]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    (tmp_path / "of.json").write_text(json.dumps({"images": images, "categories": categories, "annotations": []}))
    (tmp_path / name).write_text(json.dumps(annotations))
    return read_coco(tmp_path / name, tmp_path / "of.json")


def region(image: int, category: int, left: int, right: int, **more):
    counts = [left * HEIGHT, (right - left) * HEIGHT, (WIDTH - right) * HEIGHT]
    return {
        "image_id": image,
        "category_id": category,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts},
    } | more


def drawn_ids(annotations, place: int = 0) -> np.ndarray:
    return draw_mask(annotations.pictures[place], LABELS, annotations.path).instances[0]


def test_coco_results_are_numbered_as_by_pycocotools_and_the_higher_score_lies_above(tmp_path):
    results = [region(6, 2, 0, 9, score=0.5), region(5, 1, 5, 20, score=0.9), region(5, 1, 10, 30, score=0.8)]
    found = coco(tmp_path, results)
    ids = drawn_ids(found)
    assert (ids[5:20] == 2).all()
    assert (ids[20:30] == 3).all()
    assert not ids[:5].any()
    assert set(drawn_ids(found, 1)) == {0, 1}
    drawn = draw_masks(found, LABELS, tmp_path / "masks", tmp_path / "ids")
    assert drawn.masks == 2
    np.testing.assert_array_equal(read_instances(tmp_path / "ids" / "a.npz", (WIDTH, HEIGHT)).ids, [2, 3])
    draw_masks(coco(tmp_path, results[:1]), LABELS, tmp_path / "masks", tmp_path / "ids")
    assert not (tmp_path / "ids" / "a.npz").exists()


def test_coco_annotations_keep_their_ids_unless_each_is_all_of_its_class(tmp_path):
    two = [region(5, 1, 0, 10, id=900100581904), region(5, 1, 10, 30, id=44)]
    assert set(drawn_ids(coco(tmp_path, two))) == {900100581904, 44, 0}
    twice = [region(5, 1, 0, 10, id=44), region(5, 1, 10, 30, id=44)]
    assert set(drawn_ids(coco(tmp_path, twice))) == {1, 2, 0}
    semantic = [region(5, 1, 0, 10, id=1), region(5, 2, 10, 30, id=2), region(6, 1, 0, 9, id=3)]
    assert not drawn_ids(coco(tmp_path, semantic)).any()


def test_panoptic_segments_keep_their_ids(tmp_path):
    ids = np.zeros((HEIGHT, WIDTH), np.int64)
    ids[:, 5:20], ids[:, 20:30], ids[:, 30:] = 300, 70_000, 9
    (tmp_path / "pred").mkdir()
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "pred" / "a.png")
    segments = [{"id": 300, "category_id": 1}, {"id": 70_000, "category_id": 1}, {"id": 9, "category_id": 2}]
    content = [{"image_id": 5, "file_name": "a.png", "segments_info": segments}]
    np.testing.assert_array_equal(drawn_ids(coco(tmp_path, content, "pred.json")), ids[0])


def test_polygons_of_other_formats_are_known_by_their_places(tmp_path):
    corners = "0,0;{0},0;{0},30;0,30"
    shapes = "".join(
        f'<polygon label="cat" points="{corners.format(right)}" z_order="{order}"/>'
        for right, order in ((10, 2), (25, 1))
    )
    labels = "<meta><task><labels><label><name>cat</name></label></labels></task></meta>"
    image = f'<image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    (tmp_path / "cvat.xml").write_text(f"<annotations>{labels}{image}</annotations>")
    ids = drawn_ids(read_cvat(tmp_path / "cvat.xml"))
    assert (ids[:9] == 2).all()
    assert (ids[11:24] == 1).all()

    def shape(left: int, right: int, **more):
        points = [[left, 0], [right, 0], [right, HEIGHT], [left, HEIGHT]]
        return {"label": "cat", "shape_type": "polygon", "points": points} | more

    (tmp_path / "labelme").mkdir()
    shapes_of = [shape(0, 9), shape(10, 15, group_id=3), shape(20, 29, group_id=3), shape(30, 39, group_id=4)]
    content = {"imagePath": "a.jpg", "imageWidth": WIDTH, "imageHeight": HEIGHT, "shapes": shapes_of}
    (tmp_path / "labelme" / "a.json").write_text(json.dumps(content))
    ids = drawn_ids(read_labelme(tmp_path / "labelme"))
    assert [ids[x] for x in (5, 12, 25, 35)] == [1, 2, 2, 4]

    (tmp_path / "a.txt").write_text("0 0 0 0.5 0 0.5 1 0 1\n\n0 0.5 0 1 0 1 1 0.5 1\n")
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.png")
    found = read_yolo(tmp_path, {"a": tmp_path / "a.png"}, ["cat"])
    sized = found.pictures[0].__class__("a", WIDTH, HEIGHT, found.pictures[0].draw)
    assert set(draw_mask(sized, LABELS, found.path).instances[0]) == {1, 3}
