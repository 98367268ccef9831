"""The cells of the network's grid: which cell a pixel belongs to, and which pixel stands for a cell.

Rows and columns are scaled apart. A pixel belongs to the cell in which its centre lies; a cell is represented by the
pixel under its own centre.
"""

import numpy as np


def cell_of_pixel(length: int, cells: int) -> np.ndarray:
    """Cell of each pixel's centre along one axis: int64 [length], non-decreasing.

    Every cell occurs when length >= cells.
    """
    return (2 * np.arange(length) + 1) * cells // (2 * length)


def pixel_of_cell(length: int, cells: int) -> np.ndarray:
    """Pixel under each cell's centre along one axis: int64 [cells], non-decreasing.

    Every pixel occurs when cells >= length.
    """
    return (2 * np.arange(cells) + 1) * length // (2 * cells)


def nearest_grid(mask: np.ndarray, grid_size: int) -> np.ndarray:
    """Label under the centre of each cell, uint8 [S, S]."""
    return np.ascontiguousarray(
        mask[np.ix_(pixel_of_cell(mask.shape[0], grid_size), pixel_of_cell(mask.shape[1], grid_size))]
    )
