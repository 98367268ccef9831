"""How far a predicted segmentation is from the ground truth: overlap and surface distances, per class and per image.

Conventions, fixed once and used by every table:

- Pixels that are void in the ground truth are removed from both masks first; a void pixel of the prediction where the
  truth has a label counts as "nothing predicted", so that abstaining is never rewarded.
- Surfaces are those of `evaluation.metrics.surfaces`: 4-neighbourhood in 2-D, and what touches the frame is surface.
- Both masks without the class: no row. One of them: Dice 0 and the status "missed" or "spurious"; its distances are
  undefined (None), never NaN and never dropped in silence: `image_metrics` counts them as the image diagonal unless
  told otherwise.

Where medpy 0.5.2 is defined, `dice`, `iou`, `msd`, `hd95` and `hd` equal its dc, jc, assd, hd95 and hd.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from evaluation.metrics.label_maps import clean_pair, count_classes, run_starts
from evaluation.metrics.surfaces import LabelSurfaces, SurfaceDistances, pixel_spacing

OVERLAPS = ("dice", "iou", "nsd")
DISTANCES = ("msd", "masd", "mean_to_truth", "mean_to_prediction", "hd95", "hd95_max", "hd")


@dataclass(frozen=True)
class ClassMetrics:
    """Agreement of prediction and truth on one class.

    Distances in pixels, or in the unit of `spacing`; None where undefined.

    Attributes
    ----------
    label : int
        Class index.
    status : {"both", "missed", "spurious"}
        Class in both masks, in the truth only, in the prediction only.
    dice, iou, nsd : float in [0, 1]
        2|A&B|/(|A|+|B|), |A&B|/|A|B| and the share of both surfaces within `tolerance` of the other (Nikolov et al.
        2018, arXiv 1809.04430, counting surface pixels).
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
    """Means over the foreground classes of one image; see `image_metrics`.

    Distances are None where no class defines one.

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
        Masks of different shape, not of integers, labels out of range, wrong number or sign of spacings, negative
        tolerance.
    """
    if not tolerance >= 0:
        raise ValueError(f"Expected argument `tolerance` to be at least 0, but got {tolerance}")
    first, second = clean_pair(prediction, truth, num_classes, void, background)
    steps = pixel_spacing(spacing, first.ndim)
    if not first.size:
        return []
    surfaces = LabelSurfaces(first, second, steps)
    # Pairs of labels change only at a surface pixel or right behind one.
    starts = np.stack([surfaces.pixels, surfaces.pixels + 1], axis=1).ravel()
    common, in_prediction, in_truth = count_classes(first, second, num_classes, starts)
    rows = []
    distances: dict[str, float | None]
    for label in np.flatnonzero(in_prediction + in_truth).tolist():
        sizes = int(in_prediction[label]), int(in_truth[label])
        overlap = int(common[label])
        if all(sizes):
            lists = surfaces.distances(label)
            distances = _distance_metrics(lists)
            nsd = _share_within(lists, tolerance)
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
        What the distance of a missed or spurious class counts: the length of the image diagonal, or nothing (it is left
        out of the mean of the distances; its Dice 0 never is).

    Returns
    -------
    ImageMetrics
        No foreground class in either mask: perfect agreement, Dice 1 and distances 0. A distance is None only with
        "exclude" when every class is missed or spurious.

    Raises
    ------
    ValueError
        When `class_metrics` raises it, or for an unknown `undefined`.
    """
    rows = class_metrics(prediction, truth, num_classes, void, background, spacing, tolerance)
    shape = np.asarray(truth).shape
    diagonal = float(np.linalg.norm(np.asarray(shape) * pixel_spacing(spacing, len(shape))))
    return reduce_classes(rows, diagonal, undefined)


def reduce_classes(
    rows: Sequence[ClassMetrics], diagonal: float, undefined: Literal["diagonal", "exclude"] = "diagonal"
) -> ImageMetrics:
    """Mean over the rows of one image, as `image_metrics` describes it.

    `diagonal` is the length of the image diagonal in the unit of the rows: the norm of shape x spacing.
    """
    if undefined not in ("diagonal", "exclude"):
        raise ValueError(f"Expected argument `undefined` to be 'diagonal' or 'exclude', but got {undefined!r}")
    distances: dict[str, float | None] = {}
    for name in DISTANCES:
        values = [getattr(row, name) for row in rows]
        if undefined == "diagonal":
            values = [diagonal if value is None else value for value in values]
        defined = [value for value in values if value is not None]
        distances[name] = fmean(defined) if defined else (None if rows else 0.0)
    statuses = [row.status for row in rows]
    return ImageMetrics(
        dice=fmean(row.dice for row in rows) if rows else 1.0,
        iou=fmean(row.iou for row in rows) if rows else 1.0,
        nsd=fmean(row.nsd for row in rows) if rows else 1.0,
        **distances,
        classes=len(rows),
        missed=statuses.count("missed"),
        spurious=statuses.count("spurious"),
    )


def mean_dice(
    prediction: np.ndarray, truth: np.ndarray, num_classes: int, void: int | None = 255, background: int | None = 0
) -> float:
    """`image_metrics(...).dice` without the surfaces, in [0, 1]; 1 when neither mask has foreground."""
    first, second = clean_pair(prediction, truth, num_classes, void, background)
    if not first.size:
        return 1.0
    common, in_prediction, in_truth = count_classes(first, second, num_classes, run_starts(first, second))
    sizes = in_prediction + in_truth
    rows = np.flatnonzero(sizes)
    return float(np.mean(2.0 * common[rows] / sizes[rows])) if rows.size else 1.0


def _distance_metrics(lists: SurfaceDistances) -> dict[str, float | None]:
    """The values of `DISTANCES` from the two directed lists."""
    forth, back, shared = lists.to_truth, lists.to_prediction, lists.shared
    sums, sizes = (float(forth.sum()), float(back.sum())), (shared + len(forth), shared + len(back))
    means = sums[0] / sizes[0], sums[1] / sizes[1]
    return {
        "msd": sum(sums) / sum(sizes),
        "masd": sum(means) / 2,
        "mean_to_truth": means[0],
        "mean_to_prediction": means[1],
        "hd95": _percentile95(2 * shared, np.concatenate([forth, back])),
        "hd95_max": max(_percentile95(shared, forth), _percentile95(shared, back)),
        "hd": float(max(forth.max(initial=0), back.max(initial=0))),
    }


def _percentile95(zeros: int, others: np.ndarray) -> float:
    """`np.percentile`, 95, of so many zeros and others, which are above 0: linear between order statistics, without its
    overhead.
    """
    position = 0.95 * (zeros + len(others) - 1) - zeros
    below = math.floor(position)
    if below < -1 or not len(others):
        return 0.0
    above = min(below + 1, len(others) - 1)
    ordered = np.partition(others, (max(below, 0), above))
    low = ordered[below] if below >= 0 else 0.0
    return float(low + (ordered[above] - low) * (position - below))


def _share_within(lists: SurfaceDistances, tolerance: float) -> float:
    """Share of the pixels of both surfaces at most `tolerance` from the other surface, in [0, 1]."""
    within = sum(np.count_nonzero(distances <= tolerance) for distances in (lists.to_truth, lists.to_prediction))
    return (2 * lists.shared + within) / (2 * lists.shared + len(lists.to_truth) + len(lists.to_prediction))
