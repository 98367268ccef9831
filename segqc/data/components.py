"""The connected objects of a mask: 8-connected components of its foreground classes."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from segqc.data.labels import VOID, LabelSpace
from segqc.data.runs import Runs, find_runs

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
"""Structure of 8-connectivity for `scipy.ndimage`."""


@dataclass(frozen=True)
class Components:
    """The N objects of a mask. Connected ones are numbered from 1 by class, then by their first pixel in reading order.

    Attributes
    ----------
    numbers : ndarray `[H, W]` int32
        Place of each pixel's object in the arrays below, from 1; 0: none.
    classes : ndarray `[N]` int64
        Class index of each object.
    sizes : ndarray `[N]` int64
        Pixels of each object.
    windows : list of (slice, slice)
        Rows and columns of each object's bounding box.
    ids : ndarray `[N]` int64
        Number by which each is known: its place, or its own id where objects are instances.
    """

    numbers: np.ndarray
    classes: np.ndarray
    sizes: np.ndarray
    windows: list[tuple[slice, slice]]
    ids: np.ndarray


def mask_components(mask: np.ndarray, labels: LabelSpace, smallest: int = 1) -> Components:
    """The objects of a mask that have at least `smallest` pixels; background and void are none.

    Parameters
    ----------
    mask : ndarray `[H, W]` uint8
        Class indices, 255 where void.
    labels : LabelSpace
        Says which class is background.
    smallest : int
        Pixels.
    """
    runs = find_runs(mask)
    label = runs.values(mask)
    inside = np.flatnonzero((label != VOID) & (label != (VOID if labels.background is None else labels.background)))
    runs, label, everywhere = Runs(runs.starts[inside], runs.lengths[inside], runs.shape), label[inside], runs
    count, part = connected_components(_touching(runs, label), directed=False)
    first = np.unique(part, return_index=True)[1]  # run of each part
    sizes = runs.count(part, count)
    order = np.lexsort((first, label[first]))
    order = order[sizes[order] >= smallest]
    number = np.zeros(count, np.int32)
    number[order] = np.arange(1, len(order) + 1)
    of_run = np.zeros(len(everywhere.starts), np.int32)
    of_run[inside] = number[part]
    return Components(
        everywhere.fill(of_run),
        label[first[order]].astype(np.int64),
        sizes[order],
        _windows(runs, part, count, order),
        np.arange(1, len(order) + 1),
    )


def _touching(runs: Runs, label: np.ndarray) -> sparse.csr_matrix:
    """1 where a run touches one of its label in the row below, at a corner at least: `[R, R]`."""
    starts, stops, width = runs.starts, runs.starts + runs.lengths, runs.shape[1]
    # The pixels below a run, and one more on either side where the row goes on.
    left, right = starts + width - (starts % width > 0), stops + width + (stops % width > 0)
    first = np.searchsorted(stops, left, "right")
    below = np.maximum(np.searchsorted(starts, right) - first, 0)
    upper = np.repeat(np.arange(len(starts)), below)
    lower = np.arange(len(upper)) + np.repeat(first + below - np.cumsum(below), below)
    same = label[upper] == label[lower]
    row_starts = np.insert(np.cumsum(np.bincount(upper[same], minlength=len(starts))), 0, 0)
    return sparse.csr_matrix((np.ones(np.count_nonzero(same)), lower[same], row_starts), (len(starts), len(starts)))


def _windows(runs: Runs, part: np.ndarray, count: int, order: np.ndarray) -> list[tuple[slice, slice]]:
    """Bounding boxes of the parts in `order`, of `count` in all."""
    rows, columns = np.divmod(runs.starts, runs.shape[1])
    low, high = np.full((2, count), max(runs.shape)), np.zeros((2, count), np.int64)
    for axis, (start, stop) in enumerate(((rows, rows + 1), (columns, columns + runs.lengths))):
        np.minimum.at(low[axis], part, start)
        np.maximum.at(high[axis], part, stop)
    edges = np.stack([low[0], high[0], low[1], high[1]], axis=1)[order]
    return [(slice(y0, y1), slice(x0, x1)) for y0, y1, x0, x1 in edges.tolist()]
