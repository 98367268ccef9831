"""Selective-risk measures against scikit-learn, brute force over all orders of ties, and the papers' identities."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.ranking.selective import (
    augrc,
    aurc,
    auroc,
    average_precision,
    average_ranks,
    bad_below,
    excess_aurc,
    mean_of_top,
    precision_at,
    risk_coverage,
    row_order,
    top_weights,
    worst_decile,
)

TIED = np.array([0.3, 0.7, 0.7, 0.1, 0.7, 0.1, 0.9])
RISKS = np.array([0.2, 0.9, 0.0, 0.1, 0.5, 0.6, 0.4])
BAD = np.array([0, 1, 0, 0, 1, 1, 0], bool)


def orders_from_worst() -> list[list[int]]:
    """Every order of the seven items, most suspect first, which the tied scores allow."""
    return [order for order in map(list, permutations(range(7))) if np.all(np.diff(TIED[order]) <= 0)]


def brute_average_precision(bad: np.ndarray) -> float:
    return float(np.mean([bad[: i + 1].mean() for i in np.flatnonzero(bad)]))


def brute_aurc(risks_kept_first: np.ndarray) -> float:
    return float(np.mean([risks_kept_first[: i + 1].mean() for i in range(len(risks_kept_first))]))


def brute_augrc(risks_kept_first: np.ndarray) -> float:
    n = len(risks_kept_first)
    curve = [risks_kept_first[:i].sum() / n for i in range(n + 1)]
    return sum((a + b) / 2 for a, b in pairwise(curve)) / n


def test_ties_equal_the_mean_over_all_their_orders() -> None:
    orders = orders_from_worst()
    assert len(orders) == 3 * 2 * 2  # three items tied at 0.7, two at 0.1
    assert average_precision(TIED, BAD) == pytest.approx(np.mean([brute_average_precision(BAD[o]) for o in orders]))
    assert auroc(TIED, BAD) == pytest.approx(np.mean([roc_auc_score(BAD[o], -np.arange(7)) for o in orders]))
    assert aurc(TIED, RISKS) == pytest.approx(np.mean([brute_aurc(RISKS[o][::-1]) for o in orders]))
    assert augrc(TIED, RISKS) == pytest.approx(np.mean([brute_augrc(RISKS[o][::-1]) for o in orders]))
    for k in range(1, 8):
        assert mean_of_top(TIED, RISKS, k) == pytest.approx(np.mean([RISKS[o][:k].mean() for o in orders]))
        assert precision_at(TIED, BAD, k) == pytest.approx(np.mean([BAD[o][:k].mean() for o in orders]))
    curves = np.array([np.cumsum(RISKS[o][::-1]) / np.arange(1, 8) for o in orders])
    np.testing.assert_allclose(risk_coverage(TIED, RISKS).selective_risk, curves.mean(0))


def test_order_of_rows_changes_no_bit() -> None:
    rng = np.random.default_rng(0)
    scores, risks = rng.integers(0, 12, 200) / 3, rng.random(200)
    bad = risks > 0.5
    functions = [
        lambda s, r, b: auroc(s, b),
        lambda s, r, b: average_precision(s, b),
        lambda s, r, b: aurc(s, r),
        lambda s, r, b: excess_aurc(s, r),
        lambda s, r, b: augrc(s, r),
        lambda s, r, b: precision_at(s, b, 17),
    ]
    for function in functions:
        expected = function(scores, risks, bad)
        for _ in range(5):
            p = rng.permutation(200)
            assert function(scores[p], risks[p], bad[p]) == expected


@pytest.mark.parametrize("seed", range(10))
def test_without_ties_equal_to_scikit_learn_and_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, risks = rng.standard_normal(60), rng.random(60)
    bad = rng.random(60) < 0.3
    assert auroc(scores, bad) == pytest.approx(roc_auc_score(bad, scores))
    assert average_precision(scores, bad) == pytest.approx(average_precision_score(bad, scores))
    kept_first = risks[np.argsort(scores)]
    assert aurc(scores, risks) == pytest.approx(brute_aurc(kept_first))
    assert augrc(scores, risks) == pytest.approx(brute_augrc(kept_first))
    assert excess_aurc(scores, risks) == pytest.approx(brute_aurc(kept_first) - brute_aurc(np.sort(risks)))
    assert auroc(np.round(scores), bad) == pytest.approx(roc_auc_score(bad, np.round(scores)))


@pytest.mark.parametrize("decimals", [0, 8])
def test_augrc_of_binary_risks_follows_from_auroc_and_error_rate(decimals: int) -> None:
    # Traub et al. 2024: AUGRC = (1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2
    rng = np.random.default_rng(1)
    scores, wrong = np.round(rng.standard_normal(80), decimals), rng.random(80) < 0.25
    error = wrong.mean()
    assert augrc(scores, wrong) == pytest.approx((1 - auroc(scores, wrong)) * error * (1 - error) + error**2 / 2)


def test_constant_score_is_chance() -> None:
    constant = np.zeros(7)
    assert auroc(constant, BAD) == 0.5
    assert aurc(constant, RISKS) == pytest.approx(RISKS.mean())
    assert augrc(constant, RISKS) == pytest.approx(RISKS.mean() / 2)
    assert precision_at(constant, BAD, 3) == pytest.approx(BAD.mean())


def test_the_risks_themselves_are_the_best_score() -> None:
    assert excess_aurc(RISKS, RISKS) == 0.0
    assert excess_aurc(-RISKS, RISKS) > 0.1
    assert auroc(RISKS, RISKS > 0.45) == 1.0
    assert average_precision(RISKS, RISKS > 0.45) == 1.0


def test_one_class_only_is_undefined() -> None:
    scores = np.arange(4.0)
    assert np.isnan(auroc(scores, np.ones(4, bool)))
    assert np.isnan(auroc(scores, np.zeros(4, bool)))
    assert np.isnan(average_precision(scores, np.zeros(4, bool)))
    assert average_precision(scores, np.ones(4, bool)) == 1.0


def test_worst_decile_takes_the_last_tie_with_it() -> None:
    dice = np.array([0.0, 0.2, 0.2, 0.2] + [0.9] * 11)
    assert worst_decile(dice).sum() == 4  # ceil(15 / 10) = 2, and two more tied with the second
    assert worst_decile(np.linspace(0, 1, 20)).sum() == 2
    assert worst_decile(np.array([0.4])).tolist() == [True]
    assert bad_below(np.array([0.49, 0.5]), 0.5).tolist() == [True, False]


def test_top_weights_share_the_cut() -> None:
    assert top_weights(TIED, 2) == pytest.approx([0, 1 / 3, 1 / 3, 0, 1 / 3, 0, 1])
    assert top_weights(TIED, 100).sum() == 7


@pytest.mark.parametrize("function", [auroc, average_precision, aurc, augrc, excess_aurc, risk_coverage])
def test_misuse_is_refused(function) -> None:
    with pytest.raises(ValueError, match="one length"):
        function(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="at least one"):
        function(np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="finite"):
        function(np.array([0.0, np.nan]), np.zeros(2))


def test_k_and_empty_dice_are_refused() -> None:
    with pytest.raises(ValueError, match="`k`"):
        precision_at(TIED, BAD, 0)
    with pytest.raises(ValueError, match="`dice`"):
        worst_decile(np.zeros(0))


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0], [1.0, 1.0, -5.0, 2.0], [np.inf, 0.0, np.inf], []])
def test_average_ranks_are_those_of_scipy(values: list[float]) -> None:
    np.testing.assert_array_equal(average_ranks(np.array(values)), stats.rankdata(values))


def test_row_order_is_that_of_lexsort_and_nothing_for_rows_in_order() -> None:
    rng = np.random.default_rng(0)
    for ties in (2, 5, 1000):
        columns = rng.integers(0, ties, (3, 200)).astype(float)
        order = row_order(*columns)
        np.testing.assert_array_equal(order, np.lexsort(columns[::-1]))
        ordered = columns[:, order]
        assert row_order(*ordered) == slice(None)
        swapped = ordered.copy()
        swapped[2, [0, -1]] = swapped[2, [-1, 0]] + [1, -1]  # the last column decides, where the others are tied
        tied = np.stack([np.zeros(200), np.zeros(200), swapped[2]])
        np.testing.assert_array_equal(row_order(*tied), np.lexsort(tied[::-1]))
    assert row_order(np.zeros(1)) == row_order(np.zeros(0)) == slice(None)
