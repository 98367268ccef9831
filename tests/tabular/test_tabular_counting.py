"""Context trees against counting row by row; bins; and the score of several levels against hand-made ones."""

import math

import numpy as np
import pytest

from segqc.tabular.counting import trees as counting
from segqc.tabular.counting.bins import BINS, NumberBins
from segqc.tabular.counting.oddest_level import OddestLevel
from segqc.tabular.counting.trees import ContextTrees, column_orders, known_columns
from segqc.tabular.encoding import Encoded

SIZES = np.array([4, 3, 5, 4])


def chained_rows(rows: int = 400, seed: int = 0) -> np.ndarray:
    """Columns that follow each other most of the time; the last code of each never occurs."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(SIZES[0] - 1, size=rows)]
    for size in SIZES[1:]:
        columns.append(np.where(rng.random(rows) < 0.8, columns[-1] % (size - 1), rng.integers(size - 1, size=rows)))
    return np.stack(columns, axis=1)


def fit(rows: np.ndarray, sizes: np.ndarray = SIZES, seed: int = 0) -> ContextTrees:
    return ContextTrees.fit(rows, np.ones(len(rows)), sizes, seed)


def counted(rows: np.ndarray, row: np.ndarray, order: np.ndarray, known: int, smoothing: float) -> dict[int, float]:
    """-log p of the columns that are not among the first `known` of `order`, by the formula, one count at a time."""
    found = {}
    for j in order[known:]:
        p = (np.sum(rows[:, j] == row[j]) + 0.5) / (len(rows) + 0.5 * SIZES[j])
        for k in range(1, known + 1):
            alike = rows[np.all(rows[:, order[:k]] == row[order[:k]], axis=1)]
            if len(alike) < counting.MIN_ROWS:
                break
            p = (np.sum(alike[:, j] == row[j]) + smoothing * p) / (len(alike) + smoothing)
        found[int(j)] = -math.log(p)
    return found


def test_trees_count_what_a_loop_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SMOOTHING", (3.0,))
    rows = chained_rows()
    trees = fit(rows)
    some = np.array([rows[0], rows[1], [0, 1, 2, 0], [3, 2, 4, 3], [2, 0, 1, 2]])
    found = trees.surprise(some)
    for i, row in enumerate(some):
        for level, known in enumerate(trees.levels):
            parts = [counted(rows, row, tree.order, known, 3.0) for tree in trees.trees]
            for j in range(4):
                assert found[i, level, j] == pytest.approx(np.mean([part[j] for part in parts if j in part]), rel=1e-5)


def test_every_node_holds_distributions() -> None:
    trees = fit(chained_rows())
    for tree in trees.trees:
        for known, table in tree.surprise.items():
            sizes = SIZES[tree.order[known:]]
            for part in np.split(np.exp(-table.astype(np.float64)), np.cumsum(sizes)[:-1], axis=1):
                assert np.allclose(part.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("columns", [1, 2, 3, 6, 10, 12, 13, 33, 100])
def test_every_level_hides_every_column(columns: int) -> None:
    levels, orders = known_columns(columns), column_orders(columns, seed=1)
    assert levels[0] == 0
    assert levels == sorted(set(levels))
    for known in levels:
        assert {int(j) for order in orders for j in order[known:]} == set(range(columns))
    assert all(sorted(order) == list(range(columns)) for order in orders)


def test_levels_of_narrow_and_wide_tables() -> None:
    assert known_columns(6) == [0, 1, 2, 3, 4, 5]
    assert known_columns(33) == [0, 1, 2, 3, 4, 6, 8, 12, 16, 24]


def test_repeated_rows_count_as_often_as_they_occur() -> None:
    rows = chained_rows()
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    once, repeated = ContextTrees.fit(distinct, counts, SIZES, 0), fit(rows)
    assert np.allclose(once.surprise(rows), repeated.surprise(rows), atol=1e-6)


def test_knowing_helps_where_columns_depend_and_is_ignored_where_they_do_not() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(3, size=(2, 2000))
    sizes = np.array([4, 4])
    dependent, independent = fit(np.stack([a, a], 1), sizes), fit(np.stack([a, b], 1), sizes)
    plain = dependent.surprise(np.array([[0, 0], [1, 1]]))
    assert plain[:, 1].max() < 0.02 < plain[:, 0].min()
    assert dependent.surprise(np.array([[0, 1]]))[0, 1].min() > 4
    cells = independent.surprise(np.array([[x, y] for x in range(3) for y in range(3)]))
    assert np.abs(cells[:, 1] - cells[:, 0]).max() < 0.1


def test_outcomes_that_never_occur_are_the_most_surprising() -> None:
    rows = chained_rows()
    trees = fit(rows)
    row = rows[0].copy()
    row[2] = SIZES[2] - 1
    found = trees.surprise(row[None])[0]
    assert np.isfinite(found).all()
    assert (found[:, 2] > trees.surprise(rows)[:, :, 2].max(0) - 1e-6).all()


def test_only_frequent_contexts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_NODES", 2)
    trees = fit(chained_rows())
    assert max(len(table) for tree in trees.trees for table in tree.surprise.values()) == 2
    monkeypatch.setattr(counting, "MIN_ROWS", 1000)
    rows = chained_rows()
    alone = fit(rows).surprise(rows)
    # no contexts: every level says what the first says
    assert np.array_equal(alone, np.repeat(alone[:, :1], 4, axis=1))


def test_surprise_is_independent_of_companions() -> None:
    rows = chained_rows()
    trees = fit(rows)
    whole = trees.surprise(rows)
    assert np.array_equal(trees.surprise(rows[7:8]), whole[7:8])
    assert np.array_equal(trees.surprise(rows[::-1])[::-1], whole)


def test_one_column_has_one_level() -> None:
    trees = fit(np.array([[0], [0], [1]]), np.array([3]))
    assert np.allclose(np.exp(-trees.surprise(np.array([[0], [1], [2]]))[:, 0, 0]), np.array([2.5, 1.5, 0.5]) / 4.5)


def test_trees_survive_as_arrays() -> None:
    trees, rows = fit(chained_rows()), chained_rows(50, seed=1)
    assert np.array_equal(ContextTrees.from_arrays(trees.to_arrays()).surprise(rows), trees.surprise(rows))


def test_numbers_are_counted_in_quantile_bins() -> None:
    numbers = np.stack([np.arange(100.0), np.repeat([0.0, 5.0], 50)], axis=1).astype(np.float32)
    rows = Encoded(np.zeros((100, 3), np.int64), numbers)
    rows.codes[99, 2] = 1  # missing
    bins = NumberBins.fit(rows, np.array([0, 2]))
    assert bins.sizes(np.array([3, 7, 3])).tolist() == [BINS + 2, 7, BINS + 2]
    codes = bins.codes(rows)
    assert np.bincount(codes[:, 0]).tolist() == [10] * BINS
    assert codes[99].tolist() == [BINS - 1, 0, BINS]
    assert len(set(codes[:99, 2])) == 2
    beyond = bins.codes(Encoded(np.zeros((2, 3), np.int64), np.array([[-1e3, 0], [1e3, 0]], np.float32)))
    assert beyond[:, 0].tolist() == [0, BINS - 1]


def test_the_score_is_that_of_the_oddest_level() -> None:
    """Two levels of two columns: level 0 varies twice as much as level 1, so that its shifts count a quarter."""
    inliers = np.array([[[3.0, 1.0], [2.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]])
    rule = OddestLevel.fit(inliers, np.array([1, 1]), np.empty(0, int))
    weight = np.array([math.sqrt(5), 1.0])
    weight /= weight.mean()
    spread = np.array([weight[0], weight[0] / 2])  # standard deviations of the levels
    scale = weight * (np.median(spread**2) / spread**2)[:, None]
    assert np.allclose(rule.scale, scale)
    odd = np.array([[[2.0, 5.0], [1.5, 1.0]], [[2.0, 1.0], [4.5, 0.0]]])
    cells = (odd - inliers.mean(0)) * scale
    expected = np.stack([cells[0, 0], cells[1, 1]]) + 0.1 * cells.mean(1)
    assert np.allclose(rule.contributions(odd), expected)


def test_usual_surprises_count_rows_as_often_as_they_occur() -> None:
    rng = np.random.default_rng(0)
    surprise, counts = rng.exponential(size=(20, 3, 4)), rng.integers(1, 4, size=20)
    rows, continuous = np.repeat(surprise, counts, axis=0), np.array([1])
    weighed, repeated = (
        OddestLevel.fit(surprise, counts, continuous),
        OddestLevel.fit(rows, np.ones(counts.sum()), continuous),
    )
    assert np.allclose(weighed.mean, repeated.mean)
    assert np.allclose(weighed.scale, repeated.scale)


def test_a_nat_of_a_number_weighs_as_one_of_a_usual_category() -> None:
    surprise = np.random.default_rng(0).exponential(size=(50, 2, 4)) * [1, 2, 3, 4]
    rule = OddestLevel.fit(surprise, np.ones(50), np.array([3]))
    level = rule.scale[0] / rule.scale[0, 3]
    assert level[:3].mean() == pytest.approx(1)
    assert np.allclose(
        level[:3] / level[0], np.sqrt((surprise[:, 0, :3] ** 2).mean(0) / (surprise[:, 0, 0] ** 2).mean())
    )
    numbers = OddestLevel.fit(surprise, np.ones(50), np.arange(4))
    assert np.allclose(numbers.scale, numbers.scale[:, :1])


def test_levels_that_never_vary_give_finite_scores() -> None:
    rule = OddestLevel.fit(np.zeros((5, 2, 3)), np.ones(5), np.empty(0, int))
    assert np.isfinite(rule.contributions(np.ones((2, 2, 3)))).all()
