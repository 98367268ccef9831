"""Which columns are hidden from which: the fixed views that a row is scored in.

The likelihood of a row in any order is, for every number h of hidden columns, the mean surprise of h hidden columns given the others, summed over h.
We take some sizes h instead of all, and, of every size, windows of one random circle of the columns, so that each column is hidden about equally
often. The weights make the columns exactly equal at every size. Views depend on the seed and the number of columns alone, never on the rows.
"""

import numpy as np


def hidden_sizes(columns: int, levels: int) -> list[int]:
    """About `levels` numbers of hidden columns, evenly from all of them down to one, descending."""
    return sorted({round(float(h)) for h in np.linspace(columns, 1, min(levels, columns))}, reverse=True)


def scoring_views(columns: int, levels: int, circles: int, alone: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Views and what each cell's surprise counts in them.

    Parameters
    ----------
    columns : int
    levels : int
        Numbers of hidden columns; each size counts the same.
    circles : int
        Random circles per size.
    alone : float
        Additional weight of the size at which all columns are hidden (every column alone, without context); the sizes together have 1.
    seed : int

    Returns
    -------
    hidden : ndarray `[V, C]` bool
    weights : ndarray `[V, C]` float64
        0 where a column is seen. They sum to 1 + `alone` in every column.
    """
    rng = np.random.default_rng(seed)
    sizes = hidden_sizes(columns, levels)
    views, weights = [], []
    for size in sizes:
        level = []
        for _ in range(circles if size < columns else 1):
            circle = rng.permutation(columns)
            for start in range(0, columns, size):
                view = np.zeros(columns, bool)
                view[circle[np.arange(start, start + size) % columns]] = True
                level.append(view)
        hidden = np.stack(level)
        views.append(hidden)
        weights.append(hidden / hidden.sum(0) * (1 / len(sizes) + (alone if size == columns else 0)))
    return np.concatenate(views), np.concatenate(weights)
