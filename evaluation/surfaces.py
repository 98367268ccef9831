"""Distances between the surfaces of two masks, for all classes at once.

The surface of a class is its mask minus the erosion with the 2 x ndim nearest neighbours; what touches the frame is surface (medpy
with connectivity 1). One pass finds the surfaces of all classes, and the k-d tree is asked only about surface pixels which the two
masks do not share: the others are at distance 0 by definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree


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
    shared = edges[0] & edges[1] & (prediction == truth)
    common = np.bincount(prediction[shared], minlength=max(labels) + 1)
    surfaces = [_points(edge, mask, labels, spacing) for edge, mask in zip(edges, (prediction, truth), strict=True)]
    apart = [_points(edge & ~shared, mask, labels, spacing) for edge, mask in zip(edges, (prediction, truth), strict=True)]
    result = {}
    for label in labels:
        directed = []
        for source, target in ((apart[0][label], surfaces[1][label]), (apart[1][label], surfaces[0][label])):
            distances = np.zeros(common[label] + len(source))
            if len(source):
                # Unbalanced trees give the same answers and are built several times as fast.
                tree = cKDTree(target, balanced_tree=False, compact_nodes=False)
                distances[common[label] :] = tree.query(source)[0]
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
    box = []
    for axis in range(mask.ndim):
        occupied = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1) if occupied.size else slice(0, 0))
    return tuple(box)


def _points(chosen: np.ndarray, mask: np.ndarray, labels: Sequence[int], spacing: np.ndarray) -> dict[int, np.ndarray]:
    """Positions, float64 [n, ndim] in units of the spacing, of the chosen pixels of each label."""
    flat = np.flatnonzero(chosen)
    owner = mask.ravel()[flat]
    positions = np.stack(np.unravel_index(flat, mask.shape), axis=1) * spacing
    return {label: positions[owner == label] for label in labels}


def _edges(labels: np.ndarray) -> np.ndarray:
    """Surface pixels of all classes at once: a neighbour along an axis has another label, or lies outside.

    Outside a bounding box of the foreground there is either the frame or background, so both count as "another label".
    """
    edges = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        moved, across = np.moveaxis(labels, axis, 0), np.moveaxis(edges, axis, 0)
        different = moved[1:] != moved[:-1]
        across[1:] |= different
        across[:-1] |= different
        across[0] = across[-1] = True
    return edges
