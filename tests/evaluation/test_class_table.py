"""Table by class: our rows against medpy's own, what is missed or spurious, void, spacing, the summary over images."""

import sys
from statistics import fmean, median

import numpy as np
import pytest
from tiny import blobs

from evaluation.metrics.class_table import CLASS_COLUMNS, SUMMARY_COLUMNS, class_rows, summarise_classes

NAMES = ("background", "cat", "dog", "cow")
NUMBERS = [column for column in CLASS_COLUMNS if column not in ("id", "class", "label", "status")]


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Objects that overlap, random labels, a picture that is one class, one pixel, empty, void throughout, nothing in
    common.
    """
    rng = np.random.default_rng(0)
    zeros = np.zeros((30, 40), np.uint8)
    one, other = zeros.copy(), zeros.copy()
    one[3, 4], other[29, 39] = 2, 2
    found = [(blobs(seed, 30, 40), blobs(seed + 50, 30, 40)) for seed in range(6)]
    found += [tuple(rng.choice(np.array([0, 0, 0, 1, 2, 3, 255], np.uint8), (2, 30, 40))) for _ in range(3)]
    return [
        *found,
        (zeros + 1, zeros + 1),
        (one, other),
        (one, zeros),
        (zeros, one),
        (zeros, zeros),
        (blobs(0, 30, 40), zeros + 255),
    ]


@pytest.mark.parametrize("background", [0, None])
@pytest.mark.parametrize("spacing", [None, 0.5, (2.0, 0.7)])
def test_backends_agree(spacing: float | tuple[float, float] | None, background: int | None) -> None:
    pytest.importorskip("medpy")
    compared = 0
    for number, (prediction, truth) in enumerate(pairs()):
        ours, theirs = (
            class_rows(f"p{number}", prediction, truth, NAMES, background=background, spacing=spacing, backend=backend)
            for backend in ("segqc", "medpy")
        )
        assert [row["label"] for row in ours] == [row["label"] for row in theirs]
        for a, b in zip(ours, theirs, strict=True):
            assert a.keys() == b.keys() == set(CLASS_COLUMNS)
            assert [a[key] for key in ("id", "class", "status")] == [b[key] for key in ("id", "class", "status")]
            for column in NUMBERS:
                if a[column] is None or b[column] is None:
                    assert a[column] is b[column], column
                else:
                    assert a[column] == pytest.approx(b[column], rel=0, abs=1e-9), column
                    compared += 1
    assert compared > 300


def overlapping(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rectangles of three classes, the truth's moved by up to three pixels, some classes in one mask only, one in
    twenty true pixels void.
    """
    rng = np.random.default_rng(seed)
    pair = []
    for shift in (0, int(rng.integers(0, 4))):
        mask = np.zeros((24, 31), np.uint8)
        for label in (1, 2, 3):
            if rng.random() < 0.75:
                top, left = rng.integers(0, 14), rng.integers(0, 20)
                mask[top + shift : top + shift + rng.integers(1, 9), left : left + rng.integers(1, 11)] = label
        pair.append(mask)
    pair[1][rng.random(pair[1].shape) < 0.05] = 255
    return pair[0], pair[1]


@pytest.mark.parametrize("spacing", [None, (0.7, 2.0)])
def test_backends_agree_on_forty_overlapping_pairs(spacing: tuple[float, float] | None) -> None:
    pytest.importorskip("medpy")
    compared, statuses = 0, set()
    for seed in range(40):
        prediction, truth = overlapping(seed)
        assert (truth == 255).any()
        ours, theirs = (
            class_rows("p", prediction, truth, NAMES, spacing=spacing, backend=backend)
            for backend in ("segqc", "medpy")
        )
        for first, second in zip(ours, theirs, strict=True):
            assert tuple(first) == tuple(second) == CLASS_COLUMNS
            statuses.add(first["status"])
            for key in CLASS_COLUMNS:
                if isinstance(first[key], float):
                    assert first[key] == pytest.approx(second[key], rel=0, abs=1e-9), (seed, key)
                    compared += 1
                else:
                    assert first[key] == second[key], (seed, key)
    assert compared > 500
    assert statuses == {"both", "missed", "spurious"}


