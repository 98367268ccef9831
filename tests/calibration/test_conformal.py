"""Conformal p-values, false discovery rate and intervals: exact where they can be, and by simulation what they promise
on average.
"""

import numpy as np
import pytest
from scipy import stats

from segqc.calibration.conformal import DiceCurve, benjamini_hochberg, conformal_p_values, fit_dice_curve


def within(mean: float, values: np.ndarray) -> float:
    """Three standard errors of a mean over resamples: by how far chance may take it."""
    return 3 * float(np.std(values)) / len(values) ** 0.5


def test_a_p_value_counts_the_accepted_that_score_at_least_as_high_and_the_new_one():
    accepted = np.array([0.1, 0.2, 0.2, 0.4])
    np.testing.assert_allclose(
        conformal_p_values([0.05, 0.1, 0.2, 0.3, 0.4, 0.5], accepted), np.array([5, 5, 4, 2, 2, 1]) / 5
    )


@pytest.mark.parametrize(("scores", "accepted"), [([0.1], []), ([np.nan], [0.1]), ([0.1], [np.inf])])
def test_p_values_of_nothing_are_refused(scores, accepted):
    with pytest.raises(ValueError, match="finite scores"):
        conformal_p_values(scores, accepted)


def test_flagging_follows_benjamini_and_hochbergs_steps():
    p = np.array([0.041, 0.001, 0.039, 0.9, 0.008, 0.06])
    ordered = np.sort(p)
    rank = max(k for k in range(1, 7) if ordered[k - 1] <= 0.1 * k / 6)
    np.testing.assert_array_equal(benjamini_hochberg(p, 0.1), p <= ordered[rank - 1])
    assert benjamini_hochberg([], 0.1).shape == (0,)
    assert not benjamini_hochberg([0.2, 0.5], 0.1).any()


