"""Runs: a label map as the stretches of equal pixels in its rows.

Masks are piecewise constant. What is counted of them is counted over thousands of runs, weighted by their lengths, not
over hundreds of thousands of pixels.
"""

from dataclasses import dataclass
from functools import cached_property

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
    side : int or None
        Cells on a side of the grid at whose cells the runs are cut.
    """

    starts: np.ndarray
    lengths: np.ndarray
    shape: tuple[int, int]
    side: int | None = None

    def values(self, raster: np.ndarray) -> np.ndarray:
        """The value that a map `[H, W]`, constant in each run, has there, `[R]`."""
        return raster.reshape(-1)[self.starts]

    def fill(self, values: np.ndarray) -> np.ndarray:
        """The map `[H, W]` of the runs' values `[R]`."""
        return np.repeat(values, self.lengths).reshape(self.shape)

    def count(self, groups: np.ndarray, length: int) -> np.ndarray:
        """Pixels of all runs of each group, int64 `[length]`; `groups` has that of each run, int `[R]`."""
        return np.bincount(groups, self.lengths, length).astype(np.int64)

    @cached_property
    def cells(self) -> np.ndarray:
        """Flat cell of each run, int64 `[R]`.

        Raises
        ------
        ValueError
            The runs are not cut at any cells.
        """
        if self.side is None:
            raise ValueError("Expected runs that are cut at the cells of a grid, but these are whole")
        rows, columns = np.divmod(self.starts, self.shape[1])
        of_row, of_column = (cell_of_pixel(length, self.side) for length in self.shape)
        return of_row[rows] * self.side + of_column[columns]

    def count_by_cell(self, groups: np.ndarray, length: int) -> sparse.csr_matrix:
        """Pixels of each group in each cell, float64 `[length, S * S]`, by cell in each row; groups below 0 are left
        out. Raises as `cells`.
        """
        cells, inside = self.cells, groups >= 0
        entries = self.lengths[inside].astype(np.float64), (groups[inside], cells[inside])
        shape = length, (self.side or 0) ** 2
        return sparse.csr_matrix(entries, shape)  # which adds the runs of a group in a cell


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
    return Runs(starts, np.diff(starts, append=first.size), (height, width), side)


def class_counts(mask: np.ndarray) -> np.ndarray:
    """Pixels of each value of a mask, uint8 `[H, W]`: int64 `[256]`."""
    runs = find_runs(mask)
    return runs.count(runs.values(mask), 256)
