"""Exact distances from some pixels of a grid to the nearest of others, in the numbers that the outlines of masks have.

|p - g|^2 = |p|^2 + (|g|^2 - 2 p.g): for a few thousand pixels the brackets of all pairs are one matrix product, and its
smallest entries are cheaper than asking a k-d tree. Most pairs need no look. Every 16th target, compared first, bounds
each distance from above; a pixel whose row is farther away than the bound cannot be the nearest; and pixels come in the
order of rows, so that what is left is one slice of them.
"""

import numpy as np

PAIRS_PER_SOURCE, PAIRS_PER_TARGET = 8000, 800
"""What a k-d tree costs to ask and to build, in pairs of pixels (measured): with fewer pairs it is not worth it."""

PAIRS_AT_ONCE = 1 << 16
"""Pairs in one matrix product of the first look: they stay in the cache, and the product is too small for BLAS to start
threads.
"""

SOURCES_AT_ONCE = 96
"""Neighbouring sources that share a slice of targets in the second look: fewer have smaller slices, more need fewer
calls.
"""

FIRST_LOOK = 16
"""The first look takes one target in so many."""

FEW = 30_000
"""Pairs below which one look at all of them is quickest."""

EXACT = 2**22
"""Squared diagonal of a grid up to which squared distances are exact in float32: all terms are integers below 2^24."""


class NearestPixels:
    """Pixels of a grid, prepared for questions about some of them.

    Parameters
    ----------
    pixels : int64 [n]
        Ascending flat indices into `shape`.
    shape : tuple of int
    spacing : float64 [ndim]
        Size of a pixel along each axis.
    """

    def __init__(self, pixels: np.ndarray, shape: tuple[int, ...], spacing: np.ndarray) -> None:
        self._places = np.stack(np.unravel_index(pixels, shape))
        self._spacing = spacing
        self._integral = bool((spacing == spacing[0]).all()) and sum(side * side for side in shape) < EXACT
        if self._integral:
            squares = np.square(self._places).sum(axis=0)
            self._squares = squares.astype(np.float32)
            self._sources = np.concatenate([self._places, np.ones_like(squares)[None]]).astype(np.float32)
            self._targets = np.concatenate([-2 * self._places, squares[None]]).astype(np.float32)

    def distances(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Distance from each source to the nearest target, float64 [m], in the unit of the spacing.

        Parameters
        ----------
        sources, targets : int64 [m], [k]
            Ascending positions in `pixels`; at least one target.
        """
        if not len(sources):
            return np.zeros(0)
        worthwhile = len(sources) * len(targets) <= PAIRS_PER_SOURCE * len(sources) + PAIRS_PER_TARGET * len(targets)
        if worthwhile and self._integral:
            # `take` keeps rows contiguous, which indexing a column does not.
            lowest = _lowest_products(
                self._sources.take(sources, axis=1), self._targets.take(targets, axis=1), self._squares[sources]
            )
            return np.sqrt(lowest + self._squares[sources], dtype=float) * self._spacing[0]
        from scipy.spatial import cKDTree  # here, as it takes half a second to import

        points, goals = ((self._places[:, chosen].T * self._spacing) for chosen in (sources, targets))
        # Unbalanced trees with wide leaves give the same answers and are built several times as fast.
        return cKDTree(goals, leafsize=24, balanced_tree=False, compact_nodes=False).query(points)[0]


def _lowest_products(sources: np.ndarray, targets: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Smallest entry in each row of sources.T @ targets, float32 [m].

    Parameters
    ----------
    sources, targets : float32 [ndim + 1, m], [ndim + 1, k]
        Columns (p, 1) and (-2 g, |g|^2), each ordered by its first coordinate.
    squares : float32 [m]
        |p|^2.
    """
    count = sources.shape[1]
    if count * targets.shape[1] <= FEW:
        return _row_minima(sources.T @ targets)
    lowest = np.empty(count, np.float32)
    some = np.ascontiguousarray(targets[:, ::FIRST_LOOK])
    step = max(1, PAIRS_AT_ONCE // some.shape[1])
    for start in range(0, count, step):
        part = slice(start, start + step)
        (some.T @ sources[:, part]).min(axis=0, out=lowest[part])

    # Rows are integers and rounding is monotone, so that no rounded reach falls short of a row that the exact one has.
    starts = np.arange(0, count, SOURCES_AT_ONCE)
    reach = np.sqrt(np.maximum.reduceat(lowest + squares, starts))
    rows, target_rows = sources[0], -0.5 * targets[0]
    first_rows, last_rows = rows[starts], rows[np.append(starts[1:], count) - 1]
    slices = target_rows.searchsorted(first_rows - reach), target_rows.searchsorted(last_rows + reach, "right")
    for start, low, high in zip(starts.tolist(), *(ends.tolist() for ends in slices), strict=True):
        part = slice(start, start + SOURCES_AT_ONCE)
        lowest[part] = _row_minima(sources[:, part].T @ targets[:, low:high])
    return lowest


def _row_minima(table: np.ndarray) -> np.ndarray:
    """`table.min(axis=1)` of a contiguous table, which for hundreds of columns takes several times as long."""
    return np.minimum.reduceat(table.ravel(), np.arange(0, table.size, table.shape[1]))
