"""Between the pixels of an image and the S x S grid of the network.

Image and mask are squashed: rows and columns are scaled apart so that the whole picture fills the grid. A pixel belongs
to the cell in which its centre lies; that rule holds for masks, heat maps and boxes alike.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image
from scipy import ndimage

from segqc.data.labels import VOID, LabelSpace

SMALL_OBJECT_PIXELS = 10
"""A connected object of at least this many pixels keeps a cell, however small its share of it."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
_RING = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


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


def majority_grid(mask: np.ndarray, grid_size: int, labels: LabelSpace) -> np.ndarray:
    """Most frequent label of each cell, void not voting, uint8 [S, S].

    A cell that is void throughout is void. In a tie foreground beats background, then the lower index wins: on real
    pairs the Dice between two grids is then a little nearer to that between the masks. Along an axis with fewer pixels
    than cells, every cell takes the pixel under its centre.
    """
    return _majority(_at_least(mask, grid_size), grid_size, labels)


def mask_to_grid(
    mask: np.ndarray, grid_size: int, labels: LabelSpace, vote: Literal["nearest", "majority"] = "nearest"
) -> np.ndarray:
    """Squash a mask to the network's grid without losing small objects.

    Parameters
    ----------
    mask : np.ndarray
        uint8 [H, W], class indices, 255 where void.
    grid_size : int
        S, cells on a side.
    labels : LabelSpace
        Says which class is background.
    vote : str
        How cells are first filled: `nearest_grid` or `majority_grid`. Nearest keeps the Dice between two masks best,
        because it keeps the share of void: a majority of the other pixels fills the void rims of ground truth
        (scripts/compare_mask_grids.py).

    Returns
    -------
    np.ndarray
        uint8 [S, S], class indices, 255 where void.

    Notes
    -----
    Then the small-object rule. An object is an 8-connected component of a foreground class. Every object of at least
    `SMALL_OBJECT_PIXELS` pixels that touches no cell of its class, largest first, gets the cell where it has most
    pixels; so does, with all of its pixels taken together, every foreground class that would have no cell at all. A
    cell given away so, or the last cell of another such object, is not taken again: the next best cell of the object
    is, or a free neighbour of its best cell.

    Raises
    ------
    ValueError
        When `mask` is not a non-empty uint8 [H, W], `grid_size` is not positive, or `vote` is neither of the two.
    """
    if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0:
        raise ValueError(f"Expected `mask` to be a non-empty uint8 [H, W], but got {mask.dtype} {list(mask.shape)}")
    if grid_size < 1:
        raise ValueError(f"Expected `grid_size` to be at least 1, but got {grid_size}")
    if vote not in ("nearest", "majority"):
        raise ValueError(f"Expected `vote` to be nearest or majority, but got {vote!r}")
    grid = nearest_grid(mask, grid_size) if vote == "nearest" else majority_grid(mask, grid_size, labels)
    if max(mask.shape) > grid_size:  # else every pixel has a cell of its own
        _keep_small_objects(grid, mask, _at_least(mask, grid_size), labels)
    return grid


