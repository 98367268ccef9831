"""The small-object rule of the grid: what is too small to win a cell by itself is given one.

An object is an 8-connected component of a foreground class. Every object of at least `SMALL_OBJECT_PIXELS` pixels that
touches no cell of its class, largest first, gets the cell where it has most pixels; so does, with all of its pixels
taken together, every foreground class that would have no cell at all. A cell given away so, or the last cell of another
such object, is not taken again: the next best cell of the object is, or a free neighbour of its best cell.
"""

from collections.abc import Iterator

import numpy as np

from segqc.data.cells import nearest_grid, pixel_of_cell
from segqc.data.components import mask_components
from segqc.data.labels import LabelSpace
from segqc.data.runs import find_runs

SMALL_OBJECT_PIXELS = 10
"""A connected object of at least this many pixels keeps a cell, however small its share of it."""

_RING = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


def keep_small_objects(grid: np.ndarray, mask: np.ndarray, fine: np.ndarray, labels: LabelSpace) -> None:
    """Give a cell to each object and class that the grid has lost, in place.

    Parameters
    ----------
    grid : np.ndarray
        uint8 [S, S], contiguous: the mask's labels, one a cell.
    mask : np.ndarray
        uint8 [H, W], whose pixels are counted.
    fine : np.ndarray
        `mask`, stretched along each axis that has fewer pixels than the grid has cells.
    labels : LabelSpace
        Says which class is background.
    """
    numbers, classes, sizes = _objects(mask, fine, labels)
    if len(classes) == 1:
        return
    kept = sizes < SMALL_OBJECT_PIXELS  # or need not be
    centre = nearest_grid(numbers, len(grid))
    kept[centre[classes[centre] == grid]] = True
    lost_classes = set(classes[1:].tolist()) - set(np.unique(grid).tolist())
    if kept.all() and not lost_classes:
        return
    allotment = _Allotment(grid, numbers, classes, sizes)
    kept[allotment.touching_their_class()] = True
    for number in sorted(np.flatnonzero(~kept).tolist(), key=lambda number: (-sizes[number], number)):
        allotment.give_to_object(number)
    for label in sorted(lost_classes - set(np.unique(grid).tolist())):
        allotment.give_to_class(label)


class _Allotment:
    """Who has how many pixels in which cell, and which cells have been given away.

    The pixels are kept as rows (object, cell, pixels), sorted by object, then cell.

    Parameters
    ----------
    grid : np.ndarray
        uint8 [S, S], contiguous; changed in place.
    numbers, classes, sizes : np.ndarray
        From `_objects`.
    """

    def __init__(self, grid: np.ndarray, numbers: np.ndarray, classes: np.ndarray, sizes: np.ndarray) -> None:
        self.side = len(grid)
        self.labels = grid.reshape(-1)  # a view
        self.classes = classes
        self.large = sizes >= SMALL_OBJECT_PIXELS
        self.given: set[int] = set()

        runs = find_runs(numbers, side=self.side)
        counts = runs.count_by_cell(runs.values(numbers) - 1, len(classes) - 1)
        self.pixels, self.cell = counts.data, counts.indices
        self._first_row_of_object = np.insert(counts.indptr, 0, 0)
        self.owner = np.repeat(np.arange(len(classes)), np.diff(self._first_row_of_object))
        self._rows_by_cell = np.argsort(self.cell, kind="stable")
        self._first_row_of_cell = np.searchsorted(self.cell[self._rows_by_cell], np.arange(grid.size + 1))

    def touching_their_class(self) -> np.ndarray:
        """Numbers of the objects that touch a cell of their class."""
        return self.owner[self.labels[self.cell] == self.classes[self.owner]]

    def give_to_object(self, number: int) -> None:
        """Give an object a cell, unless one that it touches was given to another object of its class meanwhile."""
        rows = self._rows_of_object(number)
        if not np.any(self.labels[self.cell[rows]] == self.classes[number]):
            self._give(self.classes[number], self.cell[rows], self.pixels[rows])

    def give_to_class(self, label: int) -> None:
        """Give a cell to a class, by the pixels of all of its objects together."""
        rows = self.classes[self.owner] == label
        pixels = np.bincount(self.cell[rows], weights=self.pixels[rows], minlength=len(self.labels))
        cells = np.flatnonzero(pixels)
        self._give(label, cells, pixels[cells])

    def _give(self, label: int, cells: np.ndarray, pixels: np.ndarray) -> None:
        """Give `label` the best cell that may be taken; none, where none may."""
        for candidate in self._candidates(cells[np.argsort(-pixels, kind="stable")].tolist()):
            if candidate not in self.given and not self._is_last_of_an_object(candidate):
                self.labels[candidate] = label
                self.given.add(candidate)
                return

    def _candidates(self, cells: list[int]) -> Iterator[int]:
        """The cells, best first, then the neighbours of the best one."""
        yield from cells
        row, column = divmod(cells[0], self.side)
        for dy, dx in _RING:
            if 0 <= row + dy < self.side and 0 <= column + dx < self.side:
                yield (row + dy) * self.side + column + dx

    def _is_last_of_an_object(self, candidate: int) -> bool:
        """Whether some large object would be left without a cell of its class if this one were given away."""
        rows = self._rows_by_cell[self._first_row_of_cell[candidate] : self._first_row_of_cell[candidate + 1]]
        label, here = self.labels[candidate], self.owner[rows]
        keepers = here[self.large[here] & (self.classes[here] == label)]
        return any(
            np.count_nonzero(self.labels[self.cell[self._rows_of_object(number)]] == label) == 1 for number in keepers
        )

    def _rows_of_object(self, number: int) -> slice:
        return slice(self._first_row_of_object[number], self._first_row_of_object[number + 1])


def _objects(mask: np.ndarray, fine: np.ndarray, labels: LabelSpace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The objects of a mask: number of each pixel of `fine` (0: none), and of each number the class and the size in
    pixels of `mask`.
    """
    found = mask_components(mask, labels)
    numbers = found.numbers
    if fine.shape != mask.shape:
        numbers = numbers[
            np.ix_(pixel_of_cell(mask.shape[0], fine.shape[0]), pixel_of_cell(mask.shape[1], fine.shape[1]))
        ]
    return numbers, np.insert(found.classes, 0, 0), np.insert(found.sizes, 0, 0)
