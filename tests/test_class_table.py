"""The per-class table: our metrics beside medpy's, and what its summary counts."""

import sys

import numpy as np
import pytest

from evaluation.class_table import CLASS_COLUMNS, SUMMARY_COLUMNS, class_rows, summarise_classes

NAMES = ("background", "cat", "dog", "cow")


def masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of rectangles that overlap in part, the truth with void."""
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
def test_medpy_gives_the_same_table(spacing: tuple[float, float] | None) -> None:
    compared = 0
    for seed in range(40):
        prediction, truth = masks(seed)
        ours, theirs = (class_rows("p", prediction, truth, NAMES, spacing=spacing, backend=backend) for backend in ("segqc", "medpy"))
        assert len(ours) == len(theirs)
        for first, second in zip(ours, theirs, strict=True):
            assert tuple(first) == tuple(second) == CLASS_COLUMNS
            for key in CLASS_COLUMNS:
                if isinstance(first[key], float):
                    assert first[key] == pytest.approx(second[key], abs=1e-9), key
                    compared += 1
                else:
                    assert first[key] == second[key], key
    assert compared > 500


def test_the_numbers_of_the_medpy_backend_are_medpys(monkeypatch: pytest.MonkeyPatch) -> None:
    from medpy.metric import binary

    monkeypatch.setattr(binary, "dc", lambda *_: 0.125)
    prediction, truth = masks(3)
    assert {row["dice"] for row in class_rows("p", prediction, truth, NAMES, backend="medpy")} == {0.125}
    assert 0.125 not in {row["dice"] for row in class_rows("p", prediction, truth, NAMES)}


def test_summary_counts_missed_spurious_and_absent() -> None:
    truth, prediction = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
    truth[:2], prediction[:2] = 1, 1
    truth[4:, :3] = 2
    prediction[4:, 4:] = 3
    rows = class_rows("a", prediction, truth, NAMES) + class_rows("b", truth, truth, NAMES)
    cat, dog, cow = summarise_classes(rows, NAMES, images=5)
    assert tuple(sorted(cat)) == tuple(sorted(SUMMARY_COLUMNS))
    assert [cat[key] for key in ("images", "both", "missed", "spurious", "absent")] == [2, 2, 0, 0, 3]
    assert [dog[key] for key in ("images", "both", "missed", "spurious", "absent")] == [2, 1, 1, 0, 3]
    assert [cow[key] for key in ("images", "both", "missed", "spurious", "absent")] == [1, 0, 0, 1, 4]
    assert (cat["dice"], dog["dice"], cow["dice"]) == (1, 0.5, 0)
    assert (dog["msd"], cow["msd"]) == (0, None)


def test_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, truth = masks(0)
    with pytest.raises(ValueError, match="backend"):
        class_rows("p", prediction, truth, NAMES, backend="monai")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "medpy.metric", None)
    with pytest.raises(ImportError, match=r"segqc\[medpy\]"):
        class_rows("p", prediction, truth, NAMES, backend="medpy")
