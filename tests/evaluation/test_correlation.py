"""evaluation.ranking.correlation against scipy and scikit-learn, and the bootstrap against what it must cover."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from evaluation.ranking.correlation import (
    bootstrap_interval,
    paired_difference,
    partial_spearman,
    pearson,
    pearson_of_top,
    spearman,
    usual_resamples,
)


def sample(seed: int = 0, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    area = rng.random((n, 3))
    x = area[:, 0] + 0.4 * rng.standard_normal(n)
    return np.round(x, 1), np.round(area[:, 0] * 2 + area[:, 1] + rng.standard_normal(n), 1), area


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_scipy_with_ties(seed: int) -> None:
    x, y, _ = sample(seed)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0])
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0])


def test_partial_equals_residuals_of_a_regression_on_ranks() -> None:
    x, y, area = sample()
    ranks = np.column_stack([stats.rankdata(column) for column in (x, y, *area.T)])
    rest = [t - LinearRegression().fit(ranks[:, 2:], t).predict(ranks[:, 2:]) for t in (ranks[:, 0], ranks[:, 1])]
    assert partial_spearman(x, y, area) == pytest.approx(stats.pearsonr(*rest)[0])


def test_partial_with_one_covariate_follows_the_textbook_formula() -> None:
    x, y, area = sample()
    a = area[:, 0]
    xy, xa, ya = (stats.spearmanr(*pair)[0] for pair in ((x, y), (x, a), (y, a)))
    assert partial_spearman(x, y, a) == pytest.approx((xy - xa * ya) / np.sqrt((1 - xa**2) * (1 - ya**2)))


def test_partial_survives_collinear_and_constant_covariates() -> None:
    x, y, area = sample()
    wide = np.column_stack([area, area[:, 0], np.ones(len(x))])
    assert partial_spearman(x, y, wide) == pytest.approx(partial_spearman(x, y, area))


def test_a_score_that_is_a_covariate_has_nothing_left() -> None:
    _, y, area = sample()
    assert np.isnan(partial_spearman(np.exp(area[:, 0]), y, area))


def test_pearson_of_top_is_pearson_of_the_k_highest() -> None:
    rng = np.random.default_rng(4)
    scores, y = rng.standard_normal((2, 90))
    top = np.argsort(-scores)[:50]
    assert pearson_of_top(scores, y) == pytest.approx(stats.pearsonr(scores[top], y[top])[0])
    assert pearson_of_top(scores, y, 500) == pytest.approx(stats.pearsonr(scores, y)[0])


def test_pearson_of_top_shares_ties_at_the_cut() -> None:
    scores, y = np.array([3.0, 2.0, 1.0, 1.0, 0.0]), np.array([0.1, 0.5, 0.2, 0.8, 0.9])
    # moments of the two possible choices pooled: the tied pair enters with weight 1/2 each
    pooled = [0, 0, 1, 1, 2, 3]
    assert pearson_of_top(scores, y, 3) == pytest.approx(stats.pearsonr(scores[pooled], y[pooled])[0])
    swapped = [0, 1, 3, 2, 4]
    assert pearson_of_top(scores[swapped], y[swapped], 3) == pytest.approx(pearson_of_top(scores, y, 3))


def test_constant_or_too_short_is_undefined() -> None:
    line = np.arange(4.0)
    for function in (pearson, spearman, pearson_of_top):
        assert np.isnan(function(line, np.ones(4)))
        assert np.isnan(function(np.ones(4), line))
        assert np.isnan(function(line[:1], line[:1]))
        assert np.isnan(function(line[:0], line[:0]))
    assert np.isnan(partial_spearman(line[:0], line[:0], line[:0]))


def test_order_of_rows_changes_no_bit() -> None:
    x, y, area = sample()
    p = np.random.default_rng(10).permutation(len(x))
    for function in (pearson, spearman, pearson_of_top):
        assert function(x[p], y[p]) == function(x, y)
    assert partial_spearman(x[p], y[p], area[p]) == partial_spearman(x, y, area)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_interval_equals_scipy_bootstrap_up_to_the_draws(method: str) -> None:
    rng = np.random.default_rng(5)
    skewed = rng.exponential(size=60)
    mine = bootstrap_interval(np.mean, skewed, resamples=4000, method=method)
    theirs = stats.bootstrap(
        (skewed,), np.mean, n_resamples=4000, method=method, rng=np.random.default_rng(1)
    ).confidence_interval
    assert mine.estimate == pytest.approx(skewed.mean())
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_bca_moves_the_interval_of_a_skewed_statistic_upwards() -> None:
    skewed = np.random.default_rng(6).exponential(size=40)
    plain, corrected = (bootstrap_interval(np.mean, skewed, resamples=2000, method=m) for m in ("percentile", "bca"))
    assert corrected.low > plain.low
    assert corrected.high > plain.high


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_interval_depends_on_seed_but_not_on_the_order_of_rows(method: str) -> None:
    x, y, _ = sample()
    p = np.random.default_rng(7).permutation(len(x))
    first = bootstrap_interval(spearman, x, y, resamples=200, method=method)
    assert bootstrap_interval(spearman, x[p], y[p], resamples=200, method=method) == first
    assert bootstrap_interval(spearman, x, y, resamples=200, method=method, seed=1) != first
    assert first.low < first.estimate < first.high


def test_columns_of_covariates_are_resampled_with_their_rows() -> None:
    x, y, area = sample()
    result = bootstrap_interval(partial_spearman, x, y, area, resamples=100)
    assert result.estimate == pytest.approx(partial_spearman(x, y, area))
    assert result.low < result.estimate < result.high


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(60):
        data = np.random.default_rng([8, seed]).normal(size=50)
        interval = bootstrap_interval(np.mean, data, resamples=200, seed=seed)
        hits += interval.low <= 0 <= interval.high
    assert 48 <= hits <= 60


def test_paired_difference_is_narrower_than_the_unpaired_one() -> None:
    rng = np.random.default_rng(9)
    dice = rng.random(100)
    good = -dice + 0.3 * rng.standard_normal(100)
    nearly = good + 0.02 * rng.standard_normal(100)
    difference = paired_difference(spearman, good, nearly, dice, resamples=300)
    single = bootstrap_interval(spearman, good, dice, resamples=300)
    assert difference.estimate == pytest.approx(spearman(good, dice) - spearman(nearly, dice))
    assert difference.high - difference.low < 0.5 * (single.high - single.low)
    same = paired_difference(spearman, good, good, dice, resamples=50)
    assert (same.estimate, same.low, same.high) == (0.0, 0.0, 0.0)


def test_undefined_resamples_are_counted_and_left_out() -> None:
    # one of three items differs: (2/3)^3 of the resamples do not contain it
    x, y = np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0])
    result = bootstrap_interval(pearson, x, y, resamples=400)
    assert 80 < result.undefined < 200
    assert (result.estimate, result.low, result.high) == pytest.approx((1.0, 1.0, 1.0))
    constant = bootstrap_interval(pearson, x, np.ones(3), resamples=10)
    assert constant.undefined == 10
    assert np.isnan([constant.estimate, constant.low, constant.high]).all()


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        pearson(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        spearman(np.array([0.0, np.inf]), np.zeros(2))
    with pytest.raises(ValueError, match="one length"):
        bootstrap_interval(pearson, np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="`method`"):
        bootstrap_interval(np.mean, np.zeros(2), method="basic")
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval(np.mean, np.zeros(2), level=95)


def test_many_images_get_fewer_resamples_and_never_less_than_two_hundred() -> None:
    assert [usual_resamples(images) for images in (0, 241, 10_000, 20_000, 50_000, 10**7)] == [
        1000, 1000, 1000, 500, 200, 200,
    ]  # fmt: skip


def test_two_hundred_resamples_of_many_images_blur_an_interval_by_a_fraction_of_its_width() -> None:
    x, noise = np.random.default_rng(0).standard_normal((2, 20_000))
    few, many = (bootstrap_interval(pearson, x, x + noise, resamples=n) for n in (200, 1000))
    width = many.high - many.low
    assert width < 0.02
    assert abs(few.low - many.low) < 0.25 * width
    assert abs(few.high - many.high) < 0.25 * width
