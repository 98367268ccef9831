"""evaluation.metrics.classes and evaluation.metrics.surfaces against medpy, against numbers derived by hand, and at the
edges of its conventions.
"""

import math

import medpy.metric.binary as medpy
import numpy as np
import pytest
from scipy import ndimage

from evaluation.metrics.classes import class_metrics, image_metrics, mean_dice
from evaluation.metrics.surfaces import surface_distances

TOL = 1e-9


def blobs(rng: np.random.Generator, shape: tuple[int, ...], num_classes: int) -> np.ndarray:
    """Label map of smooth blobs, some of which touch the frame; some classes may be absent."""
    noise = ndimage.gaussian_filter(
        rng.standard_normal((num_classes, *shape)), [0] + [rng.uniform(0.4, 2.5)] * len(shape)
    )
    return noise.argmax(0).astype(np.uint8)


def disturbed(rng: np.random.Generator, mask: np.ndarray, num_classes: int) -> np.ndarray:
    """A mask related to `mask`: shifted, with one class erased or exchanged and some pixels wrong."""
    other = np.roll(mask, rng.integers(-2, 3), axis=int(rng.integers(mask.ndim)))
    other = np.where(rng.random(mask.shape) < 0.05, rng.integers(0, num_classes, mask.shape), other)
    return np.where(other == rng.integers(num_classes), rng.integers(num_classes), other).astype(np.uint8)


SHAPES = [(40,), (1, 9), (19, 24), (31, 17), (9, 11, 8), (4, 1, 6)]


def values_equal_to_medpy(
    rng: np.random.Generator, shape: tuple[int, ...], num_classes: int, spacing: float | tuple[float, ...] | None
) -> int:
    """Compare all rows of one random pair with medpy, value by value; how many values that were."""
    truth = blobs(rng, shape, num_classes)
    prediction = disturbed(rng, truth, num_classes)
    truth[rng.random(shape) < rng.choice([0.0, 0.05, 0.3])] = 255
    kept = truth != 255
    compared = 0
    for row in class_metrics(prediction, truth, num_classes, spacing=spacing):
        a, b = (prediction == row.label) & kept, (truth == row.label) & kept
        ours = [row.dice, row.iou, row.prediction_pixels, row.truth_pixels]
        theirs = [medpy.dc(a, b), medpy.jc(a, b), a.sum(), b.sum()]
        assert row.status == ("both" if a.any() and b.any() else "missed" if b.any() else "spurious")
        if row.status == "both":
            forth, back = medpy.asd(a, b, spacing), medpy.asd(b, a, spacing)
            ours += [row.msd, row.hd95, row.hd, row.mean_to_truth, row.mean_to_prediction, row.masd]
            theirs += [
                medpy.assd(a, b, spacing),
                medpy.hd95(a, b, spacing),
                medpy.hd(a, b, spacing),
                forth,
                back,
                (forth + back) / 2,
            ]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOL)
        compared += len(ours)
    return compared


def test_more_than_ten_thousand_values_equal_medpy() -> None:
    rng = np.random.default_rng(0)
    compared = 0
    for round_ in range(72):
        for shape in SHAPES:
            spacings = (None, rng.uniform(0.3, 3.0), tuple(rng.uniform(0.3, 3.0, len(shape))))
            compared += values_equal_to_medpy(rng, shape, 2 + round_ % 5, spacings[round_ % 3])
    assert compared > 10_000


@pytest.mark.parametrize(
    ("shape", "sigma"),
    [((120, 130), 0.6), ((3, 2500), 3.0), ((24, 25, 22), 0.7), ((9000,), 1.0)],
    ids=["many surface pixels", "long", "3-D", "1-D"],
)
def test_large_masks_equal_medpy(shape: tuple[int, ...], sigma: float) -> None:
    rng = np.random.default_rng(1)
    a, b = ndimage.gaussian_filter(rng.standard_normal((2, *shape)), [0] + [sigma] * len(shape)) > 0.05
    (row,) = class_metrics(a.astype(np.uint8), b.astype(np.uint8), 2)
    ours = row.msd, row.hd95, row.hd, row.mean_to_truth, row.mean_to_prediction
    theirs = medpy.assd(a, b), medpy.hd95(a, b), medpy.hd(a, b), medpy.asd(a, b), medpy.asd(b, a)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOL)


