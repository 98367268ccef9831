"""Colours of classes on the review page: none vanishes on a photo, none is taken for another."""

import numpy as np
import pytest

from segqc.data.labels import VOC_LABELS, LabelSpace, palette_of
from segqc.data.palette import cielab
from segqc.gallery.colours import photo_palette


@pytest.mark.parametrize("count", [2, 21, 60, 150])
def test_no_class_is_dark_pale_or_grey_and_none_is_like_another(count):
    labels = VOC_LABELS if count == 21 else LabelSpace(("background", *(f"c{i}" for i in range(1, count))))
    lab = cielab(photo_palette(labels)[1:count])
    assert (lab[:, 0] >= 55).all()
    assert (lab[:, 0] <= 88).all()
    assert (np.hypot(lab[:, 1], lab[:, 2]) >= 40).all()
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=2) + np.where(np.eye(count - 1), np.inf, 0)
    assert apart.min() >= {2: 0, 21: 20, 60: 12, 150: 6}[count]


def test_good_colours_stay_and_a_dark_red_stays_red():
    good = [[0, 0, 0], [255, 64, 64], [64, 200, 64], [128, 0, 0]]
    labels = LabelSpace(("background", "a", "b", "c"), palette=palette_of(good))
    shown = photo_palette(labels)
    np.testing.assert_array_equal(shown[:3], good[:3])
    own, new = cielab(np.array([[128, 0, 0]], np.uint8))[0], cielab(shown[3:4])[0]
    assert new[0] >= 55
    assert own[0] < 30


def test_the_palette_of_masks_is_left_alone():
    before = VOC_LABELS.palette.copy()
    photo_palette(VOC_LABELS)
    np.testing.assert_array_equal(VOC_LABELS.palette, before)
