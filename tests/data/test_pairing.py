"""Ids of pictures and masks whose names differ."""

import pytest

from segqc.base.errors import BadInput
from segqc.data.pairing import AS_IT_IS, NamePattern, find_mask_pattern, find_patterns

CITY = [f"a/aachen_{place:06d}_000019" for place in range(5)]
KINDS = ("color", "instanceIds", "labelIds", "labelTrainIds")


@pytest.mark.parametrize(
    ("images", "masks", "expected"),
    [
        (["a", "b"], ["a", "b"], ("{id}", "{id}")),
        (["a", "b", "c"], ["a"], ("{id}", "{id}")),
        (["car_01", "car_02"], ["car_01_mask", "car_02_mask"], ("{id}", "{id}_mask")),
        (["case_01_0000", "case_02_0000"], ["case_01", "case_02"], ("{id}_0000", "{id}")),
        (["img_1", "img_2"], ["mask_1", "mask_2"], ("img_{id}", "mask_{id}")),
        (["one"], ["one_L"], ("{id}", "{id}_L")),
        (["x1", "x2"], ["y1", "y2"], ("{id}", "{id}")),
        (
            [f"{id_}_leftImg8bit" for id_ in CITY],
            [f"{id_}_gtFine_{kind}" for id_ in CITY for kind in KINDS],
            ("{id}_leftImg8bit", "{id}_gtFine_labelTrainIds"),
        ),
    ],
)
def test_patterns_are_found(images, masks, expected):
    assert tuple(map(str, find_patterns(images, masks))) == expected


def test_several_kinds_of_mask_are_refused_by_name():
    images = [f"im{place}" for place in range(4)]
    masks = [f"{image}_{kind}" for image in images for kind in ("alice", "bob")]
    with pytest.raises(BadInput, match=r"several kinds of mask.*--mask-suffix _"):
        find_patterns(images, masks)
    assert find_patterns(images, masks, mask=NamePattern.parse("_bob"))[1] == NamePattern(after="_bob")


def test_a_pattern_takes_the_id_out_of_a_path():
    pattern = NamePattern.parse("mask_{id}_v2")
    assert pattern.id_of("a/mask_07_v2") == "a/07"
    assert pattern.id_of("mask__v2") is None
    assert pattern.id_of("a/other_07_v2") is None
    assert NamePattern.parse("_m").id_of("a_m") == "a"
    with pytest.raises(ValueError, match=r"one {id}"):
        NamePattern.parse("{id}_{id}")


def test_masks_beside_their_pictures_are_told_apart():
    names = [f"ISIC_{place}" for place in range(4)] + [f"ISIC_{place}_segmentation" for place in range(4)]
    assert find_mask_pattern(names) == NamePattern(after="_segmentation")
    assert find_mask_pattern([f"ISIC_{place}" for place in range(4)]) is None
    assert find_mask_pattern([]) is None
    assert AS_IT_IS.id_of("a/b") == "a/b"
