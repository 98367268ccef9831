"""Objects that the model expects and the mask lacks.

Where the model believes in a foreground class that the mask does not have there, it may expect an object, or only
another outline of one that the mask has. The outline is uncertain by about a cell. So the belief in a class counts as
explained as far as the cell or one of its eight neighbours is covered by the class, and only the rest speaks for a
missed object:

    r = q (1 - largest share of the class among the cell and its neighbours)
    P(missed) = mean of r over the cells of the region

with q the belief in the class, and a region the connected cells where q, times the share that the class does not cover,
is above 0.1: for a small object it is often the second likeliest class. A fringe around an object is so hardly
probable, and a part that an object lacks less probable than an object that is missed altogether.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segqc.data.components import EIGHT_NEIGHBOURS
from segqc.data.grid import box_to_pixels
from segqc.data.labels import VOID, LabelSpace
from segqc.data.runs import Runs

LEAST_BELIEF = 0.1
"""Cells with less belief are in no region, and missed objects that are less probable are not listed."""


@dataclass(frozen=True)
class MissedObject:
    """A region in which the model expects an object that the mask lacks.

    Attributes
    ----------
    observed : int
        Class index that the mask has in most of the region; 255 where it is void.
    expected : int
        Class index of the expected object.
    box : (x0, y0, x1, y1)
        In the picture's pixels, half-open.
    area : int
        Pixels of the region that the mask gives to another class.
    probability : float in [0, 1]
    """

    observed: int
    expected: int
    box: tuple[int, int, int, int]
    area: int
    probability: float


def find_missed(belief: np.ndarray, mask: np.ndarray, runs: Runs, labels: LabelSpace) -> list[MissedObject]:
    """The missed objects of a mask in the order of their classes, then of their cells.

    Parameters
    ----------
    belief : ndarray `[K, S, S]` float64
        The sharpened posterior of each class, q of `segqc.model.agreement`.
    mask : ndarray `[H, W]` uint8
        Class indices, 255 where void.
    runs : Runs
        Those of the mask, cut at the cells.
    labels : LabelSpace
    """
    classes, side = len(belief), belief.shape[1]
    pixels = _pixels_by_cell(mask, runs, classes, side)
    share = pixels[:classes] / np.maximum(pixels.sum(0), 1)
    known = share.sum(0)
    lacking = belief * (known - share) > LEAST_BELIEF
    found = []
    for c in labels.foreground:
        if not lacking[c].any():
            continue
        rest = belief[c] * (1 - ndimage.maximum_filter(share[c], size=3, mode="nearest")) * known
        parts, _ = ndimage.label(lacking[c], EIGHT_NEIGHBOURS)
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
            inside = parts[rows, columns] == number
            probability = float(rest[rows, columns][inside].mean())
            if probability < LEAST_BELIEF:
                continue
            votes = pixels[:, rows, columns][:, inside].sum(1)
            votes[c] = 0
            box = box_to_pixels(
                (columns.start, rows.start, columns.stop, rows.stop), side, (mask.shape[1], mask.shape[0])
            )
            observed = int(votes.argmax())
            found.append(MissedObject(observed if observed < classes else VOID, c, box, int(votes.sum()), probability))
    return found


def _pixels_by_cell(mask: np.ndarray, runs: Runs, classes: int, side: int) -> np.ndarray:
    """Pixels of each class of a mask in each cell and, last, those that are void: int64 `[K + 1, S, S]`."""
    places = np.minimum(runs.values(mask), classes).astype(np.int64) * side**2 + runs.cells
    return runs.count(places, (classes + 1) * side**2).reshape(-1, side, side)
