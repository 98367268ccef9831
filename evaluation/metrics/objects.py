"""How right each object of a mask is: its intersection over union with the true objects that it touches, and which
true objects a mask misses.

An object is an 8-connected component of a foreground class. Pixels whose truth is not known (void) are left out of both
masks first.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from evaluation.metrics.label_maps import run_starts

LEAST_PIXELS = 10
"""Objects that have fewer pixels, or fewer of known truth, are not judged."""

Box = tuple[int, int, int, int]


def object_ious(
    numbers: np.ndarray,
    classes: np.ndarray,
    true_numbers: np.ndarray,
    true_classes: np.ndarray,
    known: np.ndarray,
) -> np.ndarray:
    """Intersection over union of each object of a mask.

    The intersection of an object are its pixels whose true class is its own; the union is that of the object with all
    true objects of its class that it touches there.

    Parameters
    ----------
    numbers : ndarray `[H, W]` int
        Number of each pixel's object in the judged mask, from 1; 0: none.
    classes : ndarray `[N]` int
        Class of each object.
    true_numbers, true_classes : ndarray `[H, W]` and `[M]`
        The same of the true mask.
    known : ndarray `[H, W]` bool
        Where the truth is known.

    Returns
    -------
    ndarray
        float64 `[N]` in [0, 1]; NaN for an object of fewer than 10 pixels of known truth.
    """
    judged, true, lengths = _known_runs(numbers, true_numbers, known)
    areas = np.bincount(judged, lengths, len(classes) + 1)[1:]
    common = np.flatnonzero((judged > 0) & (true > 0))
    common = common[classes[judged[common] - 1] == true_classes[true[common] - 1]]
    pairs = judged[common] - 1, true[common] - 1
    shared = sparse.csr_matrix((lengths[common].astype(float), pairs), shape=(len(classes), len(true_classes)))
    true_areas = np.bincount(true, lengths, len(true_classes) + 1)[1:]
    intersection = np.asarray(shared.sum(axis=1)).ravel()
    union = areas + (shared > 0) @ true_areas - intersection
    return np.where(areas >= LEAST_PIXELS, intersection / np.maximum(union, 1), np.nan)


def _known_runs(
    numbers: np.ndarray, true_numbers: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The number in both masks and the length of each stretch of pixels, in reading order, in which both are constant
    and the truth is known: each `[R]`, R being a few percent of the pixels.
    """
    starts = np.insert(run_starts(numbers, true_numbers, known), 0, 0)
    lengths = np.diff(starts, append=known.size)
    inside = known.ravel()[starts]
    return numbers.ravel()[starts][inside], true_numbers.ravel()[starts][inside], lengths[inside]


def missed_objects(mask: np.ndarray, true_numbers: np.ndarray, true_classes: np.ndarray) -> np.ndarray:
    """Which true objects of at least 10 pixels have no pixel of their class in the mask, bool `[M]`.

    Parameters
    ----------
    mask : ndarray `[H, W]` int
        The judged mask's classes.
    true_numbers, true_classes : ndarray `[H, W]` and `[M]`
        As for `object_ious`.
    """
    inside = true_numbers > 0
    true = true_numbers[inside] - 1
    areas = np.bincount(true, minlength=len(true_classes))
    hits = np.bincount(true, weights=mask[inside] == true_classes[true], minlength=len(true_classes))
    return (hits == 0) & (areas >= LEAST_PIXELS)


def same_place(box: Box, other: Box) -> bool:
    """Whether the centre of one of two half-open boxes (x0, y0, x1, y1) lies in the other one."""
    return _centre_in(box, other) or _centre_in(other, box)


def _centre_in(box: Sequence[int], other: Sequence[int]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= x < other[2] and other[1] <= y < other[3]


def found_at(false_alarms: np.ndarray, found: np.ndarray, pictures: int, per_picture: float) -> float:
    """Share of the missed objects that are found at a number of false alarms a picture.

    Parameters
    ----------
    false_alarms : float `[A]`
        Scores of all proposals that are at the place of no missed object.
    found : float `[M]`
        For each missed object the highest score of a proposal at its place; -inf where there is none.
    pictures : int
        Number of pictures, those without proposals included.
    per_picture : float
        False alarms that are allowed, as a mean over the pictures.

    Returns
    -------
    float in [0, 1]
        Share of the missed objects whose score is above that of the first false alarm too many; NaN where nothing was
        missed.
    """
    if not len(found):
        return float("nan")
    allowed = int(per_picture * pictures)
    worst = np.sort(false_alarms)[::-1]
    limit = worst[allowed] if len(worst) > allowed else -np.inf
    return float(np.mean(found > limit))
