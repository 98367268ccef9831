"""IoU of single objects against sets of pixels, and what is found at a number of false alarms."""

import math

import numpy as np
import pytest

from evaluation.metrics.objects import found_at, missed_objects, object_ious, same_place
from segqc.data.components import mask_components
from segqc.data.labels import LabelSpace

LABELS = LabelSpace(("background", "cat", "dog", "cow"))


def as_sets(mask: np.ndarray) -> list[tuple[int, set[tuple[int, int]]]]:
    found = mask_components(mask, LABELS)
    places = [{(int(y), int(x)) for y, x in np.argwhere(found.numbers == i + 1)} for i in range(len(found.classes))]
    return list(zip(found.classes.tolist(), places, strict=True))


def naive(mask: np.ndarray, truth: np.ndarray) -> list[float]:
    void = {(int(y), int(x)) for y, x in np.argwhere(truth == 255)}
    results = []
    for label, pixels in as_sets(mask):
        seen = pixels - void
        touched = [true for other, true in as_sets(truth) if other == label and true & seen]
        union = set().union(seen, *touched)
        inside = {(y, x) for y, x in seen if truth[y, x] == label}
        results.append(len(inside) / len(union) if len(seen) >= 10 else math.nan)
    return results


@pytest.mark.parametrize("seed", range(6))
def test_iou_is_that_of_sets_of_pixels(seed):
    rng = np.random.default_rng(seed)
    mask, truth = (np.kron(rng.choice(v, (7, 9)), np.ones((3, 3))).astype(np.uint8) for v in ([0, 0, 1, 2],) * 2)
    truth[rng.random(truth.shape) < 0.1] = 255
    truth[rng.random(truth.shape) < 0.1] = 1
    judged, true = mask_components(mask, LABELS), mask_components(truth, LABELS)
    found = object_ious(judged.numbers, judged.classes, true.numbers, true.classes, truth != 255)
    np.testing.assert_allclose(found, naive(mask, truth))
    missed = missed_objects(mask, true.numbers, true.classes)
    assert missed.tolist() == [
        len(pixels) >= 10 and not any(mask[y, x] == label for y, x in pixels) for label, pixels in as_sets(truth)
    ]


def test_an_object_that_joins_two_true_ones_counts_both():
    mask, truth = np.zeros((10, 12), np.uint8), np.zeros((10, 12), np.uint8)
    mask[2:4] = 1
    truth[2:4, :4], truth[2:6, 8:] = 1, 1
    judged, true = mask_components(mask, LABELS), mask_components(truth, LABELS)
    found = object_ious(judged.numbers, judged.classes, true.numbers, true.classes, truth != 255)
    assert found.tolist() == [16 / (24 + 8)]


def test_a_mask_without_objects_has_no_ious_and_misses_all():
    mask, truth = np.zeros((10, 12), np.uint8), np.zeros((10, 12), np.uint8)
    truth[1:5, 1:5], truth[8, 8:11] = 2, 3  # the second is too small to be missed
    judged, true = mask_components(mask, LABELS), mask_components(truth, LABELS)
    assert object_ious(judged.numbers, judged.classes, true.numbers, true.classes, truth != 255).shape == (0,)
    assert missed_objects(mask, true.numbers, true.classes).tolist() == [True, False]


def test_places_agree_by_the_centre_of_either_box():
    assert same_place((0, 0, 4, 4), (2, 2, 9, 9))  # the centre (2, 2) is inside
    assert not same_place((0, 0, 4, 4), (3, 3, 9, 9))
    assert same_place((0, 0, 100, 100), (45, 45, 60, 60))


def test_missed_objects_are_found_above_the_first_false_alarm_too_many():
    alarms, found = np.array([0.9, 0.5, 0.4, 0.1]), np.array([0.95, 0.6, 0.45, 0.2, -np.inf])
    assert found_at(alarms, found, 2, 1.0) == 3 / 5  # two alarms are allowed; the third has 0.4
    assert found_at(alarms, found, 2, 0.0) == 1 / 5
    assert found_at(alarms, found, 4, 1.0) == 4 / 5  # all four are allowed: what was proposed is found
    assert math.isnan(found_at(alarms, np.zeros(0), 2, 1.0))
