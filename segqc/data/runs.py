"""Runs: a label map as the stretches of equal pixels in its rows.

Masks are piecewise constant. What is counted of them is counted over thousands of runs, weighted by their lengths, not
over hundreds of thousands of pixels.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from segqc.data.cells import cell_of_pixel


@dataclass(frozen=True)
class Runs:
    """The R runs of a map `[H, W]`, in reading order; none goes beyond the end of its row.

    Attributes
    ----------
    starts : ndarray `[R]` int64
        First pixel of each, as a flat index.
    lengths : ndarray `[R]` int64
        Pixels of each.
    shape : (height, width)
    """

    starts: np.ndarray
    lengths: np.ndarray
    shape: tuple[int, int]

    def values(self, raster: np.ndarray) -> np.ndarray:
        """The value that a map `[H, W]`, constant in each run, has there, `[R]`."""
        return raster.reshape(-1)[self.starts]

    def fill(self, values: np.ndarray) -> np.ndarray:
        """The map `[H, W]` of the runs' values `[R]`."""
        return np.repeat(values, self.lengths).reshape(self.shape)

    def count(self, groups: np.ndarray, length: int) -> np.ndarray:
        """Pixels of all runs of each group, int64 `[length]`; `groups` has that of each run, int `[R]`."""
        return np.bincount(groups, self.lengths, length).astype(np.int64)

    def cells(self, side: int) -> np.ndarray:
        """Flat cell of each run in a grid of `side` x `side`, int64 `[R]`, where the runs were cut at its cells."""
        rows, columns = np.divmod(self.starts, self.shape[1])
        return cell_of_pixel(self.shape[0], side)[rows] * side + cell_of_pixel(self.shape[1], side)[columns]

    def count_by_cell(self, groups: np.ndarray, length: int, side: int) -> sparse.csr_matrix:
        """Pixels of each group in each cell of a grid, float64 `[length, side * side]`, by cell in each row; groups
        below 0 are left out, and the runs were cut at the grid's cells.
        """
        inside = groups >= 0
        entries = self.lengths[inside].astype(np.float64), (groups[inside], self.cells(side)[inside])
        return sparse.csr_matrix(entries, (length, side**2))  # which adds the runs of a group in a cell


def find_runs(*rasters: np.ndarray, side: int | None = None) -> Runs:
    """The runs of one or more maps `[H, W]`: stretches of a row in which each map is constant.

    `side` cuts them at the cells of a grid of so many on a side, too.
    """
    height, width = rasters[0].shape
    first = np.zeros((height, width), bool)  # of its run
    first[:, :1] = True
    for raster in rasters:
        first[:, 1:] |= raster[:, 1:] != raster[:, :-1]
    if side is not None:
        first[:, np.flatnonzero(np.diff(cell_of_pixel(width, side))) + 1] = True
    starts = np.flatnonzero(first)
    return Runs(starts, np.diff(starts, append=first.size), (height, width))


def class_counts(mask: np.ndarray) -> np.ndarray:
    """Pixels of each value of a mask, uint8 `[H, W]`: int64 `[256]`."""
    runs = find_runs(mask)
    return runs.count(runs.values(mask), 256)
