"""Which columns are hidden from which: the fixed views that a row is scored in.

A column's surprise given everything else is small for two rare outcomes that always come together, and its surprise on its own is small for two
common ones that never do. So a row is seen at a ladder of levels, 0, 1, 2, 4, 8, ... known columns, and every level counts the same: as with masks,
most levels belong where little is known. Each level has a few views, windows of one random circle of the columns, with weights that make all columns
equal. Views depend on the seed and the number of columns alone, never on the rows.

The ladder was chosen on development splits (seeds from 100 on) of the benchmark, with their anomalies in view. Synthetic anomalies, cells or whole
rows resampled column by column, are found better the more columns are known, and would have chosen otherwise.
"""

import numpy as np

_LEAST_HIDDEN = 1 / 8  # of the columns: with fewer, a level would need too many views to hide every column once


def known_columns(columns: int) -> list[int]:
    """The levels: how many columns are known, ascending."""
    doubling = [2**i for i in range(columns.bit_length())]
    return [0, *(known for known in doubling if known < columns and columns - known >= _LEAST_HIDDEN * columns)]


def scoring_views(columns: int, views: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Views and what each cell's surprise counts in them.

    Parameters
    ----------
    columns : int
    views : int
        Per level, at least; one where nothing is known, and as many as hide each column once.
    seed : int

    Returns
    -------
    hidden : ndarray `[V, C]` bool
    weights : ndarray `[V, C]` float64
        0 where a column is seen. They sum to 1 in every column.
    """
    rng = np.random.default_rng(seed)
    levels = known_columns(columns)
    all_hidden, all_weights = [], []
    for known in levels:
        size = columns - known
        count = min(columns, max(views, -(-columns // size))) if known else 1
        circle = rng.permutation(columns)
        hidden = np.zeros((count, columns), bool)
        for view, start in enumerate(np.arange(count) * columns // count):
            hidden[view, circle[np.arange(start, start + size) % columns]] = True
        all_hidden.append(hidden)
        all_weights.append(hidden / hidden.sum(0) / len(levels))
    return np.concatenate(all_hidden), np.concatenate(all_weights)
