"""A prediction and a truth before they are compared: checked, cut to what is not background, and counted."""

from __future__ import annotations

import numpy as np

from evaluation.metrics.surfaces import blank, bounding_box


def clean_pair(
    prediction: np.ndarray, truth: np.ndarray, num_classes: int, void: int | None, background: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Both masks, checked, cut to the box around all that is not background, in the narrowest unsigned type.

    Its largest value stands for whatever has no row: background, and void, which hides the prediction below it.
    """
    first, second = np.atleast_1d(np.asarray(prediction)), np.atleast_1d(np.asarray(truth))
    if first.shape != second.shape:
        raise ValueError(f"Expected prediction and truth of one shape, but got {first.shape} and {second.shape}")
    if background is not None:
        box = bounding_box((first != background) | (second != background))
        first, second = first[box], second[box]
    first, second = _labels("prediction", first, num_classes, void), _labels("truth", second, num_classes, void)
    hidden = second == np.iinfo(second.dtype).max
    if background is None:
        return blank(first, hidden), np.ascontiguousarray(second)
    return blank(first, hidden | (first == background)), blank(second, second == background)


def _labels(name: str, mask: np.ndarray, num_classes: int, void: int | None) -> np.ndarray:
    """A checked mask in the narrowest unsigned type, its largest value (all bits set) for void; not copied when it is
    so already.
    """
    if mask.dtype.kind not in "iu":
        raise ValueError(f"Expected argument `{name}` to hold integer labels, but got dtype {mask.dtype}")
    dtype = np.min_scalar_type(num_classes)
    ready = mask.dtype == dtype and void == np.iinfo(dtype).max
    if ready and mask.size and (mask + dtype.type(1)).max() <= num_classes:  # void wraps to 0
        return mask
    unknown = np.zeros(mask.shape, bool) if void is None else mask == void
    wrong = mask >= num_classes
    if mask.dtype.kind == "i":
        wrong |= mask < 0
    if np.greater(wrong, unknown).any():
        values = np.unique(mask[wrong & ~unknown]).tolist()
        raise ValueError(
            f"Expected argument `{name}` to hold labels 0..{num_classes - 1} or void {void}, but got {values}"
        )
    mask = mask.astype(dtype)
    mask[unknown] = np.iinfo(dtype).max
    return mask


def run_starts(*masks: np.ndarray) -> np.ndarray:
    """Flat index of the first pixel of each run, in reading order, in which each of the masks is constant, int64
    ascending; that of the first run, 0, is left out.
    """
    flat = [mask.ravel() for mask in masks]
    changes = np.zeros(max(flat[0].size - 1, 0), bool)
    for values in flat:
        changes |= values[1:] != values[:-1]
    return np.flatnonzero(changes) + 1


def count_classes(
    prediction: np.ndarray, truth: np.ndarray, num_classes: int, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of each class in both masks, in the prediction, in the truth: three int64 [K] from one joint histogram.

    Masks are piecewise constant, so the histogram counts runs of equal pairs, weighted by their lengths: thousands of
    entries, not pixels. `starts` holds, ascending, the flat index of each run's first pixel, but for the first; what
    starts no run, or comes twice, does no harm.
    """
    size = prediction.size
    edges = np.concatenate([[0], starts, [size]])
    lengths = edges[1:] - edges[:-1]
    places = np.minimum(edges[:-1], size - 1)  # a run that would start at the end has length 0
    side = num_classes + 1
    rows, columns = (np.minimum(labels.ravel()[places], num_classes).astype(np.int64) for labels in (prediction, truth))
    joint = (
        np.bincount(rows * side + columns, weights=lengths, minlength=side * side).astype(np.int64).reshape(side, side)
    )
    return np.diagonal(joint)[:-1], joint.sum(1)[:-1], joint.sum(0)[:-1]