@pytest.mark.parametrize("seed", range(8))
def test_percentiles_and_nsd_equal_brute_force(seed: int) -> None:
    """hd95_max is MONAI's: the larger of the two directed 95th percentiles; NSD counts the pixels of both surfaces
    within the tolerance.
    """
    rng = np.random.default_rng(seed)
    truth = blobs(rng, (17, 13), 3)
    prediction = disturbed(rng, truth, 3)
    spacing = (0.8, 1.7)
    for row in class_metrics(prediction, truth, 3, spacing=spacing, tolerance=1.2):
        if row.status != "both":
            continue
        surfaces = []
        for mask in (prediction == row.label, truth == row.label):
            padded = np.pad(mask, 1)
            inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
            surfaces.append([(y * spacing[0], x * spacing[1]) for y, x in np.argwhere(mask & ~inner)])
        directed = [[min(math.dist(p, q) for q in other) for p in one] for one, other in (surfaces, surfaces[::-1])]
        assert row.hd95_max == pytest.approx(max(np.percentile(values, 95) for values in directed), abs=TOL)
        pooled = directed[0] + directed[1]
        assert row.hd95 == pytest.approx(np.percentile(pooled, 95), abs=TOL)
        assert row.nsd == pytest.approx(sum(value <= 1.2 for value in pooled) / len(pooled), abs=TOL)


@pytest.mark.parametrize("spacing", [None, 0.7, (2.0, 0.5)])
def test_directed_lists_equal_brute_force(spacing: float | tuple[float, float] | None) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 14, 11)) < 0.4
    lists = surface_distances(a, b, spacing)
    scale = np.ones(2) * (1.0 if spacing is None else spacing)

    def surface(mask: np.ndarray) -> np.ndarray:
        return np.argwhere(mask & ~ndimage.binary_erosion(mask)) * scale

    table = np.linalg.norm(surface(a)[:, None] - surface(b)[None], axis=2)
    for others, expected in ((lists.to_truth, table.min(1)), (lists.to_prediction, table.min(0))):
        assert np.all(others > 0)
        np.testing.assert_allclose(np.sort([*[0.0] * lists.shared, *others]), np.sort(expected), atol=TOL)


def test_single_pixels_by_hand() -> None:
    # prediction . . . . .    truth . . . . .
    #            . 1 . . .          . . . . 1     three columns apart, each 2 wide
    prediction, truth = np.zeros((2, 2, 5), np.uint8)
    prediction[1, 1] = truth[1, 4] = 1
    (row,) = class_metrics(prediction, truth, 2, spacing=(1.0, 2.0), tolerance=5.9)
    assert (row.dice, row.iou, row.status) == (0.0, 0.0, "both")
    assert {row.msd, row.masd, row.hd95, row.hd95_max, row.hd, row.mean_to_truth, row.mean_to_prediction} == {6.0}
    assert row.nsd == 0.0
    assert class_metrics(prediction, truth, 2, spacing=(1.0, 2.0), tolerance=6.0)[0].nsd == 1.0


def test_square_against_its_left_half_by_hand() -> None:
    # prediction 1 1 . .    truth 1 1 1 1   both fill the frame from top to bottom, so every pixel but the
    #            1 1 . .          1 1 1 1   truth's four inner ones is surface.
    #            1 1 . .          1 1 1 1   prediction -> truth: rows 0 and 3 are shared surface; (1,0), (2,0) too;
    #            1 1 . .          1 1 1 1   (1,1), (2,1) are 1 from it. truth -> prediction: columns 2 and 3.
    prediction = np.zeros((4, 4), np.uint8)
    prediction[:, :2] = 1
    truth = np.ones((4, 4), np.uint8)
    (row,) = class_metrics(prediction, truth, 2, tolerance=1.0)
    assert row.dice == pytest.approx(2 * 8 / 24)
    assert row.iou == pytest.approx(8 / 16)
    assert row.mean_to_truth == pytest.approx(2 / 8)  # 8 surface pixels, two of them at distance 1
    # 12 surface pixels: 6 shared; (0,2) and (3,2) at 1; (0..3, 3) at 2
    assert row.mean_to_prediction == pytest.approx((2 * 1 + 4 * 2) / 12)
    assert row.msd == pytest.approx((2 + 10) / 20)
    assert row.masd == pytest.approx((2 / 8 + 10 / 12) / 2)
    assert row.hd == 2.0
    assert row.nsd == pytest.approx((8 + 8) / 20)


def test_hd95_pools_both_directions_while_hd95_max_takes_the_larger() -> None:
    prediction, truth = np.zeros((2, 60), np.uint8)
    prediction[[10, 50]], truth[10] = 1, 1
    (row,) = class_metrics(prediction, truth, 2)
    # lists: to_truth [0, 40], to_prediction [0]; percentiles by linear interpolation
    assert row.hd95 == pytest.approx(np.percentile([0, 0, 40], 95))
    assert row.hd95_max == pytest.approx(0.95 * 40)
    assert row.hd == 40.0


