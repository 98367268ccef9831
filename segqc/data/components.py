"""The connected objects of a mask: 8-connected components of its foreground classes."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segqc.data.labels import VOID, LabelSpace

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

    The cost grows with the pixels of the classes' bounding boxes, not with the number of objects.

    Parameters
    ----------
    mask : ndarray `[H, W]` uint8
        Class indices, 255 where void.
    labels : LabelSpace
        Says which class is background.
    smallest : int
        Pixels.
    """
    numbers = np.zeros(mask.shape, np.int32)
    classes, sizes, windows = list[int](), list[int](), list[tuple[slice, slice]]()
    for label, window in enumerate(ndimage.find_objects(mask.astype(np.int32) + 1, VOID)):
        if window is None or label == labels.background:
            continue
        parts, count = ndimage.label(mask[window] == label, EIGHT_NEIGHBOURS)
        size = np.bincount(parts.ravel(), minlength=count + 1)
        kept = np.flatnonzero(size[1:] >= smallest) + 1
        new = np.zeros(count + 1, np.int32)
        new[kept] = np.arange(1, len(kept) + 1) + len(classes)
        numbers[window] += new[parts]  # 0 where another class is
        inner = ndimage.find_objects(parts, count)
        windows.extend(_shifted(inner[part - 1], window) for part in kept)
        sizes.extend(size[kept].tolist())
        classes.extend([label] * len(kept))
    ids = np.arange(1, len(classes) + 1)
    return Components(numbers, np.array(classes, np.int64), np.array(sizes, np.int64), windows, ids)


def _shifted(inner: tuple[slice, slice], outer: tuple[slice, slice]) -> tuple[slice, slice]:
    """A window inside another one, in the coordinates of what the outer one is a window of."""
    rows, columns = (slice(a.start + b.start, a.stop + b.start) for a, b in zip(inner, outer, strict=True))
    return rows, columns
