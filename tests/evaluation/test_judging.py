"""The table of a comparison, against scipy, scikit-learn and loops."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.ranking.judging import DIFFERENCES, Quality, best_methods, judge, judge_empty, measures, table_columns


def study(n: int = 60, seed: int = 0) -> tuple[Quality, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    dice = rng.uniform(0, 1, n)
    quality = Quality(
        dice,
        30 * (1 - dice) + rng.normal(0, 3, n) ** 2,
        90 * (1 - dice) + rng.normal(0, 9, n) ** 2,
        rng.uniform(0, 1, (n, 4)),
    )
    return quality, {
        "good": 1 - dice + rng.normal(0, 0.2, n),
        "blind": rng.uniform(0, 1, n),
        "coarse": np.round(3 * (1 - dice)),
    }


def test_every_measure_is_that_of_a_reference() -> None:
    quality, scores = study()
    row = judge(scores, quality, "good", top=10, resamples=20)[0]
    score, dice = scores["good"], quality.dice
    worst = np.argsort(-score)[:10]
    for name in ("dice", "msd", "hd95"):
        column = getattr(quality, name)
        assert row[f"pearson_{name}"] == pytest.approx(stats.pearsonr(score, column).statistic)
        assert row[f"pearson_{name}_top"] == pytest.approx(stats.pearsonr(score[worst], column[worst]).statistic)
    assert row["spearman"] == pytest.approx(stats.spearmanr(score, dice).statistic)
    assert row["auroc"] == pytest.approx(roc_auc_score(dice < 0.5, score))
    assert row["ap"] == pytest.approx(average_precision_score(dice < 0.5, score))
    decile = dice <= np.sort(dice)[5]
    assert row["auroc_decile"] == pytest.approx(roc_auc_score(decile, score))
    assert row["ap_decile"] == pytest.approx(average_precision_score(decile, score))
    assert row["precision_top"] == pytest.approx(np.mean(dice[worst] < 0.5))
    assert row["dice_top"] == pytest.approx(dice[worst].mean())
    order = np.argsort(score)
    risks = np.cumsum(1 - dice[order]) / np.arange(1, 61)
    assert row["aurc"] == pytest.approx(risks.mean())
    best = np.cumsum(np.sort(1 - dice)) / np.arange(1, 61)
    assert row["e_aurc"] == pytest.approx(risks.mean() - best.mean())
    generalized = np.concatenate([[0], risks * np.arange(1, 61) / 60])
    assert row["augrc"] == pytest.approx(np.trapezoid(generalized, dx=1 / 60))


def test_differences_are_this_method_less_the_one_on_trial_on_the_same_images() -> None:
    quality, scores = study()
    good, blind, _ = judge(scores, quality, "good", resamples=200)
    assert not any("difference" in key for key in good)
    for key in DIFFERENCES:
        assert blind[f"{key}_difference"] == pytest.approx(blind[key] - good[key])
        assert blind[f"{key}_difference_low"] <= blind[f"{key}_difference"] <= blind[f"{key}_difference_high"]
    assert blind["spearman_difference_low"] > 0  # the paired interval sees that a random score is worse
    scores["good"], scores["twin"] = scores["good"], scores["good"].copy()
    twin = judge(scores, quality, "good", resamples=50)[-1]
    assert all(twin[f"{key}_difference{end}"] == 0 for key in DIFFERENCES for end in ("", "_low", "_high"))


@pytest.mark.parametrize("seed", range(3))
def test_neither_order_nor_ties_change_a_number(seed: int) -> None:
    quality, scores = study(40, seed)
    quality.dice[:6] = quality.dice[0]
    order = np.random.default_rng(seed + 9).permutation(40)
    shuffled = Quality(*(getattr(quality, name)[order] for name in ("dice", "msd", "hd95", "covariates")))
    assert judge(scores, quality, "good", 7, resamples=30) == judge(
        {k: v[order] for k, v in scores.items()}, shuffled, "good", 7, resamples=30
    )


def test_missing_scores_are_counted_and_compared_on_what_both_have() -> None:
    quality, scores = study()
    scores["partial"] = np.where(np.arange(60) < 45, scores["blind"], np.nan)
    scores["none"] = np.full(60, np.nan)
    rows = {row["method"]: row for row in judge(scores, quality, "good", resamples=20)}
    assert (rows["partial"]["images"], rows["none"]["images"], rows["good"]["images"]) == (45, 0, 60)
    expected = (
        stats.spearmanr(scores["blind"][:45], quality.dice[:45]).statistic
        - stats.spearmanr(scores["good"][:45], quality.dice[:45]).statistic
    )
    assert rows["partial"]["spearman_difference"] == pytest.approx(expected)
    assert all(value is None for key, value in rows["none"].items() if key not in ("method", "images"))


def test_no_failures_leaves_detection_undefined_not_wrong() -> None:
    quality, scores = study()
    fine = Quality(0.5 + quality.dice / 2, quality.msd, quality.hd95, quality.covariates)
    row = judge(scores, fine, "good", resamples=10)[0]
    assert row["auroc"] is None
    assert row["ap"] is None
    assert row["auroc_decile"] is not None


def test_columns_and_best() -> None:
    quality, scores = study()
    rows = judge(scores, quality, "good", resamples=5)
    assert all(set(row) <= set(table_columns()) for row in rows)
    by_key = {measure.key: measure for measure in measures()}
    assert next(iter(by_key)) == "pearson_dice"  # the paper's headline first
    assert best_methods(rows, by_key["spearman"]) == {min(rows, key=lambda row: row["spearman"])["method"]}
    assert best_methods(rows, by_key["auroc"]) == {max(rows, key=lambda row: row["auroc"])["method"]}
    assert best_methods(rows, by_key["pearson_dice_top"]) == set()  # range-restricted: no best
    assert best_methods(rows, by_key["spearman"], ["good"]) == {"coarse"}


@pytest.mark.parametrize("bad", ["length", "infinite", "trial", "missing"])
def test_refused(bad: str) -> None:
    quality, scores = study()
    trial = "nobody" if bad == "trial" else "good"
    if bad == "length":
        scores["blind"] = scores["blind"][:-1]
    elif bad == "infinite":
        scores["blind"][3] = np.inf
    elif bad == "missing":
        scores["good"][3] = np.nan
    with pytest.raises(ValueError, match="Expected"):
        judge(scores, quality, trial, resamples=2)


def test_empty_predictions_are_held_against_the_others() -> None:
    # the last is right to be empty
    empty, dice = np.array([True, True, False, False, True]), np.array([0.0, 0.0, 0.9, 0.4, 1.0])
    scores = {
        "sees them": np.array([5.0, 4.0, 1.0, 2.0, 0.0]),
        "takes them for perfect": np.array([0.0, 0.0, 1.0, 2.0, 3.0]),
        "cannot tell": np.ones(5),
        "has one of them": np.array([np.nan, 1.5, 1.0, 2.0, np.nan]),
        "has none of them": np.array([np.nan, np.nan, 1.0, 2.0, 3.0]),
        "has nothing": np.full(5, np.nan),
    }
    found = {row["method"]: (row["predictions"], row["share"]) for row in judge_empty(scores, empty, dice)}
    assert found == {
        "sees them": (2, 1.0), "takes them for perfect": (2, 0.0), "cannot tell": (2, 0.5),
        "has one of them": (1, 0.5), "has none of them": (0, None), "has nothing": (0, None),
    }  # fmt: skip
    assert judge_empty(scores, empty & (dice == 1), dice) == []
