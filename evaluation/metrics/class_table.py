"""The table behind an image's mean: one row per image and foreground class, by our metrics or by medpy itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from statistics import fmean, median
from typing import Any, get_args

import numpy as np

from evaluation.metrics.choices import Backend
from evaluation.metrics.classes import ClassMetrics, class_metrics

CLASS_COLUMNS = ("id", "class", *(field.name for field in fields(ClassMetrics)))
SUMMARY_COLUMNS = ("class", "images", "both", "missed", "spurious", "absent", "dice", "iou", "msd", "hd95")


def class_rows(
    id_: str,
    prediction: np.ndarray,
    truth: np.ndarray,
    names: Sequence[str],
    void: int | None = 255,
    background: int | None = 0,
    spacing: float | Sequence[float] | None = None,
    tolerance: float = 2.0,
    backend: Backend = "segqc",
) -> list[dict[str, Any]]:
    """Metrics of an image, a row for each foreground class found in either mask.

    Parameters
    ----------
    id_ : str
    prediction, truth, void, background, spacing, tolerance
        See `evaluation.metrics.classes.class_metrics`.
    names : sequence of str
        Names of the classes, background included.
    backend : {"segqc", "medpy"}
        Who computes dice, iou and all distances. medpy has no Normalised Surface Dice and no 95th percentile by
        direction: `nsd` and `hd95_max` are always ours.

    Returns
    -------
    list of dict
        `CLASS_COLUMNS`; distances None where the class is missed or spurious.

    Raises
    ------
    ValueError
        When `class_metrics` raises it, or for an unknown backend.
    ImportError
        medpy is asked for and not installed.
    """
    if backend not in get_args(Backend):
        raise ValueError(
            f"Expected argument `backend` to be one of {', '.join(get_args(Backend))}, but got {backend!r}"
        )
    rows = class_metrics(prediction, truth, len(names), void, background, spacing, tolerance)
    tables = [{"id": id_, "class": names[row.label]} | _plain(asdict(row)) for row in rows]
    if backend == "medpy":
        known = np.ones(np.shape(truth), bool) if void is None else truth != void
        for table in tables:
            first, second = ((np.asarray(mask) == table["label"]) & known for mask in (prediction, truth))
            table |= _medpy(first, second, spacing)  # `|=` changes the dict in the list
    return tables


def metrics_of_row(row: Mapping[str, Any]) -> ClassMetrics:
    """The metrics in a row of `class_rows`."""
    return ClassMetrics(**{field.name: row[field.name] for field in fields(ClassMetrics)})


def summarise_classes(
    rows: Sequence[dict[str, Any]], names: Sequence[str], images: int, background: int | None = 0
) -> list[dict[str, Any]]:
    """Each foreground class over all images.

    Parameters
    ----------
    rows : sequence of dict
        Rows of `class_rows`, all images together.
    names : sequence of str
    images : int
        Compared images, those without a row included.
    background : int or None

    Returns
    -------
    list of dict
        `SUMMARY_COLUMNS`: images with the class in either mask, of these in both, missed and spurious; absent, the
        others; mean dice and iou over the images with it; median msd and hd95 where defined. None where there is
        nothing to average.
    """
    table = []
    for label, name in enumerate(names):
        if label == background:
            continue
        mine = [row for row in rows if row["label"] == label]
        statuses = [row["status"] for row in mine]
        line: dict[str, Any] = {"class": name, "images": len(mine), "absent": images - len(mine)}
        line |= {status: statuses.count(status) for status in ("both", "missed", "spurious")}
        line |= {key: fmean(row[key] for row in mine) if mine else None for key in ("dice", "iou")}
        for key in ("msd", "hd95"):
            defined = [row[key] for row in mine if row[key] is not None]
            line[key] = median(defined) if defined else None
        table.append(line)
    return table


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """NumPy's scalars as Python's."""
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}


def _medpy(prediction: np.ndarray, truth: np.ndarray, spacing: float | Sequence[float] | None) -> dict[str, float]:
    try:
        from medpy.metric import binary
    except ImportError as error:
        raise ImportError(
            "medpy is not installed; pip install 'segqc[medpy]', or leave the metrics to segqc"
        ) from error
    found = {"dice": float(binary.dc(prediction, truth)), "iou": float(binary.jc(prediction, truth))}
    if prediction.any() and truth.any():
        to_truth, to_prediction = (
            float(binary.asd(a, b, spacing)) for a, b in ((prediction, truth), (truth, prediction))
        )
        found |= {
            "mean_to_truth": to_truth,
            "mean_to_prediction": to_prediction,
            "masd": (to_truth + to_prediction) / 2,
        }
        found |= {"msd": float(binary.assd(prediction, truth, spacing))}
        found |= {
            "hd95": float(binary.hd95(prediction, truth, spacing)),
            "hd": float(binary.hd(prediction, truth, spacing)),
        }
    return found
