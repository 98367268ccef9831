"""What the model believes about each object of a mask, read on the grid.

A pixel takes the belief of its cell. An object is then a list of cells with the number of its pixels in each, and
all sums over objects are sums over these entries, whose number is at most that of the mask's pixels.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from segqc.data.components import Components
from segqc.data.runs import Runs

_LEAST_DOUBT = 1e-9  # of a cell; keeps the logarithm finite


@dataclass(frozen=True)
class CellCounts:
    """In which cells the N objects of a mask lie.

    Attributes
    ----------
    pixels : csr_matrix `[N, S * S]` float64
        Pixels of each object in each cell.
    components : Components
    side : int
        S, cells on a side.
    pixels_of_cells : ndarray `[S * S]` int64
        Pixels of the mask in each cell.
    """

    pixels: sparse.csr_matrix
    components: Components
    side: int
    pixels_of_cells: np.ndarray

    @classmethod
    def count(cls, components: Components, side: int, runs: Runs) -> "CellCounts":
        """Count the pixels of every object in every cell of a grid of `side` x `side`; `runs` are those of the
        components' numbers, cut at the cells.
        """
        pixels = runs.count_by_cell(runs.values(components.numbers) - 1, len(components.classes))
        return cls(pixels, components, side, runs.count(runs.cells, side**2))

    @property
    def objects(self) -> np.ndarray:
        """Index from 0 of the object of each entry of `pixels`, int64."""
        return np.repeat(np.arange(self.pixels.shape[0]), np.diff(self.pixels.indptr))

    @property
    def pixels_of_cell(self) -> float:
        """Pixels of the mask per cell of the grid."""
        return self.components.numbers.size / self.side**2


@dataclass(frozen=True)
class Evidence:
    """What is known of each object without ground truth, each `[N]`.

    Attributes
    ----------
    expected_iou : ndarray float64 in [0, 1]
        Intersection over union to expect with the true objects of the class that it touches.
    none_right : ndarray float64 in [0, 1]
        Probability that no pixel of the object is of its class.
    likeliest : ndarray int64
        Class index in which the belief is greatest over the object's pixels.
    """

    expected_iou: np.ndarray
    none_right: np.ndarray
    likeliest: np.ndarray


def read_evidence(belief: np.ndarray, counts: CellCounts) -> Evidence:
    """Read the belief over every object of a mask.

    With q the belief in the object's class:

        expected IoU = sum(q in the object) / (its area + sum(q around it))

    "Around" are the pixels that the mask gives to other classes within the object's bounding box, grown by half of its
    size on each side: what of the class lies further away belongs to other true objects. To first order this is the
    IoU that q expects, as the soft Dice of the agreement is its Dice.

        P(no pixel is right) = product over the pixels of (1 - q) ** (1 / pixels of a cell)

    takes the pixels of one cell for one draw, since they share one belief, and the cells for independent ones.

    Parameters
    ----------
    belief : ndarray `[K, S, S]` float64
        The sharpened posterior of each class, q of `segqc.model.agreement`.
    counts : CellCounts
        The objects on the same grid.
    """
    belief = belief.reshape(len(belief), -1)
    objects, cells, pixels = counts.objects, counts.pixels.indices, counts.pixels.data
    found, total = counts.components, counts.pixels.shape[0]
    own = belief[found.classes[objects], cells]
    inside = np.bincount(objects, own * pixels, total)
    union = found.sizes + _sum_around(belief, counts)
    doubt = np.log(np.maximum(1 - own, _LEAST_DOUBT)) * pixels / max(counts.pixels_of_cell, 1.0)
    return Evidence(
        inside / union,
        np.exp(np.bincount(objects, doubt, total)),
        np.argmax(counts.pixels @ belief.T, axis=1),
    )


def _sum_around(belief: np.ndarray, counts: CellCounts) -> np.ndarray:
    """Sum of the belief in each object's class over the pixels of other classes in its grown box, `[N]`."""
    found, side = counts.components, counts.side
    height, width = found.numbers.shape
    classes, objects = found.classes, counts.objects
    taken = np.zeros_like(belief)
    np.add.at(taken, (classes[objects], counts.pixels.indices), counts.pixels.data)
    free = np.maximum(counts.pixels_of_cells - taken, 0)
    sums = np.zeros((len(belief), side + 1, side + 1))
    sums[:, 1:, 1:] = (belief * free).reshape(-1, side, side).cumsum(1).cumsum(2)
    edges = np.array([(y.start, y.stop, x.start, x.stop) for y, x in found.windows], np.float64).reshape(-1, 4)
    y0, y1, x0, x1 = edges.T
    rows = [np.clip(y, 0, height) * side / height for y in (y0 - (y1 - y0) / 2, y1 + (y1 - y0) / 2)]
    columns = [np.clip(x, 0, width) * side / width for x in (x0 - (x1 - x0) / 2, x1 + (x1 - x0) / 2)]
    corners = [[_at(sums, classes, y, x) for x in columns] for y in rows]
    return np.maximum(corners[1][1] - corners[0][1] - corners[1][0] + corners[0][0], 0)


def _at(sums: np.ndarray, classes: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The integral image `[K, S + 1, S + 1]` of each object's class at a place between the cells' corners: exact for a
    map that is constant in each cell.
    """
    row, column = (np.minimum(place.astype(np.int64), sums.shape[1] - 2) for place in (y, x))
    down, right = y - row, x - column
    upper = sums[classes, row, column] * (1 - right) + sums[classes, row, column + 1] * right
    lower = sums[classes, row + 1, column] * (1 - right) + sums[classes, row + 1, column + 1] * right
    return upper * (1 - down) + lower * down
