"""Between the pixels of an image and the S x S grid of the network.

Image and mask are squashed: rows and columns are scaled apart so that the whole picture fills the grid. A pixel belongs
to the cell in which its centre lies (`segqc.data.cells`); that rule holds for masks, heat maps and boxes alike.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

from segqc.data.cells import nearest_grid, pixel_of_cell
from segqc.data.labels import VOID, LabelSpace
from segqc.data.runs import class_counts, find_runs
from segqc.data.small_objects import keep_small_objects


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
    Then no object of at least 10 pixels and no foreground class is left without a cell: see
    `segqc.data.small_objects`.

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
        keep_small_objects(grid, mask, _at_least(mask, grid_size), labels)
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
    import torch  # here, as those who read data only do without it
    from torch.nn.functional import interpolate

    # A third of the time of Pillow's, whose filter it is.
    cells = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None, None]
    grown = interpolate(cells, size[::-1], mode="bilinear", antialias=True)
    return grown[0, 0].clamp_(float(values.min()), float(values.max())).numpy()


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
    for c in np.flatnonzero(class_counts(mask)[: len(posterior)]):
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


def _majority(mask: np.ndarray, grid_size: int, labels: LabelSpace) -> np.ndarray:
    runs = find_runs(mask, side=grid_size)
    labels_of_runs = runs.values(mask)
    present = [int(label) for label in np.unique(labels_of_runs) if label != VOID]
    present.sort(key=lambda label: (label == labels.background, label))  # argmax takes the first of equals
    candidates = np.array([*present, VOID], np.uint8)
    rank = np.zeros(256, np.int64)
    rank[candidates] = np.arange(len(candidates))
    ballots = runs.cells * len(candidates) + rank[labels_of_runs]
    votes = runs.count(ballots, grid_size**2 * len(candidates)).reshape(grid_size**2, len(candidates))
    votes[:, -1] = votes[:, :-1].sum(axis=1) == 0  # void has a single vote, and only where nobody else has any
    return candidates[votes.argmax(axis=1)].reshape(grid_size, grid_size)
