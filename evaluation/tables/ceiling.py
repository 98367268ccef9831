"""What no score can exceed, because anomalies that equal inliers tie with them."""

from dataclasses import dataclass

import numpy as np
import pyarrow

from evaluation.tables.encoding import TableEncoder


@dataclass(frozen=True)
class Ceiling:
    """Upper bounds of average precision and AUROC of any function of a row's values, and how much of it is due to duplicates.

    Attributes
    ----------
    average_precision, auroc : float
    shared : float
        Share of the anomalies that equal an inlier of the test rows.
    """

    average_precision: float
    auroc: float
    shared: float


def ceiling(test: pyarrow.Table, anomalous: np.ndarray) -> Ceiling:
    """Bounds for one test set, by an oracle that knows the share of anomalies among equal rows.

    Rows of equal values form a group of a anomalies and b inliers. Ordering groups by a/(a + b) gives the upper convex hull of all ROC curves, hence
    the largest AUROC. A precision-recall curve lies below that of the hull, along which precision falls with recall, so that the integral of its
    precision over recall bounds average precision: for a group that follows A anomalies in T rows, with s = a + b rows,

        int_0^1 (A + a u)/(T + s u) a du = a [a/s + (A - a T/s)/s log((T + s)/T)].

    Parameters
    ----------
    test : pyarrow.Table of n rows
    anomalous : ndarray `[n]` bool
    """
    texts = _as_texts(test)
    codes = TableEncoder().fit(texts).codes(texts)
    _, group = np.unique(codes, axis=0, return_inverse=True)
    size = np.bincount(group.ravel()).astype(float)
    positives = np.bincount(group.ravel(), weights=anomalous.astype(float))
    order = np.argsort(-positives / size, kind="stable")
    a, s = positives[order], size[order]
    before_a, before_t = np.cumsum(a) - a, np.cumsum(s) - s
    log_growth = np.log1p(np.divide(s, before_t, out=np.zeros_like(s), where=before_t > 0))
    area = a * (a / s + (before_a - a * before_t / s) / s * log_growth)
    negatives = s - a
    below = negatives.sum() - np.cumsum(negatives)  # inliers ranked after each group
    auroc = (a * (below + negatives / 2)).sum() / (a.sum() * negatives.sum())
    return Ceiling(float(area.sum() / a.sum()), float(auroc), float(a[negatives > 0].sum() / a.sum()))


def _as_texts(table: pyarrow.Table) -> pyarrow.Table:
    """Numbers as text: equal means equal, not in the same bin."""
    return pyarrow.table({name: column.cast(pyarrow.string()) for name, column in zip(table.column_names, table.columns, strict=True)})
