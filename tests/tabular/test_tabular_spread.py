"""Densities of numbers within their bins, against SciPy's distributions, and what they are for: numbers far out are
found.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from segqc.tabular import GumbelScoreDetector
from segqc.tabular.counting.bins import BINS, NumberBins
from segqc.tabular.counting.tails import NumberSpread
from segqc.tabular.encoding import Encoded


def rows_of(values: np.ndarray, missing: np.ndarray | None = None) -> Encoded:
    """One continuous column."""
    gone = np.zeros(len(values), bool) if missing is None else missing
    return Encoded(gone.astype(np.int64)[:, None], np.where(gone, 0, values).astype(np.float32)[:, None])


def added(spread: NumberSpread, rows: Encoded) -> np.ndarray:
    """To the one number of each row."""
    return spread.surprise(rows, spread.bins.codes(rows))[:, 0]


def fitted(values: np.ndarray, missing: np.ndarray | None = None) -> NumberSpread:
    rows = rows_of(values, missing)
    return NumberSpread.fit(rows, NumberBins.fit(rows, np.array([0])))


@pytest.mark.parametrize(
    ("law", "shape"),
    [(stats.expon(), 0.0), (stats.norm(), 0.0), (stats.genpareto(0.25), 0.25)],
    ids=["exponential", "normal", "heavy"],
)
def test_bins_and_spread_together_are_the_density(law, shape) -> None:
    values = law.rvs(200_000, random_state=0)
    spread = fitted(values)
    assert spread.shape[0, 1] == pytest.approx(shape, abs=0.1)
    there = law.ppf(np.linspace(0.02, 0.995, 100))
    surprise = added(spread, rows_of(there)) + np.log(BINS) + spread.usual[0]
    apart = np.abs(surprise + law.logpdf(there))
    assert apart.mean() < 0.25  # bins are steps
    assert apart.max() < 1.0


def test_the_tail_is_scipys_pareto() -> None:
    assert fitted(stats.genpareto(1.5).rvs(5000, random_state=1)).shape[0, 1] == pytest.approx(0.5, abs=0.01)
    spread = fitted(stats.genpareto(0.3).rvs(5000, random_state=1))
    far = np.array([10.0, 100.0, 1000.0])
    law = stats.genpareto(spread.shape[0, 1], loc=spread.bins.edges[0, -1], scale=spread.scale[0, 1])
    assert np.allclose(added(spread, rows_of(far)) + spread.usual[0], -law.logpdf(far.astype(np.float32)))


def test_means_of_the_outcomes_are_those_of_the_rows_and_the_unit_does_not_matter() -> None:
    values = np.random.default_rng(2).normal(size=50_000)
    spread = fitted(values)
    rows = rows_of(values)
    codes, surprise = spread.bins.codes(rows)[:, 0], added(spread, rows)
    assert surprise.mean() == pytest.approx(0, abs=1e-9)
    means = [surprise[codes == code].mean() for code in range(BINS)]
    assert np.allclose(spread.outcomes()[0, :BINS], means, atol=0.02)
    assert np.allclose(added(fitted(1000 * values), rows_of(1000 * values)), surprise, atol=1e-3)
    assert np.array_equal(spread.added(np.array([BINS + 2])), spread.outcomes()[0])


def test_frequent_and_missing_values_add_nothing() -> None:
    rng = np.random.default_rng(3)
    values = np.where(rng.random(5000) < 0.6, 0.0, rng.exponential(size=5000))
    missing = rng.random(5000) < 0.1
    spread = fitted(values, missing)
    surprise = added(spread, rows_of(values, missing))
    assert not surprise[missing].any()
    assert not surprise[(values == 0) & ~missing].any()
    others = surprise[(values > 0) & ~missing]
    assert others.mean() == pytest.approx(0, abs=1e-6)
    assert added(spread, rows_of(np.array([50.0])))[0] > others.max()
    assert added(spread, rows_of(np.array([-2.0])))[0] > added(spread, rows_of(np.array([-1.0])))[0]


def test_a_constant_column_and_one_that_is_missing_throughout_are_finite() -> None:
    for spread in (fitted(np.ones(20)), fitted(np.zeros(20), np.ones(20, bool))):
        assert np.isfinite(added(spread, rows_of(np.array([-1e9, 0, 1, 1e9])))).all()
        assert np.isfinite(spread.outcomes()).all()


def test_categories_are_left_alone() -> None:
    rows = Encoded(np.array([[3, 1], [2, 0]]), np.empty((2, 0), np.float32))
    spread = NumberSpread.fit(rows, NumberBins.fit(rows, np.empty(0, int)))
    assert spread.surprise(rows, spread.bins.codes(rows)).shape == (2, 0)
    assert not spread.added(np.array([5, 4])).any()


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
    detector = GumbelScoreDetector(steps=50, random_state=0).fit(train)
    scores = -detector.score_samples(pd.concat([usual, odd], ignore_index=True))
    assert roc_auc_score(np.arange(600) >= 500, scores) > 0.99
