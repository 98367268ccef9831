"""Context trees against counting row by row."""

import math

import numpy as np
import pytest

from segqc.tabular.counting import trees as counting
from segqc.tabular.counting.trees import ContextTrees, column_orders, known_columns

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
