"""Nearest training masks: the matrix of Dice against the metrics, small objects, exactness, what is kept on disk."""

from pathlib import Path

import numpy as np
import pytest
from tiny import LABELS, blobs

from evaluation.baselines import neighbours
from evaluation.baselines.base import Example
from evaluation.baselines.neighbours import MaskNeighbours, mean_dice_matrix
from evaluation.metrics.classes import mean_dice
from segqc.base.errors import BadInput
from segqc.data.grid import mask_to_grid
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask

NO_BACKGROUND = LabelSpace(LABELS.names, background=None)


def example(folder: Path, name: str, mask: np.ndarray, labels: LabelSpace = LABELS) -> Example:
    write_mask(folder / f"{name}.png", mask, labels)
    return Example(name, folder / f"{name}.jpg", folder / f"{name}.png", labels)


def square(top: int, left: int, label: int = 1, side: int = 8) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    mask[top : top + side, left : left + side] = label
    return mask


@pytest.mark.parametrize("labels", [LABELS, NO_BACKGROUND])
def test_matrix_equals_the_metric_pair_by_pair(labels: LabelSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_CHUNK", 3)  # several chunks, the last one not full
    rng = np.random.default_rng(0)
    special = [np.zeros((9, 9), np.uint8), np.full((9, 9), 255, np.uint8), np.full((9, 9), 2, np.uint8)]
    random = [rng.choice([0, 0, 1, 2, 3, 255], (9, 9)).astype(np.uint8) for _ in range(8)]
    masks = [*special, *random, *(blobs(seed, 9, 9) for seed in range(5))]
    one = np.zeros((9, 9), np.uint8)
    one[4, 4] = 3
    masks.append(one)
    first, second = np.stack(masks), np.stack(masks[::-1])
    expected = [[mean_dice(a, b, labels.num_classes, background=labels.background) for b in second] for a in first]
    np.testing.assert_allclose(mean_dice_matrix(first, second, labels), expected, rtol=0, atol=1e-12)


def test_score_is_the_mean_of_the_k_smallest_distances(tmp_path: Path) -> None:
    training = [example(tmp_path, f"t{i}", blobs(i, 40, 30)) for i in range(9)]
    audited = [example(tmp_path, f"a{i}", blobs(100 + i, 40, 30)) for i in range(4)]
    baseline = MaskNeighbours(k=3, side=12)
    baseline.fit(training, tmp_path / "fit")
    expected = []
    for query in audited:
        grid = mask_to_grid(query.mask(), 12, LABELS)
        distances = [1 - mean_dice(grid, mask_to_grid(t.mask(), 12, LABELS), LABELS.num_classes) for t in training]
        expected.append(np.mean(sorted(distances)[:3]))
    np.testing.assert_allclose(baseline.score(audited), expected, rtol=0, atol=1e-12)


def test_place_and_class_of_a_small_object_matter(tmp_path: Path) -> None:
    # Hamming distance would call all of these 98 % alike.
    training = [example(tmp_path, f"t{i}", square(8, 8 + i % 2)) for i in range(6)]
    baseline = MaskNeighbours()
    baseline.fit(training, tmp_path / "fit")
    here, other_class, elsewhere, nothing, two = baseline.score(
        [
            example(tmp_path, "here", square(8, 8)),
            example(tmp_path, "other_class", square(8, 8, label=2)),
            example(tmp_path, "elsewhere", square(40, 40)),
            example(tmp_path, "nothing", square(0, 0, label=0)),
            example(tmp_path, "two", np.maximum(square(8, 8), square(40, 40, label=3))),
        ]
    )
    assert here < 0.15
    assert other_class == elsewhere == nothing == 1
    assert 0.5 <= two < 0.6


def test_an_object_of_ten_pixels_counts(tmp_path: Path) -> None:
    small = np.zeros((375, 500), np.uint8)
    small[200:202, 300:305] = 2
    baseline = MaskNeighbours()
    baseline.fit([example(tmp_path, f"t{i}", small) for i in range(5)], tmp_path / "fit")
    same, empty = baseline.score([example(tmp_path, "same", small), example(tmp_path, "empty", np.zeros_like(small))])
    assert (same, empty) == (0, 1)


def test_training_masks_without_foreground_are_neighbours_of_such_masks(tmp_path: Path) -> None:
    empty = np.zeros((20, 20), np.uint8)
    baseline = MaskNeighbours(k=2)
    baseline.fit(
        [example(tmp_path, "t0", empty), example(tmp_path, "t1", empty), example(tmp_path, "t2", blobs(0))],
        tmp_path / "fit",
    )
    assert baseline.score([example(tmp_path, "a", empty)]) == [0]
    assert baseline.score([example(tmp_path, "void", np.full((20, 20), 255, np.uint8))]) == [0]


def test_scores_do_not_depend_on_order_or_companions(tmp_path: Path) -> None:
    training = [example(tmp_path, f"t{i}", blobs(i, 30, 30)) for i in range(12)]
    audited = [example(tmp_path, f"a{i}", blobs(50 + i, 30, 30)) for i in range(7)]
    baseline, reversed_ = MaskNeighbours(), MaskNeighbours()
    baseline.fit(training, tmp_path / "fit")
    reversed_.fit(training[::-1], tmp_path / "fit_reversed")
    scores = baseline.score(audited)
    assert len(set(scores.tolist())) > 3
    order = [5, 0, 6, 2, 1, 4, 3]
    np.testing.assert_array_equal(baseline.score([audited[i] for i in order]), scores[order])
    np.testing.assert_array_equal(np.concatenate([baseline.score([one]) for one in audited]), scores)
    np.testing.assert_array_equal(reversed_.score(audited), scores)


def test_a_finished_fit_is_loaded_and_another_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = [example(tmp_path, f"t{i}", blobs(i, 30, 30)) for i in range(6)]
    audited = [example(tmp_path, "a", blobs(9, 30, 30))]
    first = MaskNeighbours()
    first.fit(training, tmp_path / "fit")
    with monkeypatch.context() as patch:
        patch.setattr(MaskNeighbours, "_grid", lambda self, example: pytest.fail("the masks are read again"))
        again = MaskNeighbours()
        again.fit(training[::-1], tmp_path / "fit")
    np.testing.assert_array_equal(again.score(audited), first.score(audited))
    for changed in (MaskNeighbours(side=8), MaskNeighbours()):
        rows = training if changed.side == 8 else training[:3]
        changed.fit(rows, tmp_path / "fit")
        assert changed.masks_.shape == (len(rows), changed.side, changed.side)
        assert changed.masks_.dtype == np.uint8


def test_what_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    training = [example(tmp_path, f"t{i}", blobs(i, 30, 30)) for i in range(4)]
    training[1].mask_file.write_bytes(b"not a mask")
    baseline = MaskNeighbours(k=2)
    with pytest.warns(UserWarning, match=r"t1\.png"):
        baseline.fit(training, tmp_path / "fit")
    assert len(baseline.masks_) == 3
    good, gone = (
        example(tmp_path, "good", blobs(0, 30, 30)),
        Example("gone", tmp_path / "gone.jpg", tmp_path / "gone.png", LABELS),
    )
    with pytest.warns(UserWarning, match=r"gone\.png"):
        scores = baseline.score([gone, good])
    assert np.isnan(scores).tolist() == [True, False]
    with pytest.warns(UserWarning, match=r"t1\.png"), pytest.raises(BadInput, match="no training mask"):
        MaskNeighbours().fit(training[1:2], tmp_path / "none")
    assert baseline.score([]).shape == (0,)


def test_fewer_training_masks_than_neighbours(tmp_path: Path) -> None:
    baseline = MaskNeighbours(k=5)
    baseline.fit([example(tmp_path, "t0", square(8, 8)), example(tmp_path, "t1", square(40, 40))], tmp_path / "fit")
    assert baseline.score([example(tmp_path, "a", square(8, 8))]) == [0.5]


@pytest.mark.parametrize("arguments", [{"k": 0}, {"side": 0}])
def test_misuse_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MaskNeighbours(**arguments)
