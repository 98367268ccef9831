"""Pictures and masks in the formats that people have."""

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.label_files import read_label_file
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask, write_mask
from segqc.data.pictures import PictureReading, read_image
from segqc.data.rasters import read_raster

THREE = LabelSpace(("background", "pit", "bar"))
LABELS = np.array([[0, 1, 2, 255], [2, 2, 1, 0]], np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif"])
def test_masks_of_every_lossless_format(tmp_path, suffix):
    labels = LABELS[:, 1:3] if suffix == ".gif" else LABELS  # Pillow numbers a GIF's colours afresh
    Image.fromarray(labels - labels.min()).save(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(read_mask(tmp_path / f"m{suffix}", THREE), labels - labels.min())


def test_lossy_mask_files_are_refused_by_their_name(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "m.jpg")
    with pytest.raises(BadInput, match="lossy compression changes labels"):
        read_mask(tmp_path / "m.jpg", THREE)


@pytest.mark.parametrize(
    "array",
    [LABELS.astype(np.float32), LABELS[None], LABELS[..., None], LABELS.astype(np.int64), LABELS.astype(np.uint16)],
)
def test_arrays_of_whole_numbers(tmp_path, array):
    np.save(tmp_path / "m.npy", array)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy", THREE), LABELS)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2), 0.5), "probabilities are no labels"),
        (np.zeros((3, 4, 5)), "two-dimensional"),
        (np.full((2, 2), np.nan), "no whole"),
    ],
)
def test_arrays_of_other_things_are_refused(tmp_path, array, message):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(BadInput, match=message):
        read_mask(tmp_path / "m.npy", THREE)


def test_ids_map_values_to_classes_and_merge_them(tmp_path):
    labels = LabelSpace(("road", "person"), -1, None, ids={7: 0, 24: 1, 25: 1, 300: 0, 9: 255})
    np.save(tmp_path / "m.npy", np.array([[7, 24, 25], [300, -1, 9]], np.int32))
    expected = np.array([[0, 1, 1], [0, 255, 255]], np.uint8)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy", labels), expected)
    Image.fromarray(np.array([[7, 26]], np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(BadInput, match=r"no class: 26 .known: 7, 9, 24, 25, 300"):
        read_mask(tmp_path / "m.png", labels)


@pytest.mark.parametrize("ids", [None, {0: 0, 255: 1}, {0: 0, 700: 1}])
def test_written_masks_are_read_back(tmp_path, ids):
    labels = LabelSpace(("background", "lesion"), None if ids else 255, ids=ids)
    mask = np.array([[0, 1, 1]], np.uint8)
    write_mask(tmp_path / "m.png", mask, labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", labels), mask)


def test_more_label_values_than_classes_are_kept(tmp_path):
    labels = LabelSpace(("background", "rare"), 255, ids={0: 0, 459: 1, 300: 255})
    Image.fromarray(np.array([[0, 459, 300]], np.uint16)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", labels), [[0, 1, 255]])


@pytest.mark.parametrize(
    ("name", "text", "names", "void", "background"),
    [
        (
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nbar:48,112,32::\nbackground:0,0,0::\n",
            ("background", "bar"),
            255,
            0,
        ),
        ("names.txt", "road\npit\n", ("road", "pit"), 255, 0),
        ("labelme.txt", "__ignore__\n_background_\npit\n", ("_background_", "pit"), -1, 0),
        ("ids.json", '{"7": "road", "24": "person", "26": "person", "255": "void"}', ("road", "person"), 255, 0),
        ("ade.json", '{"names": ["wall", "floor"], "void": 0, "background": null}', ("wall", "floor"), 0, None),
        ("voids.json", '{"names": ["a", "b"], "void": [255, -1]}', ("a", "b"), 255, 0),
        ("by_name.json", '{"names": ["road", "sky"], "background": "sky"}', ("road", "sky"), 255, 1),
    ],
)
def test_class_files(tmp_path, name, text, names, void, background):
    (tmp_path / name).write_text(text)
    labels = read_label_file(tmp_path / name)
    assert (labels.names, labels.void, labels.background) == (names, void, background)
    again = LabelSpace.from_dict(labels.to_dict())
    assert (again, again.ids, again.void_stated) == (labels, labels.ids, labels.void_stated)


def test_void_below_the_classes_moves_them_up(tmp_path):
    (tmp_path / "ade.json").write_text('{"names": ["wall", "floor"], "void": 0, "background": null}')
    Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", read_label_file(tmp_path / "ade.json")), [[255, 0, 1]])


def test_colours_out_of_range_are_refused(tmp_path):
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ncat:300,0,0::\n")
    with pytest.raises(BadInput, match="from 0 to 255"):
        read_label_file(tmp_path / "labelmap.txt")


@pytest.mark.parametrize("name", ["classes.txt", "classes.json", "absent.json"])
def test_class_files_of_nothing_are_refused(tmp_path, name):
    if not name.startswith("absent"):
        (tmp_path / name).write_text("3" if name.endswith("json") else "one")
    with pytest.raises(BadInput, match=name):
        read_label_file(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp", ".gif"])
def test_pictures_of_every_format(tmp_path, suffix):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[:2], colours[2:] = (200, 40, 10), (10, 40, 200)
    Image.fromarray(colours).save(tmp_path / f"p{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / f"p{suffix}")), colours)


def test_modes_become_rgb(tmp_path):
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=100)
    assert np.asarray(read_image(tmp_path / "cmyk.jpg"))[0, 0, 0] > 200
    Image.new("LA", (4, 3), (90, 10)).save(tmp_path / "la.png")
    assert (np.asarray(read_image(tmp_path / "la.png")) == 90).all()


def test_intensity_scales_deep_pictures(tmp_path):
    Image.fromarray(np.array([[1000, 2000, 3000, 0, 9000]], np.uint16)).save(tmp_path / "x.png")
    assert np.asarray(read_image(tmp_path / "x.png"))[0, :, 0].tolist() == [3, 7, 11, 0, 35]
    scaled = np.asarray(read_image(tmp_path / "x.png", PictureReading(intensity=(1000, 3000))))[0, :, 0]
    assert scaled.tolist() == [0, 128, 255, 0, 255]
    with pytest.raises(ValueError, match="LOW below HIGH"):
        PictureReading(intensity=(5, 5))


def test_bands_of_a_satellite_picture(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    bands = np.arange(5, dtype=np.uint16)[:, None, None] * 1000 + np.zeros((5, 6, 7), np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", bands)
    reading = PictureReading(intensity=(0, 4000), bands=(4, 3, 2))
    assert np.asarray(read_image(tmp_path / "s.tif", reading))[0, 0].tolist() == [191, 128, 64]
    with pytest.raises(BadInput, match="has 5 bands, but band 9"):
        read_image(tmp_path / "s.tif", PictureReading(bands=(9, 1, 2)))
    assert PictureReading.from_dict(reading.to_dict()) == reading


def test_upright_pictures_are_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 5)).save(tmp_path / "p.jpg", exif=exif)
    assert read_image(tmp_path / "p.jpg").size == (8, 5)
    assert read_image(tmp_path / "p.jpg", PictureReading(upright=True)).size == (5, 8)


def test_alpha_is_seen_and_ignored_for_labels(tmp_path):
    pixels = np.zeros((3, 4, 4), np.uint8)
    pixels[..., 3] = [[255, 0, 0, 255]] * 3
    Image.fromarray(pixels).save(tmp_path / "m.png")
    assert read_raster(tmp_path / "m.png").alpha is not None
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", VOC_LABELS), np.zeros((3, 4)))
