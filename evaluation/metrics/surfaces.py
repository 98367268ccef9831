"""Distances between the surfaces of two masks, for all classes at once.

The surface of a class is its mask minus the erosion with the 2 x ndim nearest neighbours; what touches the frame is
surface (medpy with connectivity 1). One pass finds the surfaces of all classes in both masks, and distances are
computed only for surface pixels which the two masks do not share: the others are at distance 0 by definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics.nearest import NearestPixels


@dataclass(frozen=True)
class SurfaceDistances:
    """Directed distances between two surfaces, the one result from which every surface metric follows.

    Attributes
    ----------
    shared : int
        Pixels that belong to both surfaces, at distance 0 in either direction.
    to_truth : float64 [a]
        For each further surface pixel of the prediction, the Euclidean distance to the nearest surface pixel of the
        truth.
    to_prediction : float64 [b]
        The same from the truth to the prediction.
    """

    shared: int
    to_truth: np.ndarray
    to_prediction: np.ndarray


def surface_distances(
    prediction: np.ndarray, truth: np.ndarray, spacing: float | Sequence[float] | None = None
) -> SurfaceDistances:
    """Directed surface distances of two binary masks, the intermediate result behind every distance in this module.

    Parameters
    ----------
    prediction, truth : bool [...]
        Two masks of one shape, neither of them empty.
    spacing : float or sequence of float, optional
        Size of a pixel along each axis.

    Raises
    ------
    ValueError
        Different shapes, wrong spacing, or an empty mask: no distance is defined there.
    """
    first, second = np.atleast_1d(np.asarray(prediction, bool)), np.atleast_1d(np.asarray(truth, bool))
    if first.shape != second.shape:
        raise ValueError(f"Expected prediction and truth of one shape, but got {first.shape} and {second.shape}")
    if not (first.any() and second.any()):
        raise ValueError(
            "Expected two masks with at least one object pixel each: the distance to an empty mask is undefined"
        )
    box = bounding_box(first | second)
    ours, theirs = (blank(np.zeros(mask[box].shape, np.uint8), ~mask[box]) for mask in (first, second))
    return LabelSurfaces(ours, theirs, pixel_spacing(spacing, first.ndim)).distances(0)


class LabelSurfaces:
    """The surfaces of all labels in a prediction and a truth.

    Parameters
    ----------
    prediction, truth : unsigned integer [...]
        Label maps of one shape and type, cut to a box beyond which there are no labels: pixels at its border count as
        surface. The largest value of the type stands for anything that has no surface here, such as void and
        background.
    spacing : float64 [ndim]
        Size of a pixel along each axis.

    Attributes
    ----------
    pixels : int64 [n]
        Ascending flat indices of the pixels that are surface of any label in either map. Between two of them, both maps
        are constant.
    """

    def __init__(self, prediction: np.ndarray, truth: np.ndarray, spacing: np.ndarray) -> None:
        first, second = blank(prediction, _interior(prediction)), blank(truth, _interior(truth))
        self.pixels = np.flatnonzero(first & second != np.iinfo(first.dtype).max)
        self._ours, self._theirs = first.ravel()[self.pixels], second.ravel()[self.pixels]
        self._nearest = NearestPixels(self.pixels, prediction.shape, spacing)

    def distances(self, label: int) -> SurfaceDistances:
        """Directed distances between the surfaces of a label that occurs in both maps."""
        here, there = np.flatnonzero(self._ours == label), np.flatnonzero(self._theirs == label)
        only_here, only_there = here[self._theirs[here] != label], there[self._ours[there] != label]
        shared = len(here) - len(only_here)
        return SurfaceDistances(
            shared, self._nearest.distances(only_here, there), self._nearest.distances(only_there, here)
        )


def pixel_spacing(spacing: float | Sequence[float] | None, ndim: int) -> np.ndarray:
    """Spacing as float64 [ndim]."""
    steps = np.asarray(1.0 if spacing is None else spacing, float)
    if steps.ndim == 0:
        steps = np.full(ndim, steps)
    if steps.shape != (ndim,) or not np.all(np.isfinite(steps)) or not np.all(steps > 0):
        raise ValueError(f"Expected argument `spacing` to be one positive number or {ndim} of them, but got {spacing}")
    return steps


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box around the true pixels of a mask; an empty box when there are none."""
    occupied = np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim))))
    if not occupied.size:
        return (slice(0, 0),) * mask.ndim
    rows = slice(int(occupied[0]), int(occupied[-1]) + 1)
    return (rows, *bounding_box(np.asarray(mask[rows].any(axis=0)))) if mask.ndim > 1 else (rows,)


def blank(labels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A copy of unsigned labels with the largest value of their type where `where`, bool of the same shape, is true."""
    # -1 has all bits set; assigning by mask is far slower
    return labels | -where.view(np.uint8).astype(labels.dtype, copy=False)


def _interior(labels: np.ndarray) -> np.ndarray:
    """Pixels that are no surface of any class: all neighbours along the axes have the same label, and none lies
    outside.

    Outside a bounding box of the foreground there is either the frame or background, so the box's own border is
    surface.
    """
    interior = np.ones(labels.shape, bool)
    values, marks, stride = labels.ravel(), interior.ravel(), labels.size
    for axis, length in enumerate(labels.shape):
        # Neighbours are `stride` apart. Where that steps over the end of a line, it joins two pixels of the frame:
        # surface in any case.
        stride //= length
        same = values[stride:] == values[:-stride]
        marks[stride:] &= same
        marks[:-stride] &= same
        frame = interior.swapaxes(0, axis)
        frame[0] = frame[-1] = False
    return interior
