"""Pictures of the worst predictions in the terms of each experiment logger."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny import LABELS

from segqc.hook import Inspection
from segqc.integrations import loggers
from segqc.integrations.epochs import EpochJudge, EpochReport, draw
from segqc.verdict import Verdict


def report() -> EpochReport:
    image = np.zeros((6, 8, 3), np.uint8)
    verdict = Verdict(0.9, draw_heatmap=lambda: np.ones((6, 8), np.float32))
    worst = [Inspection(3, image, np.ones((6, 8), np.uint8), verdict)]
    return EpochReport(1, 20, np.array([0.1, 0.9]), worst, 1)


def test_numbers_of_a_report():
    assert report().numbers() == {
        "score_mean": 0.5, "score_median": 0.5, "score_p90": pytest.approx(0.82), "score_max": 0.9, "judged": 2,
        "failed": 1,
    }  # fmt: skip


def test_mask_and_heat_map_stand_side_by_side():
    drawn = draw(report().worst[0], LABELS)
    assert (drawn.shape, drawn.dtype) == ((6, 16, 3), np.uint8)
    assert drawn[:, 8:].any()


def test_mlflow_gets_files():
    sent = []
    loggers.mlflow(lambda picture, file: sent.append((picture.shape, file)))(report(), LABELS, "segqc")
    assert sent == [((6, 16, 3), "segqc/step_00000020_worst_0.png")]


def test_weights_and_biases_gets_pictures_and_a_histogram():
    sent = []
    image = lambda picture, caption: (picture.shape, caption)  # noqa: E731
    loggers.wandb(sent.append, image, lambda scores: scores.tolist())(report(), LABELS, "segqc")
    assert sent == [{"segqc/worst": [((6, 16, 3), "score 0.900")], "segqc/scores": [0.1, 0.9]}]


def test_the_worst_are_kept_and_equal_scores_are_no_trouble():
    judge = EpochJudge(SimpleNamespace(labels=LABELS), worst=2)
    for number, score in enumerate([0.5, None, 0.7, 0.7, 0.7]):
        judge._collect(Inspection(number, None, None, Verdict(score)))
    found = judge.end(1, 1)
    assert [item.number for item in found.worst] == [2, 3]
    assert (len(found.scores), found.failed) == (4, 1)
    assert len(judge.end(2, 2).scores) == 0
    with pytest.raises(ValueError, match="0 or more"):
        EpochJudge(SimpleNamespace(labels=LABELS), worst=-1)