def test_medpy_backend_is_medpy(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = pytest.importorskip("medpy.metric.binary")
    for number, name in enumerate(("dc", "jc", "assd", "hd95", "hd")):
        monkeypatch.setattr(binary, name, lambda *_, value=number: 100 + value)
    monkeypatch.setattr(binary, "asd", lambda first, second, _: 200 + 10 * int(first.sum()) + int(second.sum()))
    prediction, truth = np.array([[1, 1, 1, 0]], np.uint8), np.array([[0, 1, 1, 255]], np.uint8)
    (row,) = class_rows("p", prediction, truth, NAMES, backend="medpy")
    assert [row[key] for key in ("dice", "iou", "msd", "hd95", "hd")] == [100, 101, 102, 103, 104]
    assert (row["mean_to_truth"], row["mean_to_prediction"]) == (232, 223)  # 3 predicted pixels, 2 true ones
    assert row["masd"] == (232 + 223) / 2
    assert row["nsd"] == 1  # ours: medpy has none


def test_rows_by_hand() -> None:
    truth = np.zeros((4, 8), np.uint8)
    prediction = truth.copy()
    truth[1, 1:5], prediction[1, 2:6] = 1, 1
    truth[3, 0] = 2
    prediction[3, 7] = 3
    cat, dog, cow = class_rows("p", prediction, truth, NAMES, tolerance=0)
    assert [(row["id"], row["class"], row["label"], row["status"]) for row in (cat, dog, cow)] == [
        ("p", "cat", 1, "both"),
        ("p", "dog", 2, "missed"),
        ("p", "cow", 3, "spurious"),
    ]
    assert (cat["dice"], cat["iou"], cat["nsd"], cat["msd"], cat["hd"]) == (0.75, 0.6, 0.75, 0.25, 1)
    for row, sizes in ((dog, (0, 1)), (cow, (1, 0))):
        assert (row["dice"], row["iou"], row["nsd"]) == (0, 0, 0)
        assert row["msd"] is row["hd95"] is row["hd"] is row["masd"] is row["mean_to_truth"] is None
        assert (row["prediction_pixels"], row["truth_pixels"]) == sizes


@pytest.mark.parametrize("backend", ["segqc", "medpy"])
def test_void_of_the_truth_hides_and_void_of_the_prediction_does_not(backend: str) -> None:
    if backend == "medpy":
        pytest.importorskip("medpy")
    truth, prediction = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
    truth[:2], prediction[:2] = 255, 3  # hidden: no row
    truth[3, :4], prediction[3, :4] = 1, [1, 1, 255, 255]
    (row,) = class_rows("p", prediction, truth, NAMES, backend=backend)
    assert (row["label"], row["prediction_pixels"], row["truth_pixels"]) == (1, 2, 4)
    assert row["dice"] == pytest.approx(2 / 3)
    assert row["iou"] == 0.5


@pytest.mark.parametrize("backend", ["segqc", "medpy"])
def test_values_are_plain_numbers(backend: str) -> None:
    if backend == "medpy":
        pytest.importorskip("medpy")
    for row in class_rows("p", *pairs()[0], NAMES, backend=backend):
        assert {type(value) for value in row.values()} <= {int, float, str, type(None)}


def test_medpy_absent_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medpy.metric", None)
    with pytest.raises(ImportError, match=r"pip install 'segqc\[medpy\]'"):
        class_rows("p", *pairs()[0], NAMES, backend="medpy")
    assert class_rows("p", *pairs()[0], NAMES)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="one of segqc, medpy"):
        class_rows("p", *pairs()[0], NAMES, backend="monai")  # type: ignore[arg-type]


def test_summary_equals_counting_by_hand() -> None:
    every = pairs()
    rows = [row for number, pair in enumerate(every) for row in class_rows(f"p{number}", *pair, NAMES)]
    summary = summarise_classes(rows, NAMES, len(every))
    assert [line["class"] for line in summary] == ["cat", "dog", "cow"]
    for label, line in enumerate(summary, start=1):
        assert line.keys() == set(SUMMARY_COLUMNS)
        both = missed = spurious = 0
        for prediction, truth in every:
            here = [((mask == label) & (truth != 255)).any() for mask in (prediction, truth)]
            both, missed, spurious = (
                both + all(here),
                missed + (here == [False, True]),
                spurious + (here == [True, False]),
            )
        assert (line["both"], line["missed"], line["spurious"]) == (both, missed, spurious)
        assert line["images"] == both + missed + spurious
        assert line["images"] + line["absent"] == len(every)
        mine = [row for row in rows if row["label"] == label]
        assert line["dice"] == fmean(row["dice"] for row in mine)  # with its zeros
        assert line["iou"] == fmean(row["iou"] for row in mine)
        assert line["hd95"] == median(row["hd95"] for row in mine if row["status"] == "both")
        assert line["msd"] == median(row["msd"] for row in mine if row["status"] == "both")
    assert min(line["missed"] + line["spurious"] for line in summary) == 0 < max(line["missed"] for line in summary)


def test_summary_of_two_images_worked_out() -> None:
    """Image a: cat found exactly, dog missed, cow spurious.

    Image b: cat and dog, both exact. Three further images have none of them.
    """
    truth, prediction = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
    truth[:2], prediction[:2] = 1, 1
    truth[4:, :3] = 2
    prediction[4:, 4:] = 3
    rows = class_rows("a", prediction, truth, NAMES) + class_rows("b", truth, truth, NAMES)
    cat, dog, cow = summarise_classes(rows, NAMES, images=5)
    assert [cat[key] for key in ("images", "both", "missed", "spurious", "absent")] == [2, 2, 0, 0, 3]
    assert [dog[key] for key in ("images", "both", "missed", "spurious", "absent")] == [2, 1, 1, 0, 3]
    assert [cow[key] for key in ("images", "both", "missed", "spurious", "absent")] == [1, 0, 0, 1, 4]
    assert [line["dice"] for line in (cat, dog, cow)] == [1, 0.5, 0]
    assert [line["iou"] for line in (cat, dog, cow)] == [1, 0.5, 0]
    assert [line["msd"] for line in (cat, dog, cow)] == [0, 0, None]
    assert [line["hd95"] for line in (cat, dog, cow)] == [0, 0, None]


def test_summary_of_classes_never_seen_and_never_found() -> None:
    missed = class_rows("p", np.zeros((4, 4), np.uint8), np.full((4, 4), 2, np.uint8), NAMES)
    cat, dog, cow = summarise_classes(missed, NAMES, 3)
    for line in (cat, cow):
        assert (line["images"], line["absent"], line["both"]) == (0, 3, 0)
        assert line["dice"] is line["iou"] is line["msd"] is line["hd95"] is None
    assert (dog["images"], dog["missed"], dog["absent"], dog["dice"], dog["msd"]) == (1, 1, 2, 0, None)
    assert [line["class"] for line in summarise_classes([], NAMES, 0, background=None)] == list(NAMES)
