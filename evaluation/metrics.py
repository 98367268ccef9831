"""How far a predicted segmentation is from the ground truth: overlap and surface distances, per class and per image.

Conventions, fixed once and used by every table:

- Pixels that are void in the ground truth are removed from both masks first; a void pixel of the prediction where the truth
  has a label counts as "nothing predicted", so that abstaining is never rewarded.
- Surfaces are those of `evaluation.surfaces`: 4-neighbourhood in 2-D, and what touches the frame is surface.
- Both masks without the class: no row. One of them: Dice 0 and the status "missed" or "spurious"; its distances are undefined
  (None), never NaN and never dropped in silence: `image_metrics` counts them as the image diagonal unless told otherwise.

Where medpy 0.5.2 is defined, `dice`, `iou`, `msd` (medpy's assd), `hd95` and `hd` equal medpy's dc, jc, assd, hd95 and hd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.surfaces import SurfaceDistances, bounding_box, label_surface_distances, pixel_spacing

OVERLAPS = ("dice", "iou", "nsd")
DISTANCES = ("msd", "masd", "mean_to_truth", "mean_to_prediction", "hd95", "hd95_max", "hd")


@dataclass(frozen=True)
class ClassMetrics:
    """Agreement of prediction and truth on one class. Distances in pixels, or in the unit of `spacing`; None where undefined.

    Attributes
    ----------
    label : int
        Class index.
    status : {"both", "missed", "spurious"}
        Class in both masks, in the truth only, in the prediction only.
    dice, iou, nsd : float in [0, 1]
        2|A&B|/(|A|+|B|), |A&B|/|A|B| and the share of both surfaces within `tolerance` of the other (Nikolov et al. 2018,
        arXiv 1809.04430, counting surface pixels).
    msd : float or None
        Mean of both lists of directed distances pooled (medpy's assd).
    masd : float or None
        Mean of the two directed means.
    mean_to_truth, mean_to_prediction : float or None
        The two directed means.
    hd95, hd95_max : float or None
        95th percentile of the pooled list (medpy), and the larger of the two directed percentiles (MONAI).
    hd : float or None
        Hausdorff distance.
    prediction_pixels, truth_pixels : int
        Size of the class in either mask, after void removal.
    """

    label: int
    status: Literal["both", "missed", "spurious"]
    dice: float
    iou: float
    nsd: float
    msd: float | None
    masd: float | None
    mean_to_truth: float | None
    mean_to_prediction: float | None
    hd95: float | None
    hd95_max: float | None
    hd: float | None
    prediction_pixels: int
    truth_pixels: int


@dataclass(frozen=True)
class ImageMetrics:
    """Means over the foreground classes of one image; see `image_metrics`. Distances are None where no class defines one.

    `classes` counts the classes averaged over, `missed` and `spurious` those of them found in one mask only.
    """

    dice: float
    iou: float
    nsd: float
    msd: float | None
    masd: float | None
    mean_to_truth: float | None
    mean_to_prediction: float | None
    hd95: float | None
    hd95_max: float | None
    hd: float | None
    classes: int
    missed: int
    spurious: int


def class_metrics(
    prediction: np.ndarray,
    truth: np.ndarray,
    num_classes: int,
    void: int | None = 255,
    background: int | None = 0,
    spacing: float | Sequence[float] | None = None,
    tolerance: float = 2.0,
) -> list[ClassMetrics]:
    """Metrics of every foreground class that occurs in either mask.

    Parameters
    ----------
    prediction, truth : integer [...], 1-D to 3-D (or more), same shape
        Label indices in 0..num_classes-1, or `void`.
    num_classes : int
        Number of labels, background included.
    void : int or None
        Label that means "unknown"; None when there is none.
    background : int or None
        Label without a row; None makes every label foreground.
    spacing : float or sequence of float, optional
        Size of a pixel along each axis; distances come in its unit. Default: 1, distances in pixels.
    tolerance : float
        Tolerance of the Normalised Surface Dice, same unit as `spacing`.

    Returns
    -------
    list of ClassMetrics
        By ascending label; empty when neither mask has a foreground class.

    Raises
    ------
    ValueError
        Masks of different shape, not of integers, labels out of range, wrong number or sign of spacings, negative tolerance.
    """
    if not tolerance >= 0:
        raise ValueError(f"Expected argument `tolerance` to be at least 0, but got {tolerance}")
    first, second = _clean(prediction, truth, num_classes, void, background)
    steps = pixel_spacing(spacing, first.ndim)
    common, in_prediction, in_truth = _counts(first, second, num_classes)
    foreground = [c for c in np.flatnonzero(in_prediction + in_truth).tolist() if c != background]
    surfaces = label_surface_distances(first, second, [c for c in foreground if in_prediction[c] and in_truth[c]], steps)
    rows = []
    distances: dict[str, float | None]
    for label in foreground:
        sizes = int(in_prediction[label]), int(in_truth[label])
        overlap = int(common[label])
        if label in surfaces:
            lists = surfaces[label]
            distances = _distance_metrics(lists)
            nsd = float(np.mean(np.concatenate([lists.to_truth, lists.to_prediction]) <= tolerance))
            status: Literal["both", "missed", "spurious"] = "both"
        else:
            distances, nsd = dict.fromkeys(DISTANCES, None), 0.0
            status = "missed" if sizes[1] else "spurious"
        rows.append(
            ClassMetrics(
                label=label,
                status=status,
                dice=2.0 * overlap / sum(sizes),
                iou=overlap / (sum(sizes) - overlap),
                nsd=nsd,
                **distances,
                prediction_pixels=sizes[0],
                truth_pixels=sizes[1],
            )
        )
    return rows


def image_metrics(
    prediction: np.ndarray,
    truth: np.ndarray,
    num_classes: int,
    void: int | None = 255,
    background: int | None = 0,
    spacing: float | Sequence[float] | None = None,
    tolerance: float = 2.0,
    undefined: Literal["diagonal", "exclude"] = "diagonal",
) -> ImageMetrics:
    """Mean of `class_metrics` over the foreground classes found in truth or prediction after void removal.

    Parameters
    ----------
    prediction, truth, num_classes, void, background, spacing, tolerance
        See `class_metrics`.
    undefined : {"diagonal", "exclude"}
        What the distance of a missed or spurious class counts: the length of the image diagonal, or nothing (it is left out
        of the mean of the distances; its Dice 0 never is).

    Returns
    -------
    ImageMetrics
        No foreground class in either mask: perfect agreement, Dice 1 and distances 0. A distance is None only with "exclude"
        when every class is missed or spurious.

    Raises
    ------
    ValueError
        As `class_metrics`, or an unknown `undefined`.
    """
    rows = class_metrics(prediction, truth, num_classes, void, background, spacing, tolerance)
    shape = np.asarray(truth).shape
    diagonal = float(np.linalg.norm(np.asarray(shape) * pixel_spacing(spacing, len(shape))))
    return reduce_classes(rows, diagonal, undefined)


def reduce_classes(rows: Sequence[ClassMetrics], diagonal: float, undefined: Literal["diagonal", "exclude"] = "diagonal") -> ImageMetrics:
    """Mean over the rows of one image, as `image_metrics` describes it.

    `diagonal` is the length of the image diagonal in the unit of the rows: the norm of shape x spacing.
    """
    if undefined not in ("diagonal", "exclude"):
        raise ValueError(f"Expected argument `undefined` to be 'diagonal' or 'exclude', but got {undefined!r}")
    means: dict[str, float | None] = {name: float(np.mean([getattr(row, name) for row in rows])) if rows else 1.0 for name in OVERLAPS}
    for name in DISTANCES:
        values = [getattr(row, name) for row in rows]
        if undefined == "diagonal":
            values = [diagonal if value is None else value for value in values]
        defined = [value for value in values if value is not None]
        means[name] = float(np.mean(defined)) if defined else (None if rows else 0.0)
    statuses = [row.status for row in rows]
    return ImageMetrics(**means, classes=len(rows), missed=statuses.count("missed"), spurious=statuses.count("spurious"))  # type: ignore[arg-type]


def mean_dice(prediction: np.ndarray, truth: np.ndarray, num_classes: int, void: int | None = 255, background: int | None = 0) -> float:
    """Dice of an image: `image_metrics(...).dice` without the surfaces, in [0, 1]; 1 when neither mask has foreground."""
    first, second = _clean(prediction, truth, num_classes, void, background)
    common, in_prediction, in_truth = _counts(first, second, num_classes)
    sizes = in_prediction + in_truth
    rows = np.flatnonzero(sizes)
    rows = rows[rows != background] if background is not None else rows
    return float(np.mean(2.0 * common[rows] / sizes[rows])) if rows.size else 1.0


def _clean(prediction: np.ndarray, truth: np.ndarray, num_classes: int, void: int | None, background: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Both masks, checked, cut to the box around their foreground; `num_classes` now stands for "no class here"."""
    masks = {"prediction": np.atleast_1d(np.asarray(prediction)), "truth": np.atleast_1d(np.asarray(truth))}
    first, second = masks.values()
    if first.shape != second.shape:
        raise ValueError(f"Expected prediction and truth of one shape, but got {first.shape} and {second.shape}")
    for name, mask in masks.items():
        if mask.dtype.kind not in "iu":
            raise ValueError(f"Expected argument `{name}` to hold integer labels, but got dtype {mask.dtype}")
    box = bounding_box((first != background) | (second != background)) if background is not None else ...
    cut = {name: mask[box] for name, mask in masks.items()}
    clean = []
    for name, mask in cut.items():
        unknown = np.zeros(mask.shape, bool) if void is None else mask == void
        if np.any(((mask < 0) | (mask >= num_classes)) & ~unknown):
            wrong = sorted(set(np.unique(mask[~unknown]).tolist()) - set(range(num_classes)))
            raise ValueError(f"Expected argument `{name}` to hold labels 0..{num_classes - 1} or void {void}, but got {wrong}")
        labels = mask.astype(np.min_scalar_type(num_classes))
        labels[unknown] = num_classes
        clean.append(labels)
    clean[0][clean[1] == num_classes] = num_classes
    return clean[0], clean[1]


def _counts(prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of each class in both masks, in the prediction, in the truth: three int64 [K] from one joint histogram."""
    side = num_classes + 1
    cells = prediction.astype(np.min_scalar_type(side * side)) * side + truth
    joint = np.bincount(cells.ravel(), minlength=side * side).reshape(side, side)
    return np.diagonal(joint)[:-1], joint.sum(1)[:-1], joint.sum(0)[:-1]


def _distance_metrics(lists: SurfaceDistances) -> dict[str, float | None]:
    """The values of `DISTANCES` from the two directed lists."""
    forth, back = lists.to_truth, lists.to_prediction
    pooled = np.concatenate([forth, back])
    return {
        "msd": float(pooled.mean()),
        "masd": float((forth.mean() + back.mean()) / 2),
        "mean_to_truth": float(forth.mean()),
        "mean_to_prediction": float(back.mean()),
        "hd95": float(np.percentile(pooled, 95)),
        "hd95_max": float(max(np.percentile(forth, 95), np.percentile(back, 95))),
        "hd": float(pooled.max()),
    }
