"""Seven numbers read off one mask, without picture, network or ground truth: what a QC score must beat, and what it is
controlled for.

All are free of scale: a mask and its enlargement have (nearly) the same. A mask without foreground has zeros and, as
class frequency, that of such masks; a mask that is void throughout has zeros alone.
"""

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

MASK_FEATURES = (
    "area",
    "boundary length",
    "classes",
    "components",
    "compactness",
    "border contact",
    "log class frequency",
)
"""Names, in the order of the columns; the first four are the covariates of the partial correlation."""

SPECK = 0.0005
"""Components below this share of the labelled pixels are not counted: 94 pixels of a VOC picture."""

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def mask_features(
    mask: np.ndarray,
    num_classes: int,
    background: int | None = 0,
    void: int | None = 255,
    log_prior: np.ndarray | None = None,
) -> np.ndarray:
    """Features of a mask.

    Parameters
    ----------
    mask : integer `[H, W]`
        Labels in 0..num_classes-1, or `void`.
    num_classes : int
        K.
    background, void : int or None
    log_prior : float `[K + 1]`, optional
        Log frequency of each class and of masks without foreground (`class_log_prior`); without it the last feature is
        0.

    Returns
    -------
    ndarray
        float64 `[7]`, finite, in the order of `MASK_FEATURES`: area, share of the foreground in the labelled pixels,
        [0, 1]; boundary length, pairs of 4-neighbours with different labels, one of them foreground and none void, over
        the image diagonal; classes, number of foreground classes; components, 8-connected components of one foreground
        class, specks below `SPECK` left out unless there is nothing else; compactness, 4 pi area / perimeter^2 cut at
        1, mean over components weighted by area, the perimeter counted in pixel sides that are not shared (a square has
        pi/4); border contact, share of the frame's labelled pixels that is foreground, [0, 1]; log class frequency,
        mean of `log_prior` over the foreground classes; its last entry where there are none.

    Raises
    ------
    ValueError
        For a mask that is not two-dimensional, not of integers, empty, or with a label that is neither a class nor
        void.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype.kind not in "iu" or mask.size == 0:
        raise ValueError(
            f"Expected argument `mask` to hold integer labels [H, W], but got {mask.dtype} {list(mask.shape)}"
        )
    features = np.zeros(len(MASK_FEATURES))
    known = np.ones(mask.shape, bool) if void is None else mask != void
    _check_labels(mask[known], num_classes, void)
    foreground = known if background is None else known & (mask != background)
    if not foreground.any():
        if log_prior is not None and known.any():
            features[6] = log_prior[num_classes]
        return features
    classes = np.flatnonzero(np.bincount(mask[foreground]))
    sizes, perimeters = _components(mask, classes)
    counted = sizes >= SPECK * known.sum()
    frame = np.ones(mask.shape, bool)
    frame[1:-1, 1:-1] = False
    features[0] = foreground.sum() / known.sum()
    features[1] = _boundary_pairs(mask, known, foreground) / np.hypot(*mask.shape)
    features[2] = len(classes)
    features[3] = counted.sum() if counted.any() else len(sizes)
    features[4] = np.average(np.minimum(4 * np.pi * sizes / perimeters**2, 1), weights=sizes)
    features[5] = (foreground & frame).sum() / max((known & frame).sum(), 1)
    features[6] = 0.0 if log_prior is None else np.asarray(log_prior, np.float64)[classes].mean()
    return features


def class_log_prior(
    masks: Iterable[np.ndarray], num_classes: int, background: int | None = 0, void: int | None = 255
) -> np.ndarray:
    """Log of the share of masks in which each class occurs and, last, of those without foreground: float64 `[K + 1]`,
    finite, below 0.

    To each, one occurrence and one absence are added. Masks and not pixels are counted, so that a class of small
    objects is not taken for a rare one. Raises ValueError for a label that is neither a class nor void.
    """
    present, count = np.zeros(num_classes + 1), 0
    for mask in masks:
        labels = np.unique(mask)
        labels = labels if void is None else labels[labels != void]
        _check_labels(labels, num_classes, void)
        present[labels] += 1
        present[num_classes] += labels.tolist() == [background]
        count += 1
    return np.log((present + 1) / (count + 2))


def _check_labels(labels: np.ndarray, num_classes: int, void: int | None) -> None:
    """Refuse labels, void left out, that are no classes."""
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        wrong = np.unique(labels[(labels < 0) | (labels >= num_classes)]).tolist()
        raise ValueError(
            f"Expected argument `mask` to hold labels 0..{num_classes - 1} or void {void}, but got {wrong}"
        )


def _boundary_pairs(mask: np.ndarray, known: np.ndarray, foreground: np.ndarray) -> int:
    total = 0
    for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (mask[first] != mask[second]) & known[first] & known[second]
        total += int((differ & (foreground[first] | foreground[second])).sum())
    return total


def _components(mask: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and perimeter (pixel sides on the outside, frame included) of every component of the classes: two float64
    `[n]`.
    """
    sizes, perimeters = [], []
    # which takes 0 for "no object", hence + 1
    boxes = ndimage.find_objects(mask.astype(np.int32) + 1, max_label=int(classes[-1]) + 1)
    for label in classes:
        numbered, count = ndimage.label(np.pad(mask[boxes[label]] == label, 1), _EIGHT_NEIGHBOURS)
        sides = np.zeros(count + 1)
        for first, second in ((numbered[1:], numbered[:-1]), (numbered[:, 1:], numbered[:, :-1])):
            edge = (first > 0) != (second > 0)
            sides += np.bincount((first + second)[edge], minlength=count + 1)
        sizes.append(np.bincount(numbered.ravel(), minlength=count + 1)[1:])
        perimeters.append(sides[1:])
    return np.concatenate(sizes).astype(np.float64), np.concatenate(perimeters)
