"""Forests that predict every column from the others, against distributions that are known."""

import numpy as np
import pytest

from segqc.tabular.counting import tree as tree_module
from segqc.tabular.counting import walk
from segqc.tabular.counting.forests import ConditionalForests
from segqc.tabular.counting.order import CellOrder
from segqc.tabular.counting.tree import Tree
from segqc.tabular.encoding import TableEncoder
from segqc.tabular.io.columns import read_columns

SIZES = np.array([4, 4, 3])


def copied(rows: int = 600, seed: int = 0) -> np.ndarray:
    """The second column repeats the first in nine rows of ten; the third depends on nothing."""
    rng = np.random.default_rng(seed)
    first = rng.integers(3, size=rows)
    second = np.where(rng.random(rows) < 0.9, first, rng.integers(3, size=rows))
    return np.stack([first, second, rng.integers(2, size=rows)], axis=1)


def fit(codes: np.ndarray, sizes: np.ndarray = SIZES, seed: int = 0) -> ConditionalForests:
    held_out = codes[::5]
    return ConditionalForests.fit(
        codes.astype(np.float32), codes, (held_out.astype(np.float32), held_out), sizes, trees=24, seed=seed
    )


def surprise(found: ConditionalForests, codes: np.ndarray) -> np.ndarray:
    return found.surprise(codes.astype(np.float32), codes)


def grown(codes: np.ndarray, column: int, seed: int = 0) -> tuple[Tree, np.ndarray]:
    return Tree.grow(codes.astype(np.float32), codes[:, column], column, np.random.default_rng(seed))


def test_a_column_that_follows_from_another_is_predicted() -> None:
    found = surprise(fit(copied()), np.array([[0, 0, 0], [0, 1, 0]]))
    likely, unlikely = np.exp(-found[:, :2])
    # between the frequency, 1/3, and what the other column says, 0.93 and 0.033
    assert (likely > 0.5).all()
    assert (unlikely < 0.2).all()
    assert np.allclose(np.exp(-found[:, 2]), 0.5, atol=0.1)


def test_every_node_holds_a_distribution() -> None:
    codes = copied()
    tree, leaves = grown(codes, 0)
    chances = tree.probabilities(tree.counts(leaves, codes[:, 0], 4), np.full(4, 0.25), 2.0)
    assert np.allclose(chances.sum(1), 1)


def test_smoothing_is_the_formula() -> None:
    codes = copied()
    start = np.array([0.25, 0.25, 0.25, 0.25])
    tree, leaves = grown(codes, 0)
    counts = tree.counts(leaves, codes[:, 0], 4)
    chances = tree.probabilities(counts, start, 3.0)
    for node in range(len(tree.left)):
        above = start if tree.parent[node] < 0 else chances[tree.parent[node]]
        assert np.allclose(chances[node], (counts[node] + 3 * above) / (counts[node].sum() + 3))
    assert np.array_equal(leaves, tree.leaves(codes.astype(np.float32)))
    ends = tree.left < 0
    assert np.array_equal(np.bincount(leaves, minlength=len(ends))[ends], counts[ends].sum(1))
    assert counts[0].sum() == len(codes)


@pytest.mark.parametrize("least", [1, 20, 400])
def test_a_surprise_is_the_mean_over_the_depths(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = copied()
    tree, leaves = grown(codes, 0)
    counts = tree.counts(leaves, codes[:, 0], 4)
    chances = tree.probabilities(counts, np.full(4, 0.25), 2.0)
    monkeypatch.setattr(tree_module, "LEAST_ROWS", least)
    found = tree.mean_surprise(chances, counts.sum(1))
    for leaf in np.flatnonzero(tree.left < 0):
        way = [int(leaf)]
        while tree.parent[way[-1]] >= 0:
            way.append(int(tree.parent[way[-1]]))
        said, last = [], 0
        for node in way[::-1]:
            last = node if counts[node].sum() >= least else last
            said.append(-np.log(chances[last]))
        said += said[-1:] * (len(tree.levels) - len(said))
        assert np.allclose(found[leaf], np.mean(said, axis=0))


def test_a_handful_of_anomalies_does_not_vouch_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    columns, sizes = 6, np.full(6, 8)
    rows = rng.integers(5, size=(800, columns))
    odd = np.full((8, columns), 5)
    codes = np.concatenate([rows, odd])
    said = []
    for least in (tree_module.LEAST_ROWS, 1):
        monkeypatch.setattr(tree_module, "LEAST_ROWS", least)
        said.append(surprise(fit(codes, sizes), odd[:1]).sum())
    assert said[0] > 1.3 * said[1]


def test_outcomes_that_never_occur_are_the_most_surprising() -> None:
    codes = copied()
    never = codes[:50].copy()
    never[:, 0] = 3
    found = fit(codes)
    assert (surprise(found, never)[:, 0] > surprise(found, codes)[:, 0].max()).all()


def test_constant_columns_and_single_ones_need_no_trees() -> None:
    codes = np.zeros((50, 3), np.int64)
    codes[:, 2] = np.arange(50) % 2
    found = fit(codes)
    assert set(found.target.tolist()) == {2}
    assert surprise(found, np.array([[1, 0, 0]]))[0, 0] == pytest.approx(np.log(52 / 0.5))
    alone = fit(codes[:, 2:], SIZES[2:])
    assert not len(alone.target)
    assert np.isfinite(surprise(alone, codes[:, 2:])).all()


def test_scores_are_independent_of_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = copied()
    found = fit(codes)
    whole = surprise(found, codes)
    monkeypatch.setattr(walk, "_BLOCK", 7)
    assert np.array_equal(surprise(found, codes), whole)
    assert np.array_equal(surprise(found, codes[3:4]), whole[3:4])


def test_the_same_seed_grows_the_same_forest_and_arrays_hold_it() -> None:
    codes = copied()
    found = fit(codes)
    assert np.array_equal(surprise(fit(codes), codes), surprise(found, codes))
    assert not np.array_equal(surprise(fit(codes, seed=1), codes), surprise(found, codes))
    assert np.array_equal(surprise(ConditionalForests(**found.to_arrays()), codes), surprise(found, codes))
    assert all(np.isfinite(array).all() for array in found.to_arrays().values())


def test_categories_have_places_by_size_then_by_the_alphabet() -> None:
    table = read_columns({"a": ["10", "9", "b", "a", "-1"], "x": [1.0, 2.0, 3.0, 4.0, np.nan]})
    encoder = TableEncoder.fit(table, np.array([True, False]))
    asked = read_columns({"a": ["-1", "9", "10", "a", "b", None, "new"], "x": [1.0] * 6 + [np.nan]})
    values = CellOrder.of(encoder).values(encoder.transform(asked))
    assert values[:, 0].tolist() == [0, 1, 2, 3, 4, -1, -2]
    assert values[6, 1] < values[:6, 1].min() - 1e6