def image_to_grid(image: Image.Image, size: int) -> np.ndarray:
    """Squash an RGB image to uint8 [3, size, size]: bilinear, antialiased, over the whole picture."""
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def map_to_pixels(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Spread a map over the grid to the image's pixels.

    Parameters
    ----------
    values : np.ndarray
        float32 [S, S], finite.
    size : (int, int)
        Width and height of the image.

    Returns
    -------
    np.ndarray
        float32 [h, w], bilinear between the cells' centres, constant beyond the outermost; within the range of
        `values`.
    """
    grown = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(grown).clip(values.min(), values.max())


def surprise_of_pixels(posterior: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """1 - p(class of the mask) at every pixel: the mask keeps its outline, which the grid would round to cells.

    Parameters
    ----------
    posterior : np.ndarray
        float32 [K, S, S], probabilities.
    mask : np.ndarray
        uint8 [h, w]; K and above is void.

    Returns
    -------
    np.ndarray
        float32 [h, w] in [0, 1], 0 where void.
    """
    surprise = np.zeros(mask.shape, np.float32)
    for c in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[: len(posterior)]):
        np.copyto(surprise, map_to_pixels(1 - posterior[c], (mask.shape[1], mask.shape[0])), where=mask == c)
    return surprise.clip(0, 1)


def box_to_pixels(
    box: tuple[float, float, float, float], grid_size: int, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The pixels of a box of cells.

    Parameters
    ----------
    box : (x0, y0, x1, y1)
        In cells, half-open.
    grid_size : int
        S, cells on a side.
    size : (int, int)
        Width and height of the image.

    Returns
    -------
    (x0, y0, x1, y1)
        Ints, half-open, within the image: exactly the pixels whose centres lie in those cells, or the one pixel in the
        middle of the box when there is none.
    """
    (x0, x1), (y0, y1) = (_span(box[axis], box[axis + 2], grid_size, size[axis]) for axis in (0, 1))
    return x0, y0, x1, y1


def _span(start: float, stop: float, cells: int, length: int) -> tuple[int, int]:
    first, last = (min(max(math.ceil(edge * length / cells - 0.5), 0), length) for edge in (start, stop))
    if first < last:
        return first, last
    middle = min(max(math.floor((start + stop) / 2 * length / cells), 0), length - 1)
    return middle, middle + 1


def _at_least(mask: np.ndarray, grid_size: int) -> np.ndarray:
    """`mask` with each axis shorter than the grid stretched to it by nearest neighbour."""
    rows, columns = mask.shape
    if rows < grid_size:
        mask = mask[pixel_of_cell(rows, grid_size)]
    if columns < grid_size:
        mask = mask[:, pixel_of_cell(columns, grid_size)]
    return mask


def _cell_index(shape: tuple[int, int], grid_size: int) -> np.ndarray:
    """Flat cell of every pixel, int64 [H, W]."""
    return cell_of_pixel(shape[0], grid_size)[:, None] * grid_size + cell_of_pixel(shape[1], grid_size)


def _majority(mask: np.ndarray, grid_size: int, labels: LabelSpace) -> np.ndarray:
    present = [int(label) for label in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if label != VOID]
    present.sort(key=lambda label: (label == labels.background, label))  # argmax takes the first of equals
    candidates = np.array([*present, VOID], np.uint8)
    rank = np.zeros(256, np.int64)
    rank[candidates] = np.arange(len(candidates))
    ballots = _cell_index(mask.shape, grid_size) * len(candidates) + rank[mask]
    votes = np.bincount(ballots.ravel(), minlength=grid_size**2 * len(candidates)).reshape(
        grid_size**2, len(candidates)
    )
    votes[:, -1] = votes[:, :-1].sum(axis=1) == 0  # void has a single vote, and only where nobody else has any
    return candidates[votes.argmax(axis=1)].reshape(grid_size, grid_size)


def _objects(mask: np.ndarray, fine: np.ndarray, labels: LabelSpace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The objects of a mask: number of each pixel of `fine` (0: none), and of each number the class and the size in
    pixels of `mask`.
    """
    numbers = np.zeros(mask.shape, np.int32)
    classes, sizes = [0], [0]
    for label, window in enumerate(ndimage.find_objects(mask.astype(np.int32) + 1, VOID)):
        if window is None or label == labels.background:
            continue
        parts, count = ndimage.label(mask[window] == label, _EIGHT_NEIGHBOURS)
        sizes.extend(np.bincount(parts.ravel())[1:].tolist())
        np.add(parts, len(classes) - 1, out=numbers[window], where=parts > 0)
        classes.extend([label] * count)
    if fine.shape != mask.shape:
        numbers = numbers[
            np.ix_(pixel_of_cell(mask.shape[0], fine.shape[0]), pixel_of_cell(mask.shape[1], fine.shape[1]))
        ]
    return numbers, np.array(classes), np.array(sizes)


def _lost(numbers: np.ndarray, classes: np.ndarray, sizes: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Numbers of the large objects without a cell of their class; single pixels are looked at only where an object has
    no cell's centre.
    """
    touches = sizes < SMALL_OBJECT_PIXELS  # or does not matter
    centre = nearest_grid(numbers, len(grid))
    touches[centre[classes[centre] == grid]] = True
    if not touches.all():
        y, x = np.nonzero(~touches[numbers])
        number = numbers[y, x]
        cell = grid[cell_of_pixel(numbers.shape[0], len(grid))[y], cell_of_pixel(numbers.shape[1], len(grid))[x]]
        touches[number[cell == classes[number]]] = True
    return np.flatnonzero(~touches)


def _count_runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`np.unique` with counts, of values that mostly equal the one before: sorts runs."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    distinct, inverse = np.unique(values[starts], return_inverse=True)
    return distinct, np.bincount(inverse, np.diff(starts, append=len(values))).astype(np.int64)


def _keep_small_objects(grid: np.ndarray, mask: np.ndarray, fine: np.ndarray, labels: LabelSpace) -> None:
    """The small-object rule of `mask_to_grid`, in place.

    `fine` is `mask` with at least as many pixels as cells along each axis.
    """
    numbers, classes, sizes = _objects(mask, fine, labels)
    if len(classes) == 1:
        return
    flat = grid.reshape(-1)  # a view: both makers of grids return contiguous arrays
    lost = _lost(numbers, classes, sizes, grid)
    gone = set(classes[1:].tolist()) - set(np.unique(flat).tolist())
    if not len(lost) and not gone:
        return

    # Pixels of each object in each cell, as rows (object, cell, pixels) sorted by object, then cell.
    inside = numbers > 0
    pairs, pixels = _count_runs(numbers[inside] * np.int64(flat.size) + _cell_index(fine.shape, len(grid))[inside])
    owner, cell = np.divmod(pairs, flat.size)
    large = sizes >= SMALL_OBJECT_PIXELS
    rows_of_owner = np.searchsorted(owner, np.arange(len(classes) + 1))
    rows_by_cell = np.argsort(cell, kind="stable")
    rows_of_cell = np.searchsorted(cell[rows_by_cell], np.arange(flat.size + 1))
    taken: set[int] = set()

    def touched_by(number: int) -> slice:
        return slice(rows_of_owner[number], rows_of_owner[number + 1])

    def last_cell_of_an_object(candidate: int) -> bool:
        """Whether some large object would be left without a cell of its class if `candidate` were given away."""
        here = owner[rows_by_cell[rows_of_cell[candidate] : rows_of_cell[candidate + 1]]]
        here = here[large[here] & (classes[here] == flat[candidate])]
        return any(np.count_nonzero(flat[cell[touched_by(number)]] == flat[candidate]) == 1 for number in here)

    def give_a_cell(label: int, own: np.ndarray, count: np.ndarray) -> None:
        best = own[np.argsort(-count, kind="stable")]
        row, column = divmod(int(best[0]), len(grid))
        ring = [
            (row + dy) * len(grid) + column + dx
            for dy, dx in _RING
            if 0 <= row + dy < len(grid) and 0 <= column + dx < len(grid)
        ]
        for candidate in [*best.tolist(), *ring]:
            if candidate not in taken and not last_cell_of_an_object(candidate):
                flat[candidate] = label
                taken.add(candidate)
                return

    for number in sorted(lost.tolist(), key=lambda number: (-sizes[number], number)):
        rows = touched_by(number)
        # an object of its class may have been given a cell that both touch
        if not np.any(flat[cell[rows]] == classes[number]):
            give_a_cell(classes[number], cell[rows], pixels[rows])
    for label in sorted(gone - set(np.unique(flat).tolist())):
        rows = classes[owner] == label
        count = np.bincount(cell[rows], weights=pixels[rows], minlength=flat.size)
        own = np.flatnonzero(count)
        give_a_cell(label, own, count[own])
