"""Distances between the surfaces of two masks, for all classes at once.

The surface of a class is its mask minus the erosion with the 2 x ndim nearest neighbours; what touches the frame is surface (medpy
with connectivity 1). One pass finds the surfaces of all classes, and distances are computed only for surface pixels which the two
masks do not share: the others are at distance 0 by definition. Up to a few thousand points the nearest one is found by brute force
as a matrix product, beyond that by a k-d tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

PAIRS_PER_SOURCE, PAIRS_PER_TARGET = 2800, 280
"""What a k-d tree costs to ask and to build, in pairs of points compared by brute force (measured): below that the tree is not worth it."""

PAIRS_AT_ONCE = 1 << 16
"""Pairs compared in one matrix product: they stay in the cache, and the product is too small for BLAS to start threads."""

EXACT = 2**22
"""Squared diagonal of a mask, in pixels, up to which squared distances are exact in float32."""


@dataclass(frozen=True)
class SurfaceDistances:
    """Directed distances between two surfaces, the one result from which every surface metric follows.

    Attributes
    ----------
    to_truth : float64 [A]
        For each surface pixel of the prediction, the Euclidean distance to the nearest surface pixel of the truth.
    to_prediction : float64 [B]
        The same from the truth to the prediction.
    """

    to_truth: np.ndarray
    to_prediction: np.ndarray


def surface_distances(prediction: np.ndarray, truth: np.ndarray, spacing: float | Sequence[float] | None = None) -> SurfaceDistances:
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
        raise ValueError("Expected two masks with at least one object pixel each: the distance to an empty mask is undefined")
    box = bounding_box(first | second)
    labels = first[box].astype(np.uint8), second[box].astype(np.uint8)
    return label_surface_distances(*labels, [1], pixel_spacing(spacing, first.ndim))[1]


def label_surface_distances(prediction: np.ndarray, truth: np.ndarray, labels: Sequence[int], spacing: np.ndarray) -> dict[int, SurfaceDistances]:
    """Directed surface distances of several labels at once.

    Parameters
    ----------
    prediction, truth : unsigned integer [...]
        Label maps of one shape, cut to a box beyond which none of the labels occurs: pixels at its border count as surface.
    labels : sequence of int
        Labels that occur in both masks.
    spacing : float64 [ndim]
        Size of a pixel along each axis.
    """
    if not labels:
        return {}
    edges = _edges(prediction), _edges(truth)
    ours = _surfaces(prediction, edges[0], truth, edges[1], labels)
    theirs = _surfaces(truth, edges[1], prediction, edges[0], labels)
    result = {}
    for label in labels:
        directed = []
        for (source, shared), (target, _) in ((ours[label], theirs[label]), (theirs[label], ours[label])):
            distances = np.zeros(len(source))
            apart = np.flatnonzero(~shared)
            if apart.size:
                distances[apart] = _nearest(source[apart], target, prediction.shape, spacing)
            directed.append(distances)
        result[label] = SurfaceDistances(*directed)
    return result


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
    return (rows, *bounding_box(mask[rows].any(axis=0))) if mask.ndim > 1 else (rows,)


def _surfaces(
    mask: np.ndarray, edges: np.ndarray, other: np.ndarray, other_edges: np.ndarray, labels: Sequence[int]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Surface of each label: ascending flat indices, int64 [n], and whether each of them is the label's surface in the other mask too, bool [n]."""
    lowest, highest = mask.dtype.type(min(labels)), mask.dtype.type(max(labels))
    pixels = np.flatnonzero(edges & (mask - lowest <= highest - lowest))  # below the lowest, the unsigned difference wraps to something large
    owner = mask.ravel()[pixels]
    shared = (other.ravel()[pixels] == owner) & other_edges.ravel()[pixels]
    if len(labels) == 1:
        return {labels[0]: (pixels, shared)}
    chosen = {label: np.flatnonzero(owner == label) for label in labels}
    return {label: (pixels[rows], shared[rows]) for label, rows in chosen.items()}


def _nearest(source: np.ndarray, target: np.ndarray, shape: tuple[int, ...], spacing: np.ndarray) -> np.ndarray:
    """Distance from each source pixel to the nearest target pixel, float64 [m]; pixels are flat indices into `shape`."""
    points, goals = np.unravel_index(source, shape), np.unravel_index(target, shape)
    worthwhile = len(source) * len(target) <= PAIRS_PER_SOURCE * len(source) + PAIRS_PER_TARGET * len(target)
    if worthwhile and np.all(spacing == spacing[0]) and np.square(shape, dtype=float).sum() < EXACT:
        return np.sqrt(_squares_of_nearest(points, goals), dtype=float) * spacing[0]
    # Unbalanced trees with wide leaves give the same answers and are built several times as fast.
    tree = cKDTree(np.stack(goals, axis=1) * spacing, leafsize=24, balanced_tree=False, compact_nodes=False)
    return tree.query(np.stack(points, axis=1) * spacing)[0]


def _squares_of_nearest(points: tuple[np.ndarray, ...], goals: tuple[np.ndarray, ...]) -> np.ndarray:
    """Smallest squared distance from each point to any goal, float32 [m]; integer indices along each axis, [m] and [n] each.

    |p - g|^2 = |p|^2 + (|g|^2 - 2 p.g), the bracket as one matrix product. In float32, since all its terms are integers below 2^24, hence exact.
    """
    ndim = len(points)
    left, right = np.ones((ndim + 1, len(points[0])), np.float32), np.empty((ndim + 1, len(goals[0])), np.float32)
    left[:ndim], right[:ndim] = points, goals
    np.square(right[:ndim]).sum(axis=0, out=right[ndim])
    right[:ndim] *= -2
    best = np.empty(len(points[0]), np.float32)
    step = max(1, PAIRS_AT_ONCE // len(goals[0]))
    for start in range(0, len(best), step):
        part = slice(start, start + step)
        (left[:, part].T @ right).min(axis=1, out=best[part])
    return best + np.square(left[:ndim]).sum(axis=0)


def _edges(labels: np.ndarray) -> np.ndarray:
    """Surface pixels of all classes at once: a neighbour along an axis has another label, or lies outside.

    Outside a bounding box of the foreground there is either the frame or background, so both count as "another label".
    """
    edges = np.zeros(labels.shape, bool)
    values, marks, stride = labels.ravel(), edges.ravel(), labels.size
    for axis, length in enumerate(labels.shape):
        # Neighbours are `stride` apart. Where that steps over the end of a line, it joins two pixels of the frame: surface in any case.
        stride //= length
        different = values[stride:] != values[:-stride]
        marks[stride:] |= different
        marks[:-stride] |= different
        lead = (slice(None),) * axis
        edges[(*lead, 0)] = edges[(*lead, -1)] = True
    return edges
