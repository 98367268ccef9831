"""Correlation of a QC score with a quality, alone and given covariates, with bootstrap intervals over images.

Functions of two samples return NaN where a sample is constant or has fewer than two items (no correlation is defined),
and raise ValueError on different lengths or non-finite input. Nothing depends on the order of rows, not even the
rounding: they are sorted first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from evaluation.ranking.selective import average_ranks, row_order, top_weights


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval.

    Attributes
    ----------
    estimate : float
        The statistic of the sample itself.
    low, high : float
        Ends of the interval; NaN when the statistic is undefined for the sample or for more than half of the resamples.
    undefined : int
        Resamples in which the statistic was NaN (one class only, say); they are left out.
    """

    estimate: float
    low: float
    high: float
    undefined: int


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation coefficient of two float [n], in [-1, 1]."""
    return _weighted_pearson(*_columns(x, y))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of two float [n], in [-1, 1]; ties take their mean rank."""
    first, second = _columns(x, y)
    return _weighted_pearson(average_ranks(first), average_ranks(second)) if first.size else float("nan")


def pearson_of_top(scores: np.ndarray, y: np.ndarray, k: int = 50) -> float:
    """Pearson's correlation over the k items with the highest scores (the figure of arXiv 2304.03220, with k = 50).

    Items tied at the cut enter with the weight with which a random choice would take them. The range of the score is
    cut off by construction: the better the ranking, the nearer to 0 this can come.

    Parameters
    ----------
    scores : float [n]
        Higher = more anomalous.
    y : float [n]
        A quality or a distance.
    k : int
        At least 1; more than n counts as n.
    """
    first, second = _columns(scores, y)
    return _weighted_pearson(first, second, top_weights(first, k)) if first.size else float("nan")