def test_touching_the_frame_is_surface() -> None:
    # A full frame has its border as surface, not nothing: without that the distances would be undefined.
    full = np.ones((3, 4), np.uint8)
    centre = np.zeros((3, 4), np.uint8)
    centre[1, 1] = 1
    (row,) = class_metrics(centre, full, 2)
    assert row.mean_to_truth == 1.0  # (1, 1) to (0, 1)
    # ten surface pixels: rows 0 and 2 hold 1, two diagonal steps and one of (1, 2); row 1 holds 1 to the left and 2 to
    # the right
    assert row.mean_to_prediction == pytest.approx((2 * (1 + 2 * math.sqrt(2) + math.sqrt(5)) + 1 + 2) / 10, abs=TOL)


def test_box_in_space_by_hand() -> None:
    # truth: a 3 x 3 x 3 cube in the middle of a 5 x 5 x 5 room: 26 of its voxels are surface, all but the centre.
    # prediction: the centre alone. From it to the truth's surface: 1, 2 or 3 along the axes' spacing, the least of them
    # 1. Back: 6 faces at spacing, 12 edges and 8 corners diagonally.
    truth, prediction = np.zeros((2, 5, 5, 5), np.uint8)
    truth[1:4, 1:4, 1:4] = 1
    prediction[2, 2, 2] = 1
    (row,) = class_metrics(prediction, truth, 2, spacing=(1.0, 2.0, 3.0), tolerance=1.0)
    assert row.dice == pytest.approx(2 / 28)
    assert row.mean_to_truth == 1.0
    faces = 2 * (1 + 2 + 3)
    edges = 4 * (math.sqrt(1 + 4) + math.sqrt(1 + 9) + math.sqrt(4 + 9))
    corners = 8 * math.sqrt(1 + 4 + 9)
    assert row.mean_to_prediction == pytest.approx((faces + edges + corners) / 26, abs=TOL)
    assert row.msd == pytest.approx((1 + faces + edges + corners) / 27, abs=TOL)
    assert row.hd == row.hd95_max == pytest.approx(math.sqrt(14), abs=TOL)
    assert row.nsd == pytest.approx(3 / 27)  # the centre and the two faces one away


def test_voxels_that_touch_the_frame_in_space_are_surface() -> None:
    room = np.ones((3, 3, 3), np.uint8)
    hollow = room.copy()
    hollow[1, 1, 1] = 0
    (row,) = class_metrics(hollow, room, 2)
    assert (row.hd, row.msd) == (0.0, 0.0)  # both surfaces are the 26 voxels on the frame
    assert row.dice == pytest.approx(2 * 26 / 53)


def test_surface_ends_at_void() -> None:
    # truth      1 1 ? 0 0    prediction 1 1 1 1 0   on void neither mask has the object, so the
    # prediction falls into two pieces:
    # columns 0 and 1, which agree, and column 3, two away from column 1.
    truth = np.array([[1, 1, 255, 0, 0]], np.uint8)
    prediction = np.array([[1, 1, 1, 1, 0]], np.uint8)
    (row,) = class_metrics(prediction, truth, 2)
    assert (row.prediction_pixels, row.truth_pixels, row.hd) == (3, 2, 2.0)
    assert row.mean_to_truth == pytest.approx(2 / 3)
    assert row.mean_to_prediction == 0.0


def test_missed_and_spurious_classes_have_a_status_and_no_distance() -> None:
    truth = np.array([[1, 1, 0, 0]], np.uint8)
    prediction = np.array([[0, 0, 0, 2]], np.uint8)
    missed, spurious = class_metrics(prediction, truth, 4)
    assert (missed.label, missed.status, missed.dice, missed.nsd, missed.truth_pixels) == (1, "missed", 0.0, 0.0, 2)
    assert (spurious.label, spurious.status, spurious.iou, spurious.prediction_pixels) == (2, "spurious", 0.0, 1)
    assert {missed.msd, missed.hd95, spurious.hd, spurious.hd95_max, spurious.masd} == {None}


def test_undefined_distance_counts_as_the_diagonal_or_is_left_out() -> None:
    truth = np.array([[1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]], np.uint8)
    prediction = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.uint8)
    counted = image_metrics(prediction, truth, 3)
    assert (counted.dice, counted.classes, counted.missed, counted.spurious) == (0.5, 2, 1, 0)
    assert counted.hd95 == 5.0 / 2  # frame 3 x 4: diagonal 5; the other class is perfect
    assert image_metrics(prediction, truth, 3, spacing=2.0).msd == 10.0 / 2
    left_out = image_metrics(prediction, truth, 3, undefined="exclude")
    assert (left_out.hd95, left_out.msd, left_out.dice) == (0.0, 0.0, 0.5)
    nothing = image_metrics(np.zeros_like(truth), truth, 3, undefined="exclude")
    assert (nothing.msd, nothing.dice, nothing.missed) == (None, 0.0, 2)


