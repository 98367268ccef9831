"""Bins of numbers and densities within them, against SciPy's distributions, and what they are for: numbers far out are
found.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from segqc.tabular import GumbelScoreDetector
from segqc.tabular.counting.bins import BINS, NumberBins
from segqc.tabular.encoding import Encoded


def rows_of(values: np.ndarray, missing: np.ndarray | None = None) -> Encoded:
    """One continuous column."""
    gone = np.zeros(len(values), bool) if missing is None else missing
    return Encoded(gone.astype(np.int64)[:, None], np.where(gone, 0, values).astype(np.float32)[:, None])


def added(bins: NumberBins, rows: Encoded) -> np.ndarray:
    """-log p(x | bin) of the one number of each row."""
    return bins.surprise(rows, bins.codes(rows))[:, 0]


def fitted(values: np.ndarray, missing: np.ndarray | None = None) -> NumberBins:
    return NumberBins.fit(rows_of(values, missing), np.array([0]))


def test_bins_hold_equal_shares_and_frequent_values_are_alone() -> None:
    numbers = np.stack([np.arange(1000.0), np.repeat([0.0, 5.0], 500)], axis=1).astype(np.float32)
    rows = Encoded(np.zeros((1000, 3), np.int64), numbers)
    rows.codes[999, 2] = 1  # missing
    bins = NumberBins.fit(rows, np.array([0, 2]))
    assert bins.sizes(np.array([3, 7, 3])).tolist() == [BINS + 2, 7, 4]
    codes = bins.codes(rows)
    assert np.bincount(codes[:, 0]).tolist() == [50] * BINS
    assert codes[999].tolist() == [BINS - 1, 0, 2]
    assert codes[[0, 998], 2].tolist() == [0, 1]
    beyond = bins.codes(Encoded(np.zeros((2, 3), np.int64), np.array([[-1e3, 0], [1e4, 0]], np.float32)))
    assert beyond[:, 0].tolist() == [0, BINS - 1]


@pytest.mark.parametrize("law", [stats.expon(), stats.norm()], ids=["exponential", "normal"])
def test_bins_and_densities_together_are_the_density(law) -> None:
    bins = fitted(law.rvs(200_000, random_state=0))
    there = law.ppf(np.linspace(0.02, 0.98, 100))
    surprise = added(bins, rows_of(there)) + np.log(BINS) + bins.usual[0]
    apart = np.abs(surprise + law.logpdf(there))
    assert apart.mean() < 0.25  # bins are steps
    assert apart.max() < 1.0


def test_the_tail_falls_as_scipys_pareto() -> None:
    values = stats.norm().rvs(5000, random_state=1)
    bins = fitted(values)
    far = np.array([3.0, 10.0, 100.0, 1000.0])
    border = np.sort(values)[4749:4751].mean()
    law = stats.genpareto(0.5, loc=border, scale=bins.tails[0, 1])
    assert law.median() == pytest.approx(np.median(values[values > border]), rel=1e-3)
    surprise = added(bins, rows_of(far))
    expected = -law.logpdf(far)
    assert np.allclose(surprise + bins.usual[0], expected, rtol=1e-3)
    assert np.allclose(added(bins, rows_of(-far)), added(bins, rows_of(far)), rtol=0.1)


def test_the_usual_number_adds_nothing_and_the_unit_does_not_matter() -> None:
    values = np.random.default_rng(2).normal(size=50_000)
    surprise = added(fitted(values), rows_of(values))
    assert surprise.mean() == pytest.approx(0, abs=1e-6)
    assert np.allclose(added(fitted(1000 * values), rows_of(1000 * values)), surprise, atol=1e-3)


def test_frequent_and_missing_values_add_nothing() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random(5000) < 0.6, 0.0, rng.exponential(size=5000))
    missing = rng.random(5000) < 0.1
    bins = fitted(values, missing)
    surprise = added(bins, rows_of(values, missing))
    assert not surprise[missing].any()
    assert not surprise[(values == 0) & ~missing].any()
    others = surprise[(values > 0) & ~missing]
    assert others.mean() == pytest.approx(0, abs=1e-6)
    assert added(bins, rows_of(np.array([50.0])))[0] > others.max()
    assert added(bins, rows_of(np.array([-2.0])))[0] > added(bins, rows_of(np.array([-1.0])))[0]


def test_a_value_between_the_few_that_occur_is_odd() -> None:
    bins = fitted(np.repeat([1.0, 2.0, 3.0], 100))
    assert added(bins, rows_of(np.array([1.0, 2.0, 2.5])))[:2].tolist() == [0, 0]
    assert added(bins, rows_of(np.array([2.5])))[0] == pytest.approx(np.log(301))


def test_a_constant_column_and_one_that_is_missing_throughout_are_finite() -> None:
    for bins in (fitted(np.ones(20)), fitted(np.zeros(20), np.ones(20, bool))):
        assert np.isfinite(added(bins, rows_of(np.array([-1e6, 0, 1, 1e6])))).all()


def test_categories_are_left_alone() -> None:
    rows = Encoded(np.array([[3, 1], [2, 0]]), np.empty((2, 0), np.float32))
    bins = NumberBins.fit(rows, np.empty(0, int))
    assert bins.surprise(rows, bins.codes(rows)).shape == (2, 0)
    assert np.array_equal(bins.codes(rows), rows.codes)


@pytest.mark.parametrize("categories", [False, True])
def test_single_numbers_far_out_are_found(categories: bool) -> None:
    """One cell at five standard deviations: nothing is easier, and counting bins alone does not see it."""
    rng = np.random.default_rng(0)

    def table(n: int) -> pd.DataFrame:
        found = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
        return found.assign(k=rng.choice(["x", "y", "z"], n)) if categories else found

    train, usual, odd = table(1000), table(500), table(100)
    for row, column in enumerate(rng.integers(0, 3, len(odd))):
        odd.iloc[row, column] = rng.choice([-5, 5])
    detector = GumbelScoreDetector(random_state=0).fit(train)
    scores = -detector.score_samples(pd.concat([usual, odd], ignore_index=True))
    assert roc_auc_score(np.arange(600) >= 500, scores) > 0.99