def partial_spearman(x: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> float:
    """Spearman correlation of x and y given covariates: rank all, regress the covariates' ranks out, correlate the
    residuals.

    Parameters
    ----------
    x, y : float [n]
    covariates : float [n] or [n, m]
        Constant and collinear columns do no harm.

    Returns
    -------
    float in [-1, 1]; NaN where the covariates leave nothing of x or y.
    """
    given = np.asarray(covariates, float)
    columns = _columns(x, y, *(given[:, None] if given.ndim == 1 else given).T)
    if not columns[0].size:
        return float("nan")
    ranks = np.stack([average_ranks(column) for column in columns])
    ranks -= ranks.mean(1, keepdims=True)
    design, targets = ranks[2:].T, ranks[:2].T
    residuals = (targets - design @ np.linalg.lstsq(design, targets, rcond=None)[0]).T
    # A residual that is rounding error alone has no correlation.
    scale = 1e-9 * np.linalg.norm(ranks[:2], axis=1)
    if any(np.linalg.norm(rest) <= limit for rest, limit in zip(residuals, scale, strict=True)):
        return float("nan")
    return _weighted_pearson(*residuals)


def usual_resamples(rows: int) -> int:
    """Resamples that are enough for a table of so many rows: 1,000, and fewer where that would draw more than ten
    million rows, but at least 200. The more rows, the narrower the intervals whose ends the number blurs.
    """
    return min(1000, max(200, 10_000_000 // max(1, rows)))


def bootstrap_interval(
    statistic: Callable[..., float],
    *columns: np.ndarray,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    method: Literal["percentile", "bca"] = "percentile",
) -> Interval:
    """Bootstrap interval of `statistic(*columns)` over images.

    Parameters
    ----------
    statistic : callable
        Takes the columns, returns a float; NaN where it is undefined.
    *columns : array [n] or [n, m]
        One row an image; all are resampled with the same indices.
    resamples, level, seed
        Number of resamples, level of the two-sided interval, seed of the draws.
    method : {"percentile", "bca"}
        BCa corrects bias and skewness (Efron 1987) for n further evaluations of the statistic.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        Columns of different length, no rows, a level outside (0, 1), no resamples, an unknown method.
    """
    if method not in ("percentile", "bca"):
        raise ValueError(f"Expected argument `method` to be 'percentile' or 'bca', but got {method!r}")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"Expected 0 < level < 1 and resamples >= 1, but got {level} and {resamples}")
    data = _sorted_rows(columns)
    count = len(data[0])
    rng = np.random.default_rng(seed)
    estimate = float(statistic(*data))
    # In order, which no statistic depends on, rows need not be sorted for each of them; all at once would be gigabytes.
    indices = (np.sort(rng.integers(0, count, count)) for _ in range(resamples))
    draws = np.array([statistic(*(column[index] for column in data)) for index in indices])
    defined = draws[np.isfinite(draws)]
    undefined = resamples - defined.size
    if not np.isfinite(estimate) or 2 * undefined > resamples:
        return Interval(estimate, float("nan"), float("nan"), undefined)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        tails = _bca_tails(
            tails,
            estimate,
            defined,
            np.array([statistic(*(np.delete(c, i, axis=0) for c in data)) for i in range(count)]),
        )
    low, high = np.quantile(defined, tails)
    return Interval(estimate, float(low), float(high), undefined)


def paired_difference(
    statistic: Callable[..., float], first: np.ndarray, second: np.ndarray, *columns: np.ndarray, **options
) -> Interval:
    """Bootstrap interval of statistic(first, *columns) - statistic(second, *columns), both on the same resampled
    images.

    Parameters
    ----------
    statistic, columns
        See `bootstrap_interval`; `first` and `second` are the scores of two methods, [n].
    **options
        `resamples`, `level`, `seed`, `method` of `bootstrap_interval`.
    """
    return bootstrap_interval(
        lambda a, b, *rest: statistic(a, *rest) - statistic(b, *rest), first, second, *columns, **options
    )


def _bca_tails(tails: np.ndarray, estimate: float, draws: np.ndarray, jackknife: np.ndarray) -> np.ndarray:
    """Quantile levels of the BCa interval (Efron 1987; Efron and Tibshirani 1993, eq. 14.10, 14.14, 14.15)."""
    # Draws equal to the estimate count half: statistics of ranks have many.
    below = np.mean(draws < estimate) + np.mean(draws == estimate) / 2
    bias = ndtri(np.clip(below, 0.5 / draws.size, 1 - 0.5 / draws.size))
    defined = jackknife[np.isfinite(jackknife)]
    away = defined.mean() - defined if defined.size else np.zeros(1)
    spread = (away**2).sum()
    acceleration = (away**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = bias + ndtri(tails)
    return ndtr(bias + shifted / (1 - acceleration * shifted))


def _columns(*columns: np.ndarray) -> list[np.ndarray]:
    """All columns as float64 [n], checked, rows in an order that depends on their values alone."""
    arrays = [np.asarray(column, float) for column in columns]
    if any(array.ndim != 1 or array.shape != arrays[0].shape for array in arrays):
        raise ValueError(f"Expected columns of one length, but got shapes {[array.shape for array in arrays]}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(
            "Expected finite numbers: leave out the items that have no score before correlating the others"
        )
    order = row_order(*arrays)
    return [array[order] for array in arrays]


def _sorted_rows(columns: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The columns with their rows in an order that depends on their values alone."""
    arrays = [np.asarray(column) for column in columns]
    if not arrays or not len(arrays[0]) or any(len(array) != len(arrays[0]) for array in arrays):
        raise ValueError(f"Expected columns of one length, at least 1, but got {[len(array) for array in arrays]}")
    keys = np.column_stack([array.reshape(len(array), -1) for array in arrays])
    order = np.lexsort(keys.T[::-1])
    return [array[order] for array in arrays]


def _weighted_pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Pearson's correlation with non-negative weights; NaN when x or y is constant where the weights are positive."""
    w = np.ones_like(x) if weights is None else weights
    kept = w > 0
    x, y, w = x[kept], y[kept], w[kept]
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    dx, dy = x - np.average(x, weights=w), y - np.average(y, weights=w)
    value = (w * dx * dy).sum() / np.sqrt((w * dx * dx).sum() * (w * dy * dy).sum())
    return float(np.clip(value, -1.0, 1.0))
