"""Objects with their scores, as verdict and score give them."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny import LABELS, blobs, picture, tiny_model

import segqc.objects.judge
from segqc.data.heat import PackedHeat
from segqc.model.agreement import sharpen
from segqc.objects.judge import ObjectFinder, judge_objects
from segqc.quality_control import QualityControl
from segqc.verdict import Verdict


@pytest.fixture(scope="module")
def qc():
    return QualityControl(tiny_model())


def random_posterior(seed: int) -> np.ndarray:
    posterior = np.random.default_rng(seed).random((4, 16, 16)).astype(np.float32) ** 4
    return posterior / posterior.sum(0)


def test_the_score_is_the_mean_of_lost_iou_and_of_the_chance_of_nothing_right():
    mask, belief = np.zeros((16, 16), np.uint8), np.zeros((4, 16, 16))
    mask[0:4, 2:6] = 1
    belief[0], belief[1, 0, 2:6], belief[0, 0, 2:6] = 1, 0.5, 0.5
    belief[2, 1:4, 2:6], belief[0, 1:4, 2:6] = 1, 0
    (cat,) = [found for found in judge_objects(belief, mask, LABELS) if found.kind == "predicted"]
    assert cat.expected_iou == pytest.approx(2 / 16)
    assert cat.score == pytest.approx((1 - 2 / 16 + 0.5**4) / 2)
    assert (cat.name, cat.expected, cat.box, cat.area, cat.touches_border) == ("cat", "dog", (2, 0, 6, 4), 16, True)


def test_objects_are_sorted_and_numbered_those_of_the_mask_first():
    mask = np.zeros((64, 48), np.uint8)
    mask[:9, :9], mask[30:33, 20:24], mask[60, 1:9] = 1, 2, 3  # the last has eight pixels and is no object
    belief = random_posterior(3).astype(np.float64)
    objects = judge_objects(belief, mask, LABELS)
    assert [found.score for found in objects] == sorted((found.score for found in objects), reverse=True)
    assert sorted(found.number for found in objects) == list(range(1, len(objects) + 1))
    predicted = {found.number: found.name for found in objects if found.kind == "predicted"}
    assert predicted == {1: "cat", 2: "dog"}
    assert all(found.expected and found.expected_iou is None for found in objects if found.kind == "missed")


def test_what_is_packed_gives_the_objects_of_the_whole_posterior():
    posterior, mask = random_posterior(5), blobs(0, 40, 40)
    sharp, total = sharpen(posterior)
    packed = PackedHeat.pack(posterior, mask)
    np.testing.assert_array_equal(packed.mask, mask)
    assert ObjectFinder.of(posterior, packed, LABELS)() == judge_objects(sharp / total, mask, LABELS)


def test_a_verdict_finds_its_objects_when_asked_and_a_score_has_the_same(qc, monkeypatch):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 10:30], mask[40:50, 5:60] = 1, 3
    calls, judge = [], segqc.objects.judge.judge_objects
    monkeypatch.setattr(segqc.objects.judge, "judge_objects", lambda *given: calls.append(1) or judge(*given))
    verdict = qc(picture(1), mask)
    assert verdict.to_dict().keys() & {"objects", "find_objects"} == set()
    assert calls == []
    objects = verdict.objects
    assert verdict.objects is objects
    assert calls == [1]
    assert {found.name for found in objects if found.kind == "predicted"} == {"cat", "cow"}
    assert qc.score(picture(1), mask)[0].objects == objects
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))).objects is None


def test_a_pair_without_a_score_has_no_objects(qc):
    assert qc.judge_pair(Image.new("RGB", (8, 8)), np.ones((64, 64), np.uint8)).objects is None
