"""Mask features: each against a loop over pixels and shapes worked out by hand, and finite whatever the mask."""

import math
import time
from itertools import product

import numpy as np
import pytest
from tiny import blobs

from evaluation.metrics.mask_features import MASK_FEATURES, SPECK, class_log_prior, mask_features

NUM_CLASSES = 4


def by_name(mask: np.ndarray, **options) -> dict[str, float]:
    return dict(zip(MASK_FEATURES, mask_features(mask, NUM_CLASSES, **options).tolist(), strict=True))


def slow_features(mask: np.ndarray, background: int | None, void: int | None, log_prior: np.ndarray) -> list[float]:
    """The definitions, one pixel at a time."""
    height, width = mask.shape
    labels = {(i, j): int(mask[i, j]) for i, j in product(range(height), range(width))}
    known = {place for place, label in labels.items() if label != void}
    foreground = {place for place in known if labels[place] != background}
    if not foreground:
        return [0.0] * (len(MASK_FEATURES) - 1) + [log_prior[NUM_CLASSES] if known else 0.0]
    boundary = sum(
        labels[a] != labels[b] and {a, b} <= known and bool({a, b} & foreground)
        for a in labels
        for b in ((a[0] + 1, a[1]), (a[0], a[1] + 1))
        if b in labels
    )
    unseen, components = set(foreground), []
    while unseen:
        members, queue = set(), [unseen.pop()]
        while queue:
            place = queue.pop()
            members.add(place)
            around = [(place[0] + i, place[1] + j) for i, j in product((-1, 0, 1), repeat=2)]
            reached = [other for other in around if other in unseen and labels[other] == labels[place]]
            unseen.difference_update(reached)
            queue += reached
        sides = sum(
            (i + down, j + right) not in members
            for i, j in members
            for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
        )
        components.append((len(members), sides))
    large = sum(size >= SPECK * len(known) for size, _ in components)
    frame = {(i, j) for i, j in known if i in (0, height - 1) or j in (0, width - 1)}
    classes = sorted({labels[place] for place in foreground})
    return [
        len(foreground) / len(known),
        boundary / math.hypot(height, width),
        len(classes),
        large or len(components),
        sum(size * min(1, 4 * math.pi * size / sides**2) for size, sides in components) / len(foreground),
        len(frame & foreground) / max(len(frame), 1),
        sum(log_prior[label] for label in classes) / len(classes),
    ]


@pytest.mark.parametrize(("background", "void"), [(0, 255), (None, 255), (0, None), (2, 3)])
def test_equal_to_a_loop_over_pixels(background: int | None, void: int | None) -> None:
    rng = np.random.default_rng(0)
    log_prior = np.log([0.9, 0.3, 0.2, 0.05, 0.01])
    special = 3 if void is None else void
    masks = [
        np.where(mask == 255, special, mask).astype(np.uint8) for mask in (blobs(seed, 13, 17) for seed in range(6))
    ]
    masks += [
        rng.choice([0, 0, 0, 1, 2, special], shape).astype(np.uint8)
        for shape in ((9, 9), (1, 12), (12, 1), (2, 2), (60, 50))
    ]
    masks += [np.full((5, 6), value, np.uint8) for value in (0, special)]
    for mask in masks:
        found = mask_features(mask, NUM_CLASSES, background, void, log_prior)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, slow_features(mask, background, void, log_prior), rtol=1e-12, atol=1e-12)


def test_a_square_by_hand() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:15, 10:20] = 2
    assert by_name(mask) == pytest.approx(
        {
            "area": 100 / 1200,
            "boundary length": 40 / 50,
            "classes": 1,
            "components": 1,
            "compactness": math.pi / 4,
            "border contact": 0,
            "log class frequency": 0,
        }
    )


def test_void_is_neither_area_nor_boundary() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[4:16, 9:21] = 255
    mask[5:15, 10:20] = 2
    found = by_name(mask)
    assert found["area"] == 100 / (1200 - 44)
    assert found["boundary length"] == 0
    # Without a void label its rim is a class of its own, and touches both.
    assert by_name(np.where(mask == 255, 3, mask), void=None)["boundary length"] == (40 + 48) / 50


def test_a_whole_picture_of_one_class() -> None:
    found = by_name(np.full((20, 20), 1, np.uint8))
    assert (found["area"], found["boundary length"], found["components"], found["border contact"]) == (1, 0, 1, 1)
    assert found["compactness"] == pytest.approx(math.pi / 4)


def test_border_contact_is_a_share_of_the_frame() -> None:
    mask = np.zeros((11, 11), np.uint8)
    mask[0, :] = 1  # 11 of 40 pixels of the frame
    assert by_name(mask)["border contact"] == 11 / 40
    mask[-1, :] = 255
    assert by_name(mask)["border contact"] == 11 / 29
    mask[:] = 0
    mask[1:-1, 1:-1] = 1
    assert by_name(mask)["border contact"] == 0


