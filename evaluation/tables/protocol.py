"""The paper's split: 80 % of the inliers to learn from, 10 % for early stopping, the last 10 % with all anomalies to be
ranked.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow


@dataclass(frozen=True)
class Split:
    """One seed's parts.

    `train` and `validation` hold inliers, and `train` also anomalies where that is the question; `anomalous` says which
    rows of `test` are anomalies, bool.
    """

    train: pyarrow.Table
    validation: pyarrow.Table
    test: pyarrow.Table
    anomalous: np.ndarray


def split_inliers(features: pyarrow.Table, anomalous: np.ndarray, seed: int) -> Split:
    """Permute the inliers by seed and cut them at 80 and 90 %.

    Parameters
    ----------
    features : pyarrow.Table of n rows
    anomalous : ndarray `[n]` bool
    seed : int

    Raises
    ------
    ValueError
        With fewer than 10 inliers, or no anomaly.
    """
    inliers, anomalies = np.flatnonzero(~anomalous), np.flatnonzero(anomalous)
    if len(inliers) < 10 or not len(anomalies):
        raise ValueError(f"Expected at least 10 inliers and one anomaly, but got {len(inliers)} and {len(anomalies)}")
    order = np.random.default_rng(seed).permutation(inliers)
    first, second = int(0.8 * len(order)), int(0.9 * len(order))
    test = np.concatenate([order[second:], anomalies])
    return Split(
        features.take(order[:first]),
        features.take(order[first:second]),
        features.take(test),
        np.arange(len(test)) >= len(order) - second,
    )


def split_with_anomalies(features: pyarrow.Table, anomalous: np.ndarray, seed: int, share: float = 0.0) -> Split:
    """Permute the inliers by seed, and fit on 90 % of them; the other 10 % and all anomalies are ranked.

    Parameters
    ----------
    features : pyarrow.Table of n rows
    anomalous : ndarray `[n]` bool
    seed : int
    share : float
        Share of the rows to fit that are anomalies, at most half of the anomalies; these are not ranked.

    Raises
    ------
    ValueError
        With fewer than 10 inliers, or no anomaly.
    """
    inliers, anomalies = np.flatnonzero(~anomalous), np.flatnonzero(anomalous)
    if len(inliers) < 10 or not len(anomalies):
        raise ValueError(f"Expected at least 10 inliers and one anomaly, but got {len(inliers)} and {len(anomalies)}")
    rng = np.random.default_rng(seed)
    order, odd = rng.permutation(inliers), rng.permutation(anomalies)
    cut = int(0.9 * len(order))
    hidden = min(round(share / (1 - share) * cut), len(odd) // 2)
    test = np.concatenate([order[cut:], odd[hidden:]])
    fitted = rng.permutation(np.concatenate([order[:cut], odd[:hidden]]))
    return Split(
        features.take(fitted), features.slice(0, 0), features.take(test), np.arange(len(test)) >= len(order) - cut
    )


def file_name(dataset: str) -> str:
    """A set's name as part of a file name: "Census, 5 numeric" is Census-5-numeric."""
    return dataset.replace(",", "").replace(" ", "-")
