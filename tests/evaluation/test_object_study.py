"""`segqc evaluate` on single objects: figures against scikit-learn, missed objects, scores of other sources."""

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.baselines.base import Example
from evaluation.baselines.object_scores import class_doubt, disagreement, mean_over, metaseg_features, supervised_chance
from evaluation.report.judged_picture import OWN, ListedPicture, judge_picture
from evaluation.report.objects import ObjectScores, object_rows
from segqc.data.components import mask_components
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask

LABELS = LabelSpace(("background", "cat", "dog", "cow"))


def test_figures_are_those_of_scikit_learn_for_each_group():
    rng = np.random.default_rng(0)
    iou = np.where(rng.random(90) < 0.4, 0, rng.random(90))
    columns = {"area": rng.integers(10, 1500, 90), "class": rng.integers(1, 3, 90), "iou": iou}
    zero, below = rng.random(90), rng.random(90)
    rows = object_rows(
        columns, {OWN: ObjectScores(zero, below), "none": ObjectScores(zero * np.nan, below)}, LABELS.name
    )
    assert [row["objects"] for row in rows[::2]] == ["all", "over 500 px", "to 500 px", "cat", "dog"]
    for row, chosen in ((rows[0], iou < 9), (rows[2], columns["area"] > 500), (rows[8], columns["class"] == 2)):
        assert row["count"] == chosen.sum()
        assert row["auroc_zero"] == pytest.approx(roc_auc_score(iou[chosen] == 0, zero[chosen]))
        assert row["ap_zero"] == pytest.approx(average_precision_score(iou[chosen] == 0, zero[chosen]))
        assert row["auroc_below"] == pytest.approx(roc_auc_score(iou[chosen] < 0.5, below[chosen]))
    assert rows[1]["auroc_zero"] is None
    assert rows[1]["auroc_below"] is not None


def test_a_picture_is_judged_by_what_the_audit_lists(tmp_path: Path):
    mask, truth = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    mask[2:12, 2:12], mask[30:34, 50:54] = 1, 3
    truth[2:12, 2:22], truth[20:30, 30:40], truth[30:38, 2:10] = 1, 2, 2
    truth[0, :] = 255
    write_mask(tmp_path / "mask.png", mask, LABELS)
    write_mask(tmp_path / "truth.png", truth, LABELS)

    def missed(score, x0, y0, x1, y1, name="dog"):
        box = {"x0": x0, "y0": y0, "x1": x1, "y1": y1}
        return {"object": 9, "kind": "missed", "class": "background", "expected_class": name, "score": score, **box}

    def own(number, score):
        return {"object": number, "kind": "predicted", "score": score, "expected_iou": 1 - score}

    listed = [
        own(2, 0.9),
        own(1, 0.3),
        missed(0.8, 28, 18, 44, 30),
        missed(0.7, 0, 0, 60, 10),
        missed(0.6, 28, 18, 44, 30),
    ]
    listed += [missed(0.5, 2, 30, 10, 38, "cow")]  # the right place, another class
    example = Example("a", tmp_path / "a.png", tmp_path / "mask.png", LABELS, second=tmp_path / "truth.png")
    found = judge_picture(ListedPicture(example, tmp_path / "truth.png", listed, None))
    np.testing.assert_allclose(found.columns["iou"], [0.5, 0])
    assert found.columns[OWN].tolist() == [0.3, 0.9]
    assert found.columns["second network"].tolist() == [0.5, 1]
    assert sorted(found.false_alarms) == [0.5, 0.7]
    assert found.found == [0.8, -math.inf]


def test_other_scores_are_means_over_the_objects():
    rng = np.random.default_rng(1)
    mask = np.kron(rng.choice([0, 1, 2, 255], (5, 6)), np.ones((4, 4))).astype(np.uint8)
    found = mask_components(mask, LABELS, 10)
    probs = rng.dirichlet(np.ones(4), mask.shape).transpose(2, 0, 1)
    heat = rng.random(mask.shape)
    features = metaseg_features(found, probs)
    assert features.shape == (len(found.classes), 17 + 4)
    assert np.isfinite(features).all()
    for i, label in enumerate(found.classes):
        inside = found.numbers == i + 1
        assert mean_over(found, heat)[i] == pytest.approx(heat[inside].mean())
        assert class_doubt(found, probs)[i] == pytest.approx(1 - probs[label][inside].mean())
        np.testing.assert_allclose(features[i, -4:], probs[:, inside].mean(1))
    assert disagreement(found, mask, LABELS).tolist() == [0] * len(found.classes)


def test_the_supervised_line_learns_from_other_pictures_only():
    rng = np.random.default_rng(2)
    ids = [f"p{i // 4}" for i in range(120)]
    wrong = rng.random(120) < 0.4
    features = np.stack([wrong + 0.3 * rng.standard_normal(120), rng.standard_normal(120)], axis=1)
    chance = supervised_chance(ids, features, wrong)
    assert roc_auc_score(wrong, chance) > 0.95
    noise = supervised_chance(ids, rng.standard_normal((120, 40)), wrong)
    assert roc_auc_score(wrong, noise) < 0.7  # objects that it was trained on would be ranked near perfectly
    assert np.isnan(supervised_chance(ids, features, np.zeros(120, bool))).all()
