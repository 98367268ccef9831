"""Pictures of masks: outlines, colours, boxes and the small files that the gallery ships."""

import io

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.gallery.overlay import (
    BOX_RGB,
    draw_box,
    encode_jpeg,
    fit_size,
    heat_rgba,
    label_rgba,
    mask_outline,
    overlay_heat,
    overlay_mask,
    parse_box,
    read_heat,
    shrink_photo,
    thumbnail_size,
)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("1,2,3,4", (1, 2, 3, 4)), ("1.0, 2.0,3,4", (1, 2, 3, 4)), ("", None), (None, None), ("1,2,3", None),
        ("a,b,c,d", None),
        ("3,2,3,4", None), ("1,5,3,4", None), ("nan,0,1,1", None), ("inf,0,1,1", None), ("1,2,3,4,5", None),
    ],
)  # fmt: skip
def test_parse_box(text, box):
    assert parse_box(text) == box


def test_sizes_keep_the_aspect_ratio_and_never_vanish():
    assert thumbnail_size((500, 375), 240) == (240, 180)
    assert thumbnail_size((100, 50), 240) == (100, 50)
    assert thumbnail_size((5000, 2), 240) == (240, 1)
    assert fit_size((100, 50), (300, 300)) == (300, 150)
    assert fit_size((50, 100), (300, 200)) == (100, 200)


def test_outline_is_the_rim_of_the_foreground():
    mask = np.array([[0, 0, 0, 0, 0], [0, 3, 3, 3, 0], [0, 3, 3, 3, 0], [0, 3, 3, 3, 0], [0, 0, 0, 0, 0]], np.uint8)
    expected = np.zeros((5, 5), bool)
    expected[1:4, 1:4] = True
    expected[2, 2] = False
    np.testing.assert_array_equal(mask_outline(mask, background=0), expected)


def test_outline_marks_both_sides_between_classes_and_not_the_frame():
    mask = np.array([[1, 1, 2, 2]] * 3, np.uint8)
    np.testing.assert_array_equal(mask_outline(mask, background=0), np.array([[False, True, True, False]] * 3))


def test_outline_without_a_background_class_marks_every_side():
    mask = np.array([[0, 0, 1]], np.uint8)
    np.testing.assert_array_equal(mask_outline(mask, background=None), [[False, True, True]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 4)])
def test_outline_of_one_label_is_empty(shape):
    assert not mask_outline(np.full(shape, 7, np.uint8), background=0).any()


def test_colours_are_the_palette_with_a_transparent_background():
    table = label_rgba(VOC_LABELS, 0.5)
    np.testing.assert_array_equal(table[:, :3], VOC_LABELS.palette)
    assert table[0, 3] == 0
    assert (table[1:, 3] == 128).all()


def test_void_has_the_colour_of_its_value_in_files():
    labels = LabelSpace(("background", "thing"), void=7)
    np.testing.assert_array_equal(label_rgba(labels)[255, :3], labels.palette[7])


def test_overlay_blends_the_class_colour_and_leaves_the_background_alone():
    photo = Image.new("RGB", (9, 9), (100, 100, 100))
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, 2:7] = 15  # person: (192, 128, 128)
    picture = np.asarray(overlay_mask(photo, mask, VOC_LABELS, opacity=0.5)).astype(int)
    assert (picture[0, 0] == 100).all()
    assert np.abs(picture[4, 4] - [146, 114, 114]).max() <= 1
    assert (picture[2, 2] > 230).all()  # the outline


def test_heat_is_transparent_where_nothing_is_suspect_and_brightens_monotonically():
    table = heat_rgba().astype(int)
    assert table[0, 3] == 0
    assert (np.diff(table[:, 3]) >= 0).all()
    luminance = table[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(luminance) > -0.5).all()
    assert luminance[255] - luminance[0] > 150


def test_overlay_heat_colours_only_the_suspect_place():
    photo = Image.new("RGB", (40, 20), (200, 30, 30))
    heat = np.zeros((20, 40), np.uint8)
    heat[:, 30:] = 255
    picture = np.asarray(overlay_heat(photo, Image.fromarray(heat))).astype(int)
    assert np.ptp(picture[10, 5]) == 0  # grey
    assert np.ptp(picture[10, 35]) > 60


def test_box_is_drawn_in_place_and_stays_inside():
    picture = Image.new("RGB", (100, 80), (0, 0, 0))
    drawn = np.asarray(draw_box(picture, (10, 20, 40, 60), (200, 160), line=1))
    pink = (drawn == BOX_RGB).all(-1)
    ys, xs = np.nonzero(pink)
    # Half the size: pixels 5..19 by 10..29, the pink one pixel inside its dark hairline.
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (6, 18, 11, 28)
    assert not np.asarray(picture).any()  # the original is left alone


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (99, 79, 100, 80), (-50, -50, 500, 500), (150, 150, 160, 160), (50, 0, 51, 80)]
)
def test_awkward_boxes_are_still_visible(box):
    drawn = np.asarray(draw_box(Image.new("RGB", (100, 80)), box, (100, 80)))
    assert (drawn == BOX_RGB).all(-1).any()


def test_encoded_photo_is_a_jpeg_of_the_right_size():
    data = encode_jpeg(shrink_photo(Image.new("RGB", (1000, 500)), 240), 68)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("JPEG", (240, 120))


@pytest.mark.parametrize("content", [None, b"", b"not a picture", b"\x89PNG\r\n\x1a\n\x00\x00\x00"])
def test_unreadable_heat_map_names_the_file(tmp_path, content):
    path = tmp_path / "heat.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"heat\.png"):
        read_heat(path)