def test_rounder_is_more_compact() -> None:
    rows, columns = np.indices((101, 101)) - 50
    disc = (np.hypot(rows, columns) < 40).astype(np.uint8)
    line = np.zeros((101, 101), np.uint8)
    line[50, 10:90] = 1
    values = [by_name(mask)["compactness"] for mask in (disc, line)]
    # the perimeter of a disc in pixel sides is that of its bounding square
    assert values[0] == pytest.approx((math.pi / 4) ** 2, rel=0.03)
    assert values[1] == pytest.approx(4 * math.pi * 80 / 162**2)


def test_diagonal_pixels_are_one_component_and_classes_are_not_joined() -> None:
    steps = np.eye(8, dtype=np.uint8)
    assert by_name(steps)["components"] == 1
    steps[4:] *= 2
    found = by_name(steps)
    assert (found["components"], found["classes"]) == (2, 2)


def test_specks_are_not_counted_unless_there_is_nothing_else() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[::20, ::20] = 3
    assert by_name(mask)["components"] == 25
    mask[41:50, 41:50] = 1
    assert by_name(mask)["components"] == 1
    mask[30, 30:35] = 2  # 5 pixels of 10,000 are SPECK exactly
    assert by_name(mask)["components"] == 2


def test_enlarging_a_mask_changes_little() -> None:
    mask = blobs(3, 60, 80, void=False)
    large = mask.repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_allclose(
        mask_features(large, NUM_CLASSES), mask_features(mask, NUM_CLASSES), rtol=0.02, atol=0.01
    )


@pytest.mark.parametrize("background", [0, None])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (20, 30)])
@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_mask_of_one_value_is_finite(value: int, shape: tuple[int, int], background: int | None) -> None:
    found = mask_features(
        np.full(shape, value, np.uint8), NUM_CLASSES, background, log_prior=np.log(np.full(NUM_CLASSES + 1, 0.25))
    )
    assert np.isfinite(found).all()
    if value == 255 or value == background:
        assert not found[:-1].any()
        assert found[-1] == (0 if value == 255 else np.log(0.25))  # nothing known, and no foreground
    else:
        assert found[0] == 1


def test_one_pixel_in_a_corner() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[0, 0] = 3
    found = by_name(mask, log_prior=np.array([0, 0, 0, -2.5, 0]))
    assert found["components"] == 1
    assert found["compactness"] == pytest.approx(math.pi / 4)
    assert found["border contact"] == 1 / 76
    assert found["log class frequency"] == -2.5


def test_integer_type_does_not_matter() -> None:
    mask = blobs(1, 20, 20)
    for dtype in (np.int16, np.int64, np.uint16):
        np.testing.assert_array_equal(mask_features(mask.astype(dtype), NUM_CLASSES), mask_features(mask, NUM_CLASSES))


@pytest.mark.parametrize("mask", [np.zeros((3, 3)), np.zeros(3, int), np.zeros((0, 3), int), np.zeros((2, 2, 2), int)])
def test_what_is_no_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="integer labels"):
        mask_features(mask, NUM_CLASSES)


@pytest.mark.parametrize(
    ("values", "options", "wrong"),
    [
        ([0, 1, 4, 9], {}, r"0\.\.3 or void 255, but got \[4, 9\]"),
        ([0, 1, 255], {"void": None}, r"void None, but got \[255\]"),
        ([0, -1, 2], {}, r"but got \[-1\]"),
        ([4], {"background": None}, r"but got \[4\]"),
    ],
)
def test_labels_that_are_no_classes_are_named(values: list[int], options: dict, wrong: str) -> None:
    mask = np.array([values], np.int16)
    with pytest.raises(ValueError, match=wrong):
        mask_features(mask, NUM_CLASSES, **options)
    with pytest.raises(ValueError, match=wrong):
        class_log_prior([np.zeros((2, 2), np.uint8), mask], NUM_CLASSES, **({"void": 255} | options))


def test_prior_counts_masks_and_not_pixels() -> None:
    small, large = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    small[0, 0], large[:5] = 1, 2
    small[9, 9] = 255
    prior = np.exp(class_log_prior([small, large, large.copy(), small.copy()], NUM_CLASSES))
    np.testing.assert_allclose(prior, [5 / 6, 3 / 6, 3 / 6, 1 / 6, 1 / 6])
    nothing, void = np.zeros((10, 10), np.uint8), np.full((10, 10), 255, np.uint8)
    half_void = nothing.copy()
    half_void[5:] = 255
    np.testing.assert_allclose(np.exp(class_log_prior([small, nothing, void, half_void], NUM_CLASSES))[-1], 3 / 6)
    assert class_log_prior([nothing], NUM_CLASSES, background=None)[-1] == np.log(1 / 3)
    assert np.isfinite(class_log_prior([], NUM_CLASSES)).all()
    np.testing.assert_allclose(
        np.exp(class_log_prior(iter([small]), 256, void=None))[[0, 1, 2, 255]], [2 / 3, 2 / 3, 1 / 3, 2 / 3]
    )


def test_fast_on_a_picture_of_usual_size() -> None:
    mask = blobs(0, 375, 500)
    times = []
    for _ in range(5):
        start = time.process_time()
        mask_features(mask, NUM_CLASSES)
        times.append(time.process_time() - start)
    assert min(times) < 0.05  # ten times what it takes on a slow core
