"""How well a QC score finds the bad segmentations: detection and selective-risk measures.

A score is higher for a worse prediction; its quality is a Dice in [0, 1] and its risk is 1 - Dice. Ties in the score
are handled by expectation: every measure is the mean over all orders of the tied items, in closed form, so neither the
order of rows nor a coarse score changes a number. Every function raises ValueError on arrays of different length, empty
or non-finite input; measures that are undefined (AUROC and AP with one class only) are NaN, as stated at each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RiskCoverage:
    """Risk-coverage curve: item i keeps the i+1 items with the lowest scores.

    Attributes
    ----------
    coverage : float64 [n]
        Share of the items kept, 1/n .. 1.
    selective_risk : float64 [n]
        Mean risk of those kept.
    generalized_risk : float64 [n]
        Mean over all items of the risk of those kept: selective risk x coverage (Traub et al. 2024).
    """

    coverage: np.ndarray
    selective_risk: np.ndarray
    generalized_risk: np.ndarray


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 of finite values `[n]`, equal ones sharing their mean: `scipy.stats.rankdata`, whose package takes a
    second to import.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def row_order(*columns: np.ndarray) -> np.ndarray | slice:
    """What puts the rows of columns `[n]` in order, by the first column first; a slice where they are in order already:
    resamples are, and sorting would be most of the time of a bootstrap.
    """
    tied = np.ones(max(0, len(columns[0]) - 1), bool)
    for column in columns:
        steps = np.diff(column)
        if (steps[tied] < 0).any():
            return np.lexsort(columns[::-1])
        tied &= steps == 0
    return slice(None)


def bad_below(dice: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Which items have a Dice strictly below the threshold, bool [n]."""
    return np.asarray(dice, float) < threshold


def worst_decile(dice: np.ndarray) -> np.ndarray:
    """Which items are among the worst tenth by Dice, bool [n].

    The worst ceil(n/10), and every further item tied with the last of them: with ties it can be more than a tenth, but
    never depends on the order of rows.
    """
    values = np.asarray(dice, float)
    if values.size == 0:
        raise ValueError("Expected argument `dice` to hold at least one value")
    return values <= np.sort(values)[-(-values.size // 10) - 1]


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, a tie counting one half.

    Parameters
    ----------
    scores : float [n]
        Higher = more suspect.
    positive : bool [n]
        The items to be found.

    Returns
    -------
    float in [0, 1]; NaN when all or none of the items are positive.
    """
    values, labels = _pair(scores, positive)
    positives, negatives = int(labels.sum()), int((1 - labels).sum())
    if not positives or not negatives:
        return float("nan")
    # Mann-Whitney U from mid-ranks.
    return float((average_ranks(values)[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Average precision: the mean over the positives of the precision at their rank, from the most suspect down.

    Without ties it is scikit-learn's average_precision_score; tied scores count the expectation over their orders,
    where scikit-learn cuts only between groups of ties.

    Parameters
    ----------
    scores : float [n]
        Higher = more suspect.
    positive : bool [n]
        The items to be found.

    Returns
    -------
    float in [0, 1]; NaN when no item is positive.
    """
    values, labels = _pair(scores, positive)
    total = labels.sum()
    if not total:
        return float("nan")
    sizes, hits = (part[::-1] for part in _groups(values, labels))
    each = np.repeat(np.arange(len(sizes)), sizes)
    seen, found = (np.cumsum(counts) - counts for counts in (sizes, hits))
    # At place j of a group of m with h positives stands a positive with chance h/m, with (j-1)(h-1)/(m-1) other
    # positives of the group before it.
    place = np.arange(1, len(values) + 1) - seen[each]
    before = (place - 1) * ((hits - 1) / np.maximum(sizes - 1, 1))[each]
    area = ((hits / sizes)[each] * (found[each] + 1 + before) / (seen[each] + place)).sum()
    return float(area / total)


def risk_coverage(scores: np.ndarray, risks: np.ndarray) -> RiskCoverage:
    """Risk-coverage curve of a score; tied items count their mean risk at every place of their group.

    Parameters
    ----------
    scores : float [n]
        Higher = more suspect, hence rejected first.
    risks : float [n]
        What keeping an item costs, 1 - Dice for instance.
    """
    values, costs = _pair(scores, risks)
    sizes, sums = _groups(values, costs)
    kept = np.cumsum(np.repeat(sums / sizes, sizes))
    count = np.arange(1, values.size + 1)
    return RiskCoverage(count / values.size, kept / count, kept / values.size)


def aurc(scores: np.ndarray, risks: np.ndarray) -> float:
    """Area under the risk-coverage curve: mean of the selective risk over the n coverages (Geifman et al. 2019,
    1805.08206).
    """
    return float(risk_coverage(scores, risks).selective_risk.mean())


def excess_aurc(scores: np.ndarray, risks: np.ndarray) -> float:
    """e-AURC: AURC minus that of the best possible order, the risks themselves as score (Geifman et al. 2019).

    At least 0.
    """
    return aurc(scores, risks) - aurc(risks, risks)


def augrc(scores: np.ndarray, risks: np.ndarray) -> float:
    """Area under the generalized risk-coverage curve, by trapezoids from coverage 0, risk 0 (Traub et al. 2024,
    2407.01032).

    The mean risk of undetected failures; for 0/1 risks with error rate e it equals (1 - AUROC) e (1 - e) + e^2 / 2.
    """
    curve = risk_coverage(scores, risks).generalized_risk
    return float((curve.sum() - curve[-1] / 2) / curve.size)


def mean_of_top(scores: np.ndarray, values: np.ndarray, k: int) -> float:
    """Expected mean of `values` over the k items with the highest scores, ties at the cut shared evenly.

    Parameters
    ----------
    scores, values : float [n]
    k : int
        At least 1; more than n counts as n.
    """
    ranking, things = _pair(scores, values)
    weights = top_weights(ranking, k)
    # Sorted, so that not even the rounding depends on the order of rows.
    return float(np.sort(weights * things).sum() / min(k, things.size))


def precision_at(scores: np.ndarray, positive: np.ndarray, k: int) -> float:
    """Share of positives among the k items with the highest scores, in [0, 1]; see `mean_of_top`."""
    return mean_of_top(scores, np.asarray(positive, float), k)


def top_weights(scores: np.ndarray, k: int) -> np.ndarray:
    """Chance of each item to be among the k highest scores when ties are broken at random: float64 [n] in [0, 1], sum
    min(k, n).
    """
    values = np.asarray(scores, float)
    if k < 1:
        raise ValueError(f"Expected argument `k` to be at least 1, but got {k}")
    count = min(int(k), values.size)
    cut = np.sort(values)[values.size - count]
    above, tied = values > cut, values == cut
    return above + tied * ((count - np.count_nonzero(above)) / np.count_nonzero(tied))


def _pair(scores: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 [n], checked."""
    first, second = np.asarray(scores, float), np.asarray(values, float)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"Expected two arrays of one length, but got shapes {first.shape} and {second.shape}")
    if first.size == 0:
        raise ValueError("Expected at least one item, but got none")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("Expected finite numbers: leave out the items that have no score before judging the others")
    return first, second


def _groups(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and sums of `values` over groups of equal keys, by ascending key."""
    # Sorting by the values too makes the rounding of the sums independent of the order of rows.
    order = row_order(keys, values)
    _, starts, sizes = np.unique(keys[order], return_index=True, return_counts=True)
    return sizes, np.add.reduceat(values[order], starts)