def test_no_foreground_at_all_is_perfect_agreement() -> None:
    empty = np.zeros((4, 5), np.uint8)
    void = np.full((4, 5), 255, np.uint8)
    for prediction, truth in ((empty, empty), (np.ones_like(empty), void), (void, empty)):
        result = image_metrics(prediction, truth, 2)
        assert (result.dice, result.iou, result.nsd, result.msd, result.classes) == (1.0, 1.0, 1.0, 0.0, 0)
        assert mean_dice(prediction, truth, 2) == 1.0
        assert class_metrics(prediction, truth, 2) == []


def test_void_of_the_truth_is_removed_from_both_masks() -> None:
    truth = np.array([0, 1, 1, 255, 255, 0], np.uint8)
    prediction = np.array([0, 1, 1, 1, 2, 0], np.uint8)
    (row,) = class_metrics(prediction, truth, 3)  # class 2 lies on void alone: no row
    assert (row.label, row.dice, row.hd, row.prediction_pixels) == (1, 1.0, 0.0, 2)


def test_void_of_the_prediction_counts_as_nothing_predicted() -> None:
    truth = np.array([1, 1, 1, 1], np.uint8)
    prediction = np.array([1, 1, 255, 255], np.uint8)
    assert class_metrics(prediction, truth, 2)[0].dice == pytest.approx(2 * 2 / 6)
    assert mean_dice(prediction, truth, 2) == pytest.approx(2 * 2 / 6)


def test_without_background_every_label_has_a_row() -> None:
    truth = np.array([[0, 0, 1, 255]], np.uint8)
    prediction = np.array([[0, 1, 1, 0]], np.uint8)
    rows = class_metrics(prediction, truth, 2, background=None)
    assert [row.label for row in rows] == [0, 1]
    assert [row.dice for row in rows] == pytest.approx([2 / 3, 2 / 3])
    assert mean_dice(prediction, truth, 2, background=None) == pytest.approx(2 / 3)


def test_background_other_than_zero_and_no_void() -> None:
    truth = np.array([3, 0, 0, 3], np.int64)
    prediction = np.array([3, 0, 3, 3], np.int64)
    (row,) = class_metrics(prediction, truth, 4, void=None, background=3)
    assert (row.label, row.dice) == (0, pytest.approx(2 / 3))


@pytest.mark.parametrize("seed", range(20))
def test_fast_path_equals_the_mean_of_the_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = blobs(rng, (20, 30), 6)
    prediction = disturbed(rng, truth, 6)
    truth[rng.random(truth.shape) < 0.1] = 255
    rows = class_metrics(prediction, truth, 6)
    assert mean_dice(prediction, truth, 6) == pytest.approx(np.mean([row.dice for row in rows]), abs=1e-12)
    assert image_metrics(prediction, truth, 6).dice == pytest.approx(np.mean([row.dice for row in rows]), abs=1e-12)


def test_many_labels_and_wide_integers() -> None:
    truth = np.arange(600, dtype=np.int32).reshape(20, 30)
    rows = class_metrics(truth, truth, 600, void=-1)
    assert len(rows) == 599
    assert all(row.dice == 1.0 and row.hd == 0.0 for row in rows)


def test_inputs_are_left_alone() -> None:
    truth, prediction = np.array([[0, 1, 255]], np.uint8), np.array([[1, 1, 1]], np.uint8)
    image_metrics(prediction, truth, 2)
    assert truth.tolist() == [[0, 1, 255]]
    assert prediction.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("prediction", "truth", "options", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), {}, "one shape"),
        (np.zeros(3), np.zeros(3, int), {}, "integer labels"),
        (np.array([0, 7]), np.array([0, 1]), {}, r"`prediction`.*\[7\]"),
        (np.array([0, 1]), np.array([0, -2]), {}, r"`truth`.*\[-2\]"),
        (np.array([0, 2]), np.array([0, 1]), {"void": None}, r"\[2\]"),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), {"spacing": (1.0, 2.0, 3.0)}, "`spacing`"),
        (np.zeros(2, int), np.zeros(2, int), {"spacing": 0.0}, "`spacing`"),
        (np.zeros(2, int), np.zeros(2, int), {"tolerance": -1.0}, "`tolerance`"),
        (np.zeros(2, int), np.zeros(2, int), {"undefined": "drop"}, "`undefined`"),
    ],
)
def test_misuse_is_refused_with_a_reason(
    prediction: np.ndarray, truth: np.ndarray, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        image_metrics(prediction, truth, 2, **options)


def test_distance_to_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="undefined"):
        surface_distances(np.zeros((2, 2), bool), np.ones((2, 2), bool))
