"""Means over seeds, against the judgement of each seed alone."""

import numpy as np
import pytest

from evaluation.ranking.judging import Quality, judge
from evaluation.ranking.seeds import judge_seeds

KEYS = ("spearman", "auroc", "dice_top")


def study(n: int = 80) -> tuple[Quality, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    dice = rng.random(n)
    quality = Quality(dice, rng.random(n), rng.random(n), rng.random((n, 4)))
    return quality, -dice[:, None] + 0.3 * rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


def test_the_mean_is_that_of_the_seeds_and_each_is_as_if_judged_alone():
    quality, good, poor = study()
    found = judge_seeds({"good": good, "poor": poor}, quality, "good", KEYS, resamples=50)
    for place in range(3):
        (alone,) = judge({"one": good[:, place]}, quality, "one", resamples=2)
        assert [found["good"][key].by_seed[place] for key in KEYS] == pytest.approx([alone[key] for key in KEYS])
    for key in KEYS:
        one = found["good"][key]
        assert one.mean.estimate == pytest.approx(np.mean(one.by_seed))
        assert one.mean.low < one.mean.estimate < one.mean.high
        assert one.difference is None


def test_a_single_seed_has_the_interval_and_the_difference_of_the_plain_table():
    quality, good, poor = study()
    found = judge_seeds({"good": good[:, :1], "poor": poor[:, :1]}, quality, "good", KEYS, resamples=50)
    rows = judge({"good": good[:, 0], "poor": poor[:, 0]}, quality, "good", resamples=50)
    for name, row in zip(("good", "poor"), rows, strict=True):
        for key in KEYS:
            mean = found[name][key].mean
            assert (mean.estimate, mean.low, mean.high) == pytest.approx(
                (row[key], row[f"{key}_low"], row[f"{key}_high"])
            )
    difference = found["poor"]["spearman"].difference
    assert (difference.estimate, difference.low, difference.high) == pytest.approx(
        tuple(rows[1][f"spearman_difference{end}"] for end in ("", "_low", "_high"))
    )


def test_seeds_that_agree_leave_no_more_doubt_than_one():
    quality, good, _ = study()
    one = judge_seeds({"a": good[:, :1]}, quality, "a", ["spearman"], resamples=50)["a"]["spearman"].mean
    same = judge_seeds({"a": np.repeat(good[:, :1], 3, axis=1)}, quality, "a", ["spearman"], resamples=50)["a"][
        "spearman"
    ].mean
    assert (same.low, same.high) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize(
    ("scores", "trial", "keys", "words"),
    [
        ({"a": np.zeros((80, 2))}, "b", ["spearman"], "on trial"),
        ({"a": np.zeros((80, 2))}, "a", ["speerman"], "speerman"),
        ({"a": np.zeros(80)}, "a", ["spearman"], r"\[80, seeds\]"),
        ({"a": np.zeros((79, 2))}, "a", ["spearman"], r"\[80, seeds\]"),
        ({"a": np.full((80, 2), np.nan)}, "a", ["spearman"], "not finite"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores, trial, keys, words):
    with pytest.raises(ValueError, match=words):
        judge_seeds(scores, study()[0], trial, keys)
