"""The most suspect region of a heat map, with the class that the mask has there and the class that was expected."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segqc.data.components import EIGHT_NEIGHBOURS


@dataclass(frozen=True)
class Region:
    """A suspect region on the mask grid.

    Attributes
    ----------
    box : (x0, y0, x1, y1)
        In cells, half-open.
    observed : int
        Class that the mask has there (most of the region's heat lies on it); may be the background, where an object is
        missing.
    expected : int or None
        Class that the model expected there instead; None when it has no better proposal.
    """

    box: tuple[int, int, int, int]
    observed: int
    expected: int | None


def worst_region(heat: np.ndarray, mask: np.ndarray, posterior: np.ndarray | None = None) -> Region | None:
    """The connected region with most heat, among cells at least half as hot as the hottest.

    Parameters
    ----------
    heat : ndarray `[S, S]` in [0, 1]
        0 on void cells.
    mask : ndarray `[S, S]` uint8
        Class indices; void cells are never part of a region.
    posterior : ndarray `[K, S, S]`, optional
        p(class) per cell, for `expected`.

    Returns
    -------
    Region or None
        None when there is no heat at all.
    """
    peak = float(heat.max())
    if peak <= 0:
        return None
    components, count = ndimage.label(heat >= 0.5 * peak, structure=EIGHT_NEIGHBOURS)
    total = ndimage.sum_labels(heat, components, np.arange(1, count + 1))
    inside = components == 1 + int(np.argmax(total))
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    observed = int(np.argmax(np.bincount(mask[inside], weights=heat[inside])))
    expected = None
    if posterior is not None:
        proposal = int(np.argmax(posterior[:, inside & (mask == observed)].sum(1)))
        expected = proposal if proposal != observed else None
    return Region(box, observed, expected)
