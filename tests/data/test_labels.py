"""Label spaces against the VOC devkit's colour map and every way to get one wrong."""

import json

import numpy as np
import pytest

from segqc.base.errors import BadInput
from segqc.data.label_files import parse_classes
from segqc.data.labels import VOC_LABELS, LabelSpace, voc_palette


def test_voc_palette_is_the_devkits():
    palette = voc_palette()
    expected = {  # VOClabelcolormap of the devkit
        0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 8: (64, 0, 0),
        15: (192, 128, 128),
        20: (0, 64, 128), 255: (224, 224, 192),
    }  # fmt: skip
    for index, colour in expected.items():
        assert tuple(palette[index]) == colour
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == 256


def test_voc_palette_is_that_of_real_masks(voc_root):
    from PIL import Image

    mask = sorted((voc_root / "VOC2012" / "SegmentationClass").glob("*.png"))[0]
    assert Image.open(mask).getpalette() == voc_palette().ravel().tolist()


def test_voc_labels():
    assert VOC_LABELS.num_classes == 21
    assert [VOC_LABELS.name(index) for index in (0, 12, 20, 255)] == ["background", "dog", "tvmonitor", "void"]
    assert VOC_LABELS.foreground == tuple(range(1, 21))
    with pytest.raises(IndexError, match="21"):
        VOC_LABELS.name(21)


def test_dict_round_trip_with_and_without_a_palette_of_its_own():
    palette = voc_palette()
    palette[1] = (1, 2, 3)
    for labels in (VOC_LABELS, LabelSpace(("a", "b"), void=None, background=None, palette=palette)):
        again = LabelSpace.from_dict(json.loads(json.dumps(labels.to_dict())))
        assert again == labels
        assert hash(again) == hash(labels)
        np.testing.assert_array_equal(again.palette, labels.palette)
    assert "palette" not in VOC_LABELS.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ("a",)}, "2 to 255"),
        ({"names": tuple(map(str, range(256)))}, "2 to 255"),
        ({"names": ("a", " ")}, "blank"),
        ({"names": ("a", 3)}, "text"),
        ({"names": ("a", "b", "a")}, "more than once: a"),
        ({"names": ("a", "b"), "void": 1}, "void"),
        ({"names": ("a", "b"), "void": 256}, "void"),
        ({"names": ("a", "b"), "void": True}, "void"),
        ({"names": ("a", "b"), "background": 2}, "background"),
        ({"names": ("a", "b"), "background": -1}, "background"),
        ({"names": ("a", "b"), "palette": np.zeros((256, 3), np.uint8)}, "colour"),
        ({"names": ("a", "b"), "palette": np.zeros((2, 3), np.uint8)}, "palette"),
    ],
)
def test_spaces_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LabelSpace(**arguments)


def test_255_classes_fit_beside_void():
    labels = LabelSpace(tuple(f"c{i}" for i in range(255)))
    assert labels.file_values == list(range(256))


def test_classes_from_names_a_list_and_an_object(tmp_path):
    assert parse_classes(" sky , cat,dog") == LabelSpace(("sky", "cat", "dog"))
    assert parse_classes("voc") is VOC_LABELS
    (tmp_path / "a.json").write_text('["sky", "cat"]')
    assert parse_classes(str(tmp_path / "a.json")) == LabelSpace(("sky", "cat"))
    (tmp_path / "b.JSON").write_text(
        '{"names": ["cat", "dog"], "void": null, "background": null, "palette": [[1, 2, 3], [9, 9, 9]]}'
    )
    labels = parse_classes(str(tmp_path / "b.JSON"))
    assert (labels.void, labels.background, labels.foreground) == (None, None, (0, 1))
    assert labels.palette[:3].tolist() == [[1, 2, 3], [9, 9, 9], [0, 128, 0]]


@pytest.mark.parametrize(
    "content",
    [
        '{"names": ["a", "b"], "viod": 255}', '{"void": 255}', '{"names": "ab"}', "3", '["a"]', '["a", 2]',
        '{"names": ["a", "b"], "void": "x"}',
        '{"names": ["a", "b"], "palette": [[1, 2, 3]]}', '{"names": ["a", "b"], "palette": [[1, 2, 3], [4, 5]]}',
        '{"names": ["a", "b"], "palette": [[1, 2, 3], [4, 5, 256]]}', '{"names": ["a", "b"], "palette": 3}',
        '{"names": ["a", "b"], "palette": [[1, 2, 3], [1, 2, 3]]}',
        '{"names": ["a", "b"], "palette": [["x", "y", "z"], [1, 2, 3]]}',
        '{"names": [["a"], ["b"]]}', "not json",
    ],
)  # fmt: skip
def test_class_files_that_are_wrong_name_the_file(tmp_path, content):
    path = tmp_path / "classes.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=r"classes\.json"):
        parse_classes(str(path))


@pytest.mark.parametrize("text", ["", "a", ",", "a,,b", "a,a", "missing.json"])
def test_class_texts_that_are_wrong(text):
    with pytest.raises(BadInput):
        parse_classes(text)
