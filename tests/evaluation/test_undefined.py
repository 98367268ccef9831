"""Reasons for figures without a value: there whenever a figure is missing, and true."""

import numpy as np
import pytest

from evaluation.ranking.comparison import DiceComparison
from evaluation.ranking.judging import Quality, judge, measures
from evaluation.ranking.undefined import few_failures, undefined_figures, undefined_notes


def quality(dice: list[float]) -> Quality:
    values = np.array(dice)
    return Quality(values, 1 - values, 2 - 2 * values, np.arange(len(dice), dtype=float)[:, None])


@pytest.mark.parametrize(
    ("scores", "dice", "key", "why"),
    [
        ([0.1, 0.2, 0.3], [0.9, 0.8, 0.7], "auroc", "no image has a Dice below 0.5 (the lowest is 0.700)"),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], "auroc", "all images have a Dice below 0.5 (the highest is 0.300)"),
        ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "auroc_decile", "Dice is 1.000 for all images"),
        ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "pearson_dice", "Dice is 1.000 for all images"),
        ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0], "pearson_msd", "MSD is 0.000 for all images"),
        ([0.2, 0.2, 0.2], [0.9, 0.4, 0.7], "spearman", "the score is the same for all images"),
        ([0.1, 0.3, 0.2], [0.9, 0.4, 0.4], "pearson_dice_top", "among the 2 highest scores, Dice is 0.400 for all"),
        ([np.nan] * 3, [0.9, 0.4, 0.7], "aurc", "no image has a score"),
        ([0.1, 0.2, 0.3], [0.9, 0.4, 0.4], "partial_spearman", "nothing of the score or of Dice is left"),
    ],
)
def test_the_reason_is_the_right_one(scores: list[float], dice: list[float], key: str, why: str) -> None:
    methods = {"trial": np.array([0.3, 0.1, 0.2]), "other": np.array(scores)}
    rows = judge(methods, quality(dice), "trial", top=2, resamples=3)
    found = undefined_figures(rows, methods, quality(dice), top=2)
    assert why in found[key]["other"]


@pytest.mark.parametrize("seed", range(30))
def test_every_missing_figure_has_a_reason_and_no_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dice = rng.choice([0.0, 0.4, 0.6, 1.0], rng.integers(1, 6), p=[0.2, 0.2, 0.2, 0.4])
    methods = {"trial": rng.integers(0, 3, len(dice)) / 2, "other": np.where(rng.random(len(dice)) < 0.3, np.nan, 0.5)}
    rows = judge(methods, quality(list(dice)), "trial", top=3, resamples=5)
    found = undefined_figures(rows, methods, quality(list(dice)), top=3)
    for measure in measures(3):
        for row in rows:
            missing = row[measure.key] is None
            assert (row["method"] in found.get(measure.key, {})) == missing
            interval = not missing and row[f"{measure.key}_low"] is None
            assert (row["method"] in found.get(f"{measure.key}_low", {})) == interval


def test_a_reason_that_all_methods_share_names_none() -> None:
    found = {"auroc": {"a": "no image fails", "b": "no image fails"}, "spearman": {"b": "the score is the same"}}
    assert undefined_notes(found, 2, 3, 0.4) == [
        "No Spearman with Dice (b): the score is the same.",
        "No AUROC of Dice < 0.4: no image fails.",
    ]


def test_the_comparison_of_an_audit_says_why() -> None:
    found = DiceComparison(top=2).judge([0.1, 0.2, 0.3], [0.9, 0.8, 0.8])
    assert found["auroc_failure"] is None
    assert found["undefined"] == {
        "auroc_failure": "no image has a Dice below 0.5 (the lowest is 0.800)",
        "pearson_of_top": "among the 2 highest scores, Dice is 0.800 for all images",
    }
    assert "undefined" not in DiceComparison(top=3).judge([0.1, 0.2, 0.3], [0.9, 0.8, 0.1])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (3, 20, "Only 3 of 23 images have a Dice below 0.5"),
        (20, 3, "Only 3 of 23 images do not"),
        (10, 10, ""),
        (0, 5, ""),
    ],
)
def test_few_failures_are_said(low: int, high: int, said: str) -> None:
    found = few_failures(np.array([0.2] * low + [0.9] * high), 0.5)
    assert found.startswith(said)
    assert bool(found) == bool(said)
