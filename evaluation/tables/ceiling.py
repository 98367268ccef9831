"""Upper bounds that no score can exceed, because anomalies that equal inliers tie with them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow

from evaluation.tables.encoding import BaselineEncoder
from evaluation.tables.protocol import Split, file_name
from segqc.base.files import read_json, write_json


@dataclass(frozen=True)
class Ceiling:
    """Upper bounds of average precision and AUROC of any function of a row's values, and how much of it is due to
    duplicates.

    Attributes
    ----------
    average_precision, auroc : float
    shared : float
        Share of the anomalies that equal some inlier, of the test rows or of those learned from.
    """

    average_precision: float
    auroc: float
    shared: float


def ceiling(split: Split) -> Ceiling:
    """Bounds for one split, by an oracle that knows the share of anomalies among equal rows.

    Rows of equal values form a group of a anomalies and b inliers. Ordering groups by a/(a + b) gives the upper convex
    hull of all ROC curves, hence the largest AUROC. A precision-recall curve lies below that of the hull, along which
    precision falls with recall, so that the integral of its precision over recall bounds average precision: for a group
    that follows A anomalies in T rows, with s = a + b rows,

        int_0^1 (A + a u)/(T + s u) a du = a [a/s + (A - a T/s)/s log((T + s)/T)].

    The bound is generous: it only counts ties with the inliers that are in the test rows, and its oracle knows which of
    them are anomalies.
    """
    texts = _as_texts(pyarrow.concat_tables([split.train, split.validation, split.test]))
    codes = BaselineEncoder().fit(texts).codes(texts)
    _, groups = np.unique(codes, axis=0, return_inverse=True)
    learned, group = np.split(groups.ravel(), [len(codes) - split.test.num_rows])
    kinds = int(groups.max()) + 1
    size = np.bincount(group, minlength=kinds).astype(float)
    positives = np.bincount(group, weights=split.anomalous, minlength=kinds)
    everywhere = size - positives + np.bincount(learned, minlength=kinds)  # inliers of each kind
    shared = positives[everywhere > 0].sum() / positives.sum()
    size, positives = size[size > 0], positives[size > 0]
    order = np.argsort(-positives / size, kind="stable")
    a, s = positives[order], size[order]
    before_a, before_t = np.cumsum(a) - a, np.cumsum(s) - s
    log_growth = np.log1p(np.divide(s, before_t, out=np.zeros_like(s), where=before_t > 0))
    area = a * (a / s + (before_a - a * before_t / s) / s * log_growth)
    negatives = s - a
    below = negatives.sum() - np.cumsum(negatives)  # inliers ranked after each group
    auroc = (a * (below + negatives / 2)).sum() / (a.sum() * negatives.sum())
    return Ceiling(float(area.sum() / a.sum()), float(auroc), float(shared))


def _as_texts(table: pyarrow.Table) -> pyarrow.Table:
    """Numbers as text: equal means equal, not in the same bin."""
    return pyarrow.table(
        {name: column.cast(pyarrow.string()) for name, column in zip(table.column_names, table.columns, strict=True)}
    )


def save_ceiling(folder: Path, dataset: str, seed: int, found: Ceiling) -> None:
    """Keep the ceiling of a split beside the rows of the benchmark."""
    write_json(_ceiling_path(folder, dataset, seed), dataclasses.asdict(found))


def load_ceiling(folder: Path, dataset: str, seed: int) -> Ceiling | None:
    """The ceiling of a split, or None when it is not there."""
    path = _ceiling_path(folder, dataset, seed)
    return Ceiling(**read_json(path)) if path.is_file() else None


def _ceiling_path(folder: Path, dataset: str, seed: int) -> Path:
    return folder / "rows" / f"{file_name(dataset)}.ceiling.{seed}.json"
