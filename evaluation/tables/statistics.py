"""Tests of differences between methods: ranks over sets, signed-rank tests with Holm's correction, paired
bootstrap on one set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, studentized_range, wilcoxon


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Mean rank of each method over sets, 1 = best, ties share; `[M]` from measures `[sets, M]`, larger = better."""
    return rankdata(-np.asarray(values, np.float64), axis=1).mean(axis=0)


def critical_difference(methods: int, sets: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference: methods with closer average ranks do not differ significantly (Demšar 2006); q is
    from the studentized range with infinite degrees of freedom.
    """
    q = studentized_range.ppf(1 - level, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * sets)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment, `[m]`, in the order given."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


@dataclass(frozen=True)
class Comparison:
    """The method on trial against another over sets: how often better or worse, and Wilcoxon's signed-rank test (exact,
    two-sided).
    """

    other: str
    better: int
    worse: int
    mean_difference: float
    p_value: float
    adjusted: float


def compare_over_sets(values: np.ndarray, names: Sequence[str], trial: str) -> list[Comparison]:
    """Test one method against every other.

    Parameters
    ----------
    values : ndarray `[sets, M]`
        Mean measure of a method on a set, larger = better.
    names : sequence of M str
    trial : str

    Returns
    -------
    list of Comparison
        M - 1, with Holm's correction over them.
    """
    values = np.asarray(values, np.float64)
    column = list(names).index(trial)
    others = [m for m in range(len(names)) if m != column]
    differences = [values[:, column] - values[:, m] for m in others]
    p_values = [wilcoxon(d).pvalue if np.any(d) else 1.0 for d in differences]
    return [
        Comparison(names[m], int((d > 0).sum()), int((d < 0).sum()), float(d.mean()), float(p), float(a))
        for m, d, p, a in zip(others, differences, p_values, holm(p_values), strict=True)
    ]


def resampled_precision(anomalous: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision with row i counted weights[b, i] times, for every b: equal to scikit-learn's on the repeated
    rows.

    Parameters
    ----------
    anomalous : ndarray `[n]` bool
    scores : ndarray `[n]`
    weights : ndarray `[B, n]`

    Returns
    -------
    ndarray `[B]`
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # last row of each run of equal scores
    weights = weights[:, order]
    total = np.cumsum(weights, axis=1)[:, ends]
    positives = np.cumsum(weights * anomalous[order], axis=1)[:, ends]
    precision = np.divide(positives, total, out=np.zeros_like(positives, dtype=float), where=total > 0)
    gained = np.diff(positives, axis=1, prepend=0)
    return (precision * gained).sum(axis=1) / positives[:, -1]


@dataclass(frozen=True)
class Interval:
    """Mean difference of two methods over seeds, with the 95 % interval of a paired bootstrap over seeds and rows."""

    mean: float
    low: float
    high: float


def paired_bootstrap(
    anomalous: Sequence[np.ndarray],
    trial: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    resamples: int = 300,
    seed: int = 0,
) -> Interval:
    """Difference in average precision, the same resampled rows for both; a resample draws seeds, and within each its
    anomalies and its inliers.

    Parameters
    ----------
    anomalous, trial, other : sequence of ndarray `[n_s]`
        One a seed: labels of its test rows, and the two methods' scores of them.
    """
    generator = np.random.default_rng(seed)
    drawn = np.empty((len(anomalous), resamples))
    means = []
    for s, (labels, first, second) in enumerate(zip(anomalous, trial, other, strict=True)):
        once = np.ones((1, len(labels)))
        means.append(resampled_precision(labels, first, once)[0] - resampled_precision(labels, second, once)[0])
        block = max(1, 4_000_000 // len(labels))
        for start in range(0, resamples, block):
            count = min(block, resamples - start)
            weights = np.zeros((count, len(labels)))
            for part in (labels, ~labels):
                size = int(part.sum())
                weights[:, part] = generator.multinomial(size, np.full(size, 1 / size), size=count)
            drawn[s, start : start + count] = resampled_precision(labels, first, weights) - resampled_precision(
                labels, second, weights
            )
    chosen = generator.integers(len(anomalous), size=(len(anomalous), resamples))
    low, high = np.quantile(drawn[chosen, np.arange(resamples)].mean(axis=0), [0.025, 0.975])
    return Interval(float(np.mean(means)), float(low), float(high))
