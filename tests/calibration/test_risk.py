"""The certified threshold: exact bounds, a promise kept over many draws of labels, and an honest no."""

import numpy as np
import pytest
from scipy import stats

from segqc.calibration.threshold import _allowed_failures, _passing_needed, certify_threshold, upper_bound

FAILURE = "Dice < 0.5"


@pytest.mark.parametrize(("failed", "passed"), [(0, 1), (0, 45), (1, 77), (3, 50), (49, 50), (200, 1000)])
def test_the_bound_is_clopper_and_pearsons(failed, passed):
    reference = stats.binomtest(failed, passed, alternative="less").proportion_ci(0.9, method="exact").high
    assert upper_bound(failed, passed, 0.9) == pytest.approx(reference, rel=1e-9)


def test_all_failed_or_nothing_seen_bounds_nothing():
    assert upper_bound(5, 5, 0.9) == upper_bound(0, 0, 0.9) == 1


@pytest.mark.parametrize(("max_failures", "confidence"), [(0.05, 0.9), (0.1, 0.9), (0.02, 0.95), (0.5, 0.6)])
def test_the_failures_allowed_are_those_that_the_binomial_test_rejects(max_failures, confidence):
    for passed in range(300):
        counts = np.arange(passed)
        rejected = counts[stats.binom.cdf(counts, passed, max_failures) <= 1 - confidence]
        assert _allowed_failures(passed, max_failures, confidence) == (rejected.max() if len(rejected) else -1)


def monotone(score: np.ndarray) -> np.ndarray:
    return 0.005 + 0.9 * score**4


def confident_mistakes(score: np.ndarray) -> np.ndarray:
    """Failures are frequent among the lowest scores, too: no monotone risk."""
    return np.where(score < 0.05, 0.3, 0.01) + 2 * np.clip(score - 0.6, 0, None)


@pytest.mark.parametrize("risk", [monotone, confident_mistakes])
def test_nine_times_in_ten_what_passes_fails_as_seldom_as_promised(risk):
    """200 draws of 250 labels, "at most 10 % fail": the promise may be broken in a tenth of them, and chance allows 33
    (binomial, 99.9 %).
    """
    grid = (np.arange(20000) + 0.5) / 20000
    share_failing = np.cumsum(risk(grid)) / np.arange(1, 20001)
    rng = np.random.default_rng(0)
    broken = careless = certified = 0
    for seed in range(200):
        scores = rng.random(250)
        failed = rng.random(250) < risk(scores)
        found = certify_threshold(scores, failed, max_failures=0.1, confidence=0.9, seed=seed)
        if found.value is not None:
            certified += 1
            broken += share_failing[max(0, int(found.value * 20000) - 1)] > 0.1
            assert found.upper_bound == upper_bound(found.failed, found.passed, 0.9) <= 0.1
        order = np.argsort(scores)
        observed = np.cumsum(failed[order]) / np.arange(1, 251)
        careless += share_failing[int(scores[order][np.flatnonzero(observed <= 0.1)[-1]] * 20000) - 1] > 0.1
    assert broken <= 33
    assert certified > 100, "a procedure that always says no would pass, too"
    assert careless > 60, "the share among the labels, without a bound, breaks the promise often"


def test_without_a_threshold_it_says_how_many_more_labels_it_would_take():
    none = certify_threshold([], [], 0.05)
    # 45 without a failure, and a quarter aside
    assert (none.value, none.labels, none.more_labels, none.upper_bound) == (None, 0, 60, None)
    few = certify_threshold(np.linspace(0, 1, 20), np.zeros(20, bool), 0.05)
    assert few.value is None
    assert few.more_labels == 40
    assert "about 40 more labels" in few.statement(FAILURE)
    enough = certify_threshold(np.linspace(0, 1, 80), np.zeros(80, bool), 0.05)
    assert enough.value is not None
    assert enough.more_labels is None
    assert FAILURE in enough.statement(FAILURE)
    assert f"(0 of {enough.passed} did" in enough.statement(FAILURE)


def test_the_plan_for_more_labels_succeeds_about_as_often_as_planned():
    """What is asked for at a failure rate of 2 % is certified in about four of five draws."""
    needed = _passing_needed(0.02, 0.05, 0.9)
    assert needed is not None
    power = stats.binom.cdf(_allowed_failures(needed, 0.05, 0.9), needed, 0.02)
    assert 0.8 <= power < 0.9
    assert _passing_needed(0.05, 0.05, 0.9) is None
    assert _passing_needed(0.0499, 0.05, 0.9) is None


def test_where_failures_are_everywhere_no_number_of_labels_helps():
    found = certify_threshold(np.linspace(0, 1, 400), np.arange(400) % 3 == 0, 0.05)
    assert found.value is None
    assert found.more_labels is None
    assert "more labels will not change that" in found.statement(FAILURE)


def test_equal_scores_pass_or_stay_together():
    found = certify_threshold(np.repeat([0.0, 1.0], 200), np.repeat([False, True], 200), 0.05)
    assert found.value == 0
    assert found.failed == 0


@pytest.mark.parametrize(
    "bad", [{"max_failures": 0}, {"max_failures": 1}, {"confidence": 1}, {"scores": [np.nan, 1]}, {"failed": [True]}]
)
def test_what_makes_no_sense_is_refused(bad):
    with pytest.raises(ValueError, match="Expected"):
        certify_threshold(**({"scores": [0.1, 0.2], "failed": [False, True]} | bad))
