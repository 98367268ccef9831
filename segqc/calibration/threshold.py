"""The pass threshold: a score up to which predictions need no review, with a bound on the share of failures among them
(Learn then Test with exact binomial bounds).

Let R(t) = P(failed | score <= t). Wanted is the largest t with R(t) <= `max_failures`, and a wrong answer in at most 1
- `confidence` of all draws of labels. For a t fixed beforehand the failures among the n labelled pairs that pass are
binomial(n, R(t)), so "R(t) > max_failures" is rejected by the exact binomial test, which is the same as Clopper and
Pearson's upper bound lying at or below `max_failures`.

Thresholds are tried in a sequence that the tested labels did not choose (fixed-sequence testing; Angelopoulos, Bates,
Candès, Jordan and Lei 2021, "Learn then Test", arXiv 2110.01052, its split variant): a random quarter of the labelled
pairs proposes 20 thresholds and the one to begin with; the other pairs test it and then ever more lenient ones, each at
full confidence, until the first that does not hold. R need not be monotone, and no other assumption is made than that
labelled pairs are a random sample of what will be scored.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

_LEARNING_SHARE = 0.25
_CANDIDATES = 20
_MOST_LABELS = 100_000  # a plan that needs more is no plan
_POWER = 0.8  # chance of success that a plan should have


@dataclass(frozen=True)
class RiskThreshold:
    """A certified threshold, or why there is none.

    Attributes
    ----------
    value : float or None
        Scores up to it pass. None: none could be certified.
    max_failures, confidence : float
        What was asked for.
    labels, tested : int
        Labelled pairs, and those of them that tested thresholds.
    passed, failed : int
        Tested pairs at or below the threshold, or below the last one tried where none holds, and those of them that
        failed.
    upper_bound : float or None
        Clopper and Pearson's bound on the share of failures among what passes, one-sided at `confidence`; None when
        nothing passed.
    more_labels : int or None
        Where there is no threshold: about how many more labels it would take, if the failures seen so far are typical.
        None when labels cannot help (too many fail at every threshold), or are not needed.
    """

    value: float | None
    max_failures: float
    confidence: float
    labels: int
    tested: int
    passed: int
    failed: int
    upper_bound: float | None
    more_labels: int | None

    def statement(self, failure: str) -> str:
        """The guarantee in one sentence; `failure` names what counts as a failure, such as "Dice < 0.5"."""
        goal = f"at most {self.max_failures:.3g} of what passes has {failure}, with confidence {self.confidence:.3g}"
        if self.value is not None:
            seen = f"{self.failed} of {self.passed} did; upper bound {self.upper_bound:.3g}"
            return f"score <= {self.value:.4g} passes: {goal} ({seen})"
        seen = f"{self.failed} of {self.passed} failed at the last one tried, of {self.labels} labels"
        none = f"no threshold qualifies for: {goal} ({seen})"
        if self.more_labels is None:
            return (
                f"{none}; more labels will not change that: "
                "among the lowest scores, too, more of them fail than the goal allows"
            )
        return f"{none}; about {self.more_labels} more labels could certify one"


def upper_bound(failed: int, passed: int, confidence: float) -> float:
    """Clopper and Pearson's one-sided upper bound on a share of which `failed` of `passed` were seen; 1 for none of
    none.
    """
    return 1.0 if failed >= passed else float(special.betaincinv(failed + 1, passed - failed, confidence))


def certify_threshold(
    scores: np.ndarray, failed: np.ndarray, max_failures: float = 0.05, confidence: float = 0.9, seed: int = 0
) -> RiskThreshold:
    """The most lenient threshold whose passing share of failures is bounded; see the module.

    Parameters
    ----------
    scores : array-like `[n]`
        Scores of labelled pairs, a random sample of what will be scored; higher = worse.
    failed : array-like `[n]` bool
    max_failures, confidence : float
        In (0, 1).
    seed : int
        Random seed of the quarter that proposes thresholds.

    Raises
    ------
    ValueError
        Shapes that differ, scores that are not finite, shares outside (0, 1).
    """
    scores, failed = np.asarray(scores, np.float64), np.asarray(failed, bool)
    if scores.shape != failed.shape or scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError("Expected one finite score for each label")
    if not (0 < max_failures < 1 and 0 < confidence < 1):
        raise ValueError(f"Expected `max_failures` and `confidence` in (0, 1), but got {max_failures} and {confidence}")
    order = np.random.default_rng(seed).permutation(len(scores))
    learning, testing = np.split(order, [int(_LEARNING_SHARE * len(order))])
    value, passed, failures = None, 0, 0
    for candidate in _sequence(scores[learning], failed[learning], len(testing), max_failures, confidence):
        below = scores[testing] <= candidate
        tried = int(below.sum()), int(failed[testing][below].sum())
        holds = _holds(tried[1], tried[0], max_failures, confidence)
        if holds or value is None:
            passed, failures = tried
        if not holds:
            break
        value = float(candidate)
    bound = upper_bound(failures, passed, confidence) if passed else None
    more = None if value is not None else _more_labels(scores, failed, max_failures, confidence)
    return RiskThreshold(value, max_failures, confidence, len(scores), len(testing), passed, failures, bound, more)


def _sequence(
    scores: np.ndarray, failed: np.ndarray, tested: int, max_failures: float, confidence: float
) -> np.ndarray:
    """Thresholds in the order of testing: from the one most likely to hold to the most lenient."""
    if not len(scores):
        return scores
    candidates = np.unique(np.quantile(scores, np.linspace(0, 1, _CANDIDATES + 1)[1:], method="inverted_cdf"))
    power = []
    for candidate in candidates:
        below = scores <= candidate
        expected = below.mean() * tested
        cautious = int(max(0.0, expected - expected**0.5))  # the number that pass will vary by about its square root
        rate = (failed[below].sum() + 0.5) / (below.sum() + 1)
        allowed = _allowed_failures(cautious, max_failures, confidence)
        power.append(float(special.bdtr(allowed, cautious, rate)) if allowed >= 0 else 0.0)
    start = max(range(len(power)), key=lambda place: (power[place], place))
    return candidates[start:]


def _allowed_failures(passed: int, max_failures: float, confidence: float) -> int:
    """Most failures among `passed` at which the bound still holds; -1 when not even none would do."""
    # a real number of failures; none of none is undefined
    near = int(special.bdtrik(1 - confidence, passed, max_failures)) if passed else 0
    return next(
        (
            count
            for count in (near + 1, near, near - 1)
            if 0 <= count < passed and _holds(count, passed, max_failures, confidence)
        ),
        -1,
    )


def _holds(failed: int, passed: int, max_failures: float, confidence: float) -> bool:
    """Whether `failed` of `passed` reject "more than `max_failures` fail"."""
    return upper_bound(failed, passed, confidence) <= max_failures


def _more_labels(scores: np.ndarray, failed: np.ndarray, max_failures: float, confidence: float) -> int | None:
    """Labels beyond those given at which some threshold would likely (`_POWER`) hold, were failures as frequent as
    seen; None when none would.
    """
    rates = np.cumsum(failed[np.argsort(scores, kind="stable")]) / np.arange(1, len(scores) + 1)
    counts = np.unique(np.ceil(np.linspace(0, len(scores), _CANDIDATES + 1)[1:]).astype(int)) if len(scores) else ()
    plans = [(1.0, 0.0)] if not len(scores) else [(count / len(scores), float(rates[count - 1])) for count in counts]
    totals = [
        needed / share / (1 - _LEARNING_SHARE)
        for share, rate in plans
        if (needed := _passing_needed(rate, max_failures, confidence))
    ]
    return max(1, int(np.ceil(min(totals))) - len(scores)) if totals else None


def _passing_needed(rate: float, max_failures: float, confidence: float) -> int | None:
    """Fewest passing pairs that likely (`_POWER`) satisfy the bound when a share `rate` of them fails; None beyond
    `_MOST_LABELS`.
    """
    if rate >= max_failures:
        return None
    for passed in np.unique(np.geomspace(1, _MOST_LABELS, 400).round().astype(int)):
        allowed = _allowed_failures(int(passed), max_failures, confidence)
        if allowed >= 0 and special.bdtr(allowed, int(passed), rate) >= _POWER:
            return int(passed)
    return None
