"""The opening of an evaluation: counts by hand, and every answer that there can be."""

from collections.abc import Mapping

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.ranking.judging import Quality, judge
from evaluation.report.answer import Answer, make_answer

IMAGES = 100
DICE = np.where(np.arange(IMAGES) < 20, 0.2, 0.9) + np.arange(IMAGES) / 1e4
"""The first twenty are failures."""

GROUPS = {
    "trial": "on trial",
    "area": "mask",
    "classes": "mask",
    "entropy": "probabilities",
    "twin": "second opinion",
    "forest": "supervised",
}


def answer(scores: Mapping[str, np.ndarray], dice: np.ndarray = DICE, threshold: float = 0.5) -> Answer:
    quality = Quality(dice, 1 - dice, 1 - dice, np.arange(4.0 * len(dice)).reshape(-1, 4))
    rows = judge(scores, quality, "trial", 10, threshold, resamples=50)
    return make_answer(rows, GROUPS, scores, quality, threshold, resamples=50, seed=0)


def perfect(dice: np.ndarray = DICE) -> np.ndarray:
    return -dice


def noise(seed: int, size: int = IMAGES) -> np.ndarray:
    return np.random.default_rng(seed).random(size)


def test_failures_among_the_ranked_worst_are_counted_and_framed_by_a_random_and_a_perfect_order() -> None:
    half = np.where(np.arange(IMAGES) < 10, 2.0, np.where(np.arange(IMAGES) < 20, 0.0, 1.0))
    lines = {line["score"]: line for line in answer({"trial": perfect(), "area": half}).lines}
    found = [f"found in {share}" for share in ("5%", "10%", "20%")]
    assert [lines["trial"][key] for key in found] == ["5 of 20", "10 of 20", "20 of 20"]
    # Of the 10 that it takes after its own 10, all tied among 80, none is a failure.
    assert [lines["area"][key] for key in found] == ["5 of 20", "10 of 20", "10 of 20"]
    assert [lines["in random order"][key] for key in found] == ["1 of 20", "2 of 20", "4 of 20"]
    assert [lines["in perfect order"][key] for key in found] == ["5 of 20", "10 of 20", "20 of 20"]
    assert lines["area"]["AUROC"].startswith(f"{roc_auc_score(DICE < 0.5, half):.3f} ")
    assert lines["area"]["lead"].startswith(f"{1 - roc_auc_score(DICE < 0.5, half):+.3f} [+0.")


def test_of_each_group_the_best_is_shown_and_the_supervised_line_leads_no_sentence() -> None:
    scores = {"trial": perfect() + noise(0), "area": noise(1), "classes": perfect() + 0.8 * noise(2)}
    scores |= {"entropy": noise(3), "twin": perfect(), "forest": perfect()}
    found = answer(scores)
    assert [line["score"] for line in found.lines[:-2]] == ["trial", "classes", "entropy", "twin", "forest"]
    assert "of the mask or of softmax maps alone: classes, AUROC" in found.sentences[1]
    assert "The best of all others: twin, AUROC 1.000; the audit's score is worse (-0." in found.sentences[2]
    assert len(found.sentences) == 3


@pytest.mark.parametrize(
    ("trial", "begins"),
    [
        (perfect(), "Yes: the 10 of 100 images ranked worst hold 10 of the 20 failures (Dice < 0.5); 2 would be there"),
        (-perfect(), "No, the order is worse than a random one: "),
        (np.ones(IMAGES), "Not shown: the 10 of 100 images ranked worst hold 2 of the 20 failures"),
    ],
)
def test_the_first_sentence_answers(trial: np.ndarray, begins: str) -> None:
    assert answer({"trial": trial}).sentences[0].startswith(begins)


@pytest.mark.parametrize(("threshold", "which"), [(0.1, "none is below 0.1"), (1.0, "every one is below 1")])
def test_without_failures_the_worst_tenth_stands_in(threshold: float, which: str) -> None:
    sentence = answer({"trial": perfect()}, threshold=threshold).sentences[0]
    assert f"hold 10 of the 10 images that are the worst tenth by Dice ({which})" in sentence


def test_equal_quality_has_no_answer() -> None:
    found = answer({"trial": noise(0), "area": noise(1)}, np.full(IMAGES, 0.75))
    assert found == Answer(("No answer: Dice is 0.750 for all images.",), [])


def test_two_images_are_too_few_and_a_method_without_scores_is_no_best() -> None:
    scores = {"trial": np.array([0.9, 0.1, 0.2]), "area": np.full(3, np.nan), "twin": np.array([0.9, np.nan, np.nan])}
    found = answer(scores, np.array([0.1, 0.9, 0.8]))
    assert [line["score"] for line in found.lines] == ["trial", "in random order", "in perfect order"]
    assert found.lines[0]["found in 5%"] == "1 of 1"


def test_a_method_that_lacks_images_is_judged_on_those_it_has() -> None:
    some = np.where(np.arange(IMAGES) % 2, perfect(), np.nan)
    line = answer({"trial": perfect(), "twin": some}).lines[1]
    assert line["found in 10%"] == "5 of 10"
    assert line["lead"].startswith("+0.000 ")


def test_many_images_are_counted_in_whole_numbers() -> None:
    rng = np.random.default_rng(0)
    dice = rng.random(30_000)
    quality = Quality(dice, dice, dice, dice[:, None])
    scores = {"trial": rng.random(30_000) - 0.5 * dice}
    found = make_answer(judge(scores, quality, "trial", resamples=2), {"trial": "on trial"}, scores, quality, 0.3, 2, 0)
    counted = int((dice[np.argsort(-scores["trial"])[:3000]] < 0.3).sum())
    assert counted >= 1000
    assert found.sentences[0].startswith(f"Yes: the 3,000 of 30,000 images ranked worst hold {counted:,} of the ")
    assert not any("e+" in text for line in found.lines for text in line.values())
    assert "e+" not in " ".join(found.sentences)
