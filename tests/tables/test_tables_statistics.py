"""Ranks, tests and intervals against published values, SciPy, scikit-learn on repeated rows, and cases with a known
answer.
"""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from evaluation.tables.figures import cliques, critical_difference_diagram
from evaluation.tables.statistics import (
    average_ranks,
    compare_over_sets,
    critical_difference,
    holm,
    paired_bootstrap,
    resampled_precision,
)


def test_the_critical_differences_of_demsar() -> None:
    # Demšar 2006, table 5(a): q at 5 % is 1.960, 2.343, 2.728, 3.164 for 2, 3, 5, 10 classifiers
    for methods, q in ((2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)):
        assert critical_difference(methods, 14) == pytest.approx(
            q * np.sqrt(methods * (methods + 1) / (6 * 14)), abs=2e-3
        )


def test_ranks_share_ties() -> None:
    assert average_ranks(np.array([[0.9, 0.5, 0.5], [0.9, 0.8, 0.7]])).tolist() == [1, 2.25, 2.75]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1, 1]


def test_a_win_on_all_of_seven_sets_has_the_smallest_p_value() -> None:
    values = np.stack(
        [np.arange(7) + 1.0 + np.arange(7) / 10, np.arange(7.0), np.arange(7) + 1.0 + np.arange(7) / 10], axis=1
    )
    worse, same = compare_over_sets(values, ["trial", "worse", "same"], "trial")
    assert (worse.better, worse.worse) == (7, 0)
    assert worse.p_value == pytest.approx(2 / 2**7)
    assert worse.adjusted == pytest.approx(4 / 2**7)
    assert (same.better, same.worse, same.p_value) == (0, 0, 1)


def test_resampled_precision_is_that_of_the_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.random(200) < 0.3, np.round(rng.normal(size=200), 1)
    weights = rng.multinomial(200, np.full(200, 1 / 200), size=5)
    expected = [average_precision_score(np.repeat(labels, w), np.repeat(scores, w)) for w in weights]
    assert resampled_precision(labels, scores, weights) == pytest.approx(expected)


def test_the_bootstrap_tells_a_difference_from_none() -> None:
    rng = np.random.default_rng(1)
    labels = [np.arange(400) >= 300 for _ in range(3)]
    good = [rng.normal(size=400) + 2 * label for label in labels]
    bad = [rng.normal(size=400) + 0.5 * label for label in labels]
    found = paired_bootstrap(labels, good, bad)
    assert 0 < found.low < found.mean < found.high
    swapped = paired_bootstrap(labels, bad, good)
    assert (swapped.mean, swapped.low, swapped.high) == pytest.approx((-found.mean, -found.high, -found.low), abs=1e-12)
    same = paired_bootstrap(labels, good, [2 * score for score in good])
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_bars_join_what_is_within_the_critical_difference() -> None:
    assert cliques(np.array([1.0, 1.5, 3.0, 3.2, 6.0]), 2.0) == [(0, 2), (1, 3)]
    assert cliques(np.array([1.0, 4.0]), 2.0) == []


def test_the_diagram_names_every_method_once() -> None:
    figure = critical_difference_diagram(["b", "a", "c"], np.array([2.0, 1.2, 2.8]), 0.9, "a")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(text for text in texts if "(" in text) == ["a (1.20)", "b (2.00)", "c (2.80)"]
    assert "critical difference 0.90" in texts