def false_discovery_proportions(decimals: int | None, accepted_shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Share of fine ones among the flagged, and share of bad ones found, in 200 batches of 80 fine and 20 bad, 150
    accepted each.
    """
    rng = np.random.default_rng(0)
    proportions, found = [], []
    for _ in range(200):
        accepted = np.sort(rng.normal(accepted_shift, 1, 150))
        batch = np.concatenate([rng.normal(0, 1, 80), rng.normal(3, 1, 20)])
        if decimals is not None:
            accepted, batch = accepted.round(decimals), batch.round(decimals)
        flagged = benjamini_hochberg(conformal_p_values(batch, accepted), 0.1)
        proportions.append(flagged[:80].sum() / max(1, flagged.sum()))
        found.append(flagged[80:].mean())
    return np.array(proportions), np.array(found)


@pytest.mark.parametrize("decimals", [None, 0], ids=["continuous", "many ties"])
def test_of_what_is_flagged_at_most_a_tenth_is_fine(decimals):
    proportions, found = false_discovery_proportions(decimals)
    assert proportions.mean() <= 0.1 + within(0.1, proportions)
    assert found.mean() > 0.3, "a test that never flags would pass, too"


def test_scores_of_true_masks_in_the_place_of_accepted_predictions_flag_too_much():
    # True masks score lower than good predictions, which are smoother and lack the void rim: here by one standard
    # deviation.
    proportions, _ = false_discovery_proportions(None, accepted_shift=-1.0)
    assert proportions.mean() > 0.3


def labelled_pairs(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and a Dice that falls with them and scatters most in the middle."""
    scores = rng.random(count)
    return scores, np.clip(1 - scores**2 + rng.normal(0, 1, count) * (0.03 + 0.6 * scores * (1 - scores)), 0, 1)


def test_intervals_cover_as_often_as_they_say_and_are_narrow_where_the_score_is_sure():
    rng = np.random.default_rng(1)
    coverages, widths = [], []
    for seed in range(200):
        curve = fit_dice_curve(*labelled_pairs(120, rng), coverage=0.9, seed=seed)
        scores, dice = labelled_pairs(300, rng)
        low, high = curve.interval(scores)
        coverages.append(((low <= dice) & (dice <= high)).mean())
        widths.append([(high - low)[scores < 0.1].mean(), (high - low)[(scores > 0.4) & (scores < 0.6)].mean()])
    mean, chance = np.mean(coverages), within(0.9, np.array(coverages))
    # Split conformal covers with at least 90 % and, without ties, at most 1/61 more; clipping at 0 and 1 makes ties,
    # which can only add.
    assert 0.9 - chance <= mean <= 0.9 + 1 / 61 + chance
    sure, unsure = np.mean(widths, axis=0)
    assert sure < 0.5 * unsure


def test_the_curve_falls_and_is_close_to_the_mean():
    curve = fit_dice_curve(*labelled_pairs(4000, np.random.default_rng(2)))
    grid = np.linspace(0, 1, 101)
    assert (np.diff(curve.expected(grid)) <= 0).all()
    clipped = [labelled_pairs(20000, np.random.default_rng(3))]
    scores, dice = clipped[0]
    for low in (0.2, 0.5, 0.8):
        here = (scores > low - 0.02) & (scores < low + 0.02)
        assert curve.expected(np.array(low)) == pytest.approx(dice[here].mean(), abs=0.03)


def test_the_interval_is_that_of_crepes():
    crepes = pytest.importorskip("crepes", reason="crepes is not installed")
    scores, dice = labelled_pairs(101, np.random.default_rng(4))
    curve = fit_dice_curve(scores, dice, coverage=0.8, seed=5)
    held_out = np.random.default_rng(5).permutation(101)[50:]
    spread = np.interp(scores[held_out], curve.centres, curve.spreads)
    reference = crepes.ConformalRegressor().fit(dice[held_out] - curve.expected(scores[held_out]), sigmas=spread)
    new = np.linspace(0, 1, 17)
    expected = reference.predict_int(
        curve.expected(new), sigmas=np.interp(new, curve.centres, curve.spreads), confidence=0.8, y_min=0, y_max=1
    )
    np.testing.assert_allclose(np.stack(curve.interval(new), 1), expected, atol=1e-12)


def test_too_few_held_out_pairs_give_no_width_but_the_whole_range():
    scores, dice = labelled_pairs(20, np.random.default_rng(0))
    curve = fit_dice_curve(scores, dice, coverage=0.95)  # needs 19 held-out pairs
    assert curve.quantile is None
    assert [float(end) for end in curve.interval(np.array(0.5))] == [0, 1]
    assert fit_dice_curve(scores, dice, coverage=0.9).quantile is not None  # 10 of 10


def test_what_no_curve_can_be_fitted_to_is_refused():
    with pytest.raises(ValueError, match="at least 20 labelled pairs"):
        fit_dice_curve(np.zeros(19), np.zeros(19))
    for scores, dice in (
        (np.full(30, np.nan), np.zeros(30)),
        (np.zeros(30), np.full(30, 1.1)),
        (np.zeros(30), np.full(30, np.nan)),
    ):
        with pytest.raises(ValueError, match=r"Dice in \[0, 1\]"):
            fit_dice_curve(scores, dice)
    for knots, values in (((), ()), ((0.0, 1.0), (1.0,)), ((1.0, 0.0), (0.0, 1.0)), ((0.0, np.nan), (0.0, 1.0))):
        with pytest.raises(ValueError, match="Dice curve"):
            DiceCurve(knots, values, (0.0,), (0.1,), 1.0, 0.9, 10, 10)


def test_a_constant_score_gives_the_mean_dice():
    rng = np.random.default_rng(0)
    curve = fit_dice_curve(np.zeros(200), rng.random(200))
    assert curve.expected(np.array(0.0)) == pytest.approx(0.5, abs=0.1)
    assert stats.uniform.cdf(curve.interval(np.array(0.0))[1]) > 0.85
