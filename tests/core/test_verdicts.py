"""`qc(image, mask)`: one verdict or a list, whatever the pair comes as; the audit's number."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import LABELS, blobs, tiny_model

from segqc.base.errors import BadInput
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.storage import save_calibration
from segqc.data.grid import surprise_of_pixels
from segqc.data.heat import PackedHeat
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import write_mask
from segqc.model.folder import fingerprint, save_model
from segqc.objects.judge import ObjectFinder
from segqc.quality_control import QualityControl, load
from segqc.verdict import SuspectRegion, Verdict

SIZE = (30, 40)


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model())


def rgb(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def test_one_pair_gives_a_verdict_with_the_scores_numbers(qc):
    mask = blobs(0, *SIZE)
    verdict, score = qc(rgb(), mask), qc.score(rgb(), mask)[0]
    assert isinstance(verdict, Verdict)
    assert verdict.score == score.score
    np.testing.assert_array_equal(verdict.heatmap, score.heatmap)
    assert verdict.worst_region == SuspectRegion(score.worst_class, score.expected_class, score.worst_box)
    assert (verdict.p_value, verdict.expected_dice, verdict.interval, verdict.decision, verdict.error) == (None,) * 5
    assert "heatmap" not in repr(verdict)


def test_a_heat_map_is_drawn_when_asked_for_of_the_mask_that_was_judged(qc):
    mask = blobs(0, *SIZE)
    expected = qc(rgb(), mask).heatmap
    verdict = qc(rgb(), mask)
    assert "heatmap" not in vars(verdict)  # nothing is drawn yet
    mask[:] = 0
    travelled = pickle.loads(pickle.dumps(dataclasses.replace(verdict, decision="fail")))
    np.testing.assert_array_equal(travelled.heatmap, expected)
    assert travelled.heatmap is travelled.heatmap
    assert Verdict(score=None, error="void").heatmap is None


def test_a_kept_verdict_is_small_with_what_its_heat_map_and_its_objects_are_made_from():
    """A posterior of 21 classes and a mask of 520 x 520 take 0.6 MB; a hook's user keeps thousands of verdicts."""
    rng = np.random.default_rng(0)
    likely = np.r_[np.full(4, 30.0), np.full(17, 0.1)]
    posterior = rng.dirichlet(likely, (64, 64)).transpose(2, 0, 1).astype(np.float32)
    mask = blobs(0, 520, 520)
    packed = PackedHeat.pack(posterior, mask)
    np.testing.assert_array_equal(packed(), surprise_of_pixels(posterior, mask))
    finder = ObjectFinder.of(posterior, packed, VOC_LABELS)
    assert len(pickle.dumps(Verdict(0.5, draw_heatmap=packed, find_objects=finder))) < 130_000


def test_a_verdict_is_json(qc):
    region = SuspectRegion("dog", None, (1, 2, 30, 40))
    verdict = Verdict(0.75, 0.01, 0.5, (0.25, 0.75), region, "fail", draw_heatmap=lambda: np.zeros(SIZE))
    assert json.loads(json.dumps(verdict.to_dict())) == {
        "score": 0.75, "p_value": 0.01, "expected_dice": 0.5, "interval": [0.25, 0.75],
        "worst_region": {"name": "dog", "expected": None, "box": [1, 2, 30, 40]}, "decision": "fail", "error": None,
    }  # fmt: skip
    judged = qc(rgb(), blobs(0, *SIZE))
    assert Verdict.from_dict(json.loads(json.dumps(judged.to_dict()))) == judged
    assert Verdict.from_dict(Verdict(None, error="void").to_dict()) == Verdict(None, error="void")


@pytest.mark.parametrize(
    "image",
    [
        rgb(),
        Image.fromarray(rgb()),
        torch.from_numpy(rgb()),
        torch.from_numpy(rgb()).permute(2, 0, 1),
        (rgb() / 255).astype(np.float32),
        torch.from_numpy(rgb()).permute(2, 0, 1) / 255,
    ],
    ids=["array", "Pillow", "tensor", "channels first", "floats", "float tensor"],
)
def test_a_picture_in_any_form_is_the_same_picture(qc, image):
    assert qc(image, blobs(0, *SIZE)).score == qc(rgb(), blobs(0, *SIZE)).score


def test_files_are_read(qc, tmp_path):
    mask = blobs(0, *SIZE)
    Image.fromarray(rgb()).save(tmp_path / "a.png")
    write_mask(tmp_path / "b.png", mask, LABELS)
    wanted = qc(rgb(), mask)
    assert qc(str(tmp_path / "a.png"), tmp_path / "b.png").score == wanted.score
    assert qc.score(tmp_path / "a.png", str(tmp_path / "b.png"))[0].score == wanted.score
    several = qc([tmp_path / "a.png", tmp_path / "c.png", rgb()], [tmp_path / "b.png", mask, str(tmp_path / "b.png")])
    assert [verdict.score for verdict in several] == [wanted.score, None, wanted.score]
    assert "c.png: does not exist" in several[1].error
    with pytest.raises(BadInput, match=r"c\.png: does not exist"):
        qc(tmp_path / "c.png", mask)


def test_a_mask_of_0_and_255_is_binary(tmp_path):
    binary = QualityControl(tiny_model(labels=LabelSpace(("background", "road"))))
    mask = (blobs(0, *SIZE, void=False) > 0).astype(np.uint8)
    wanted = binary(rgb(), mask).score
    Image.fromarray(mask * 255).save(tmp_path / "b.png")
    for value in (mask * 255, Image.fromarray(mask * 255), torch.from_numpy(mask).int() * 255, tmp_path / "b.png"):
        assert binary(rgb(), value).score == wanted


def test_a_mask_in_any_form_is_the_same_mask(qc):
    mask = blobs(0, *SIZE, void=False)
    onehot = torch.nn.functional.one_hot(torch.from_numpy(mask).long(), LABELS.num_classes).permute(2, 0, 1).float()
    expected = qc(rgb(), mask).score
    for value in (
        Image.fromarray(mask),
        torch.from_numpy(mask),
        onehot,
        onehot * 20 - 10,
        onehot.numpy(),
        onehot.double().softmax(0),
        onehot.bfloat16(),
    ):
        assert qc(rgb(), value).score == expected
    for value in (onehot[None], [onehot], mask[None], [mask], [Image.fromarray(mask)], torch.from_numpy(mask)[None]):
        (verdict,) = qc(rgb()[None], value)
        assert verdict.score == expected


def test_scores_of_a_smaller_size_are_interpolated(qc):
    small = torch.randn(LABELS.num_classes, 7, 9, generator=torch.Generator().manual_seed(0))
    grown = torch.nn.functional.interpolate(small[None], SIZE, mode="bilinear")[0].argmax(0)
    assert qc(rgb(), small).score == qc(rgb(), grown).score


def test_a_batch_gives_a_list_and_each_its_own_verdict(qc):
    pictures, masks = np.stack([rgb(seed) for seed in range(3)]), np.stack([blobs(seed, *SIZE) for seed in range(3)])
    alone = [qc(picture, mask).score for picture, mask in zip(pictures, masks, strict=True)]
    assert [verdict.score for verdict in qc(pictures, masks)] == alone
    assert [verdict.score for verdict in qc(list(pictures[::-1]), list(masks[::-1]))] == alone[::-1]
    assert len(qc(pictures[:1], masks[:1])) == 1
    assert qc([], []) == []


def test_a_bad_pair_stops_no_batch_and_is_for_review(qc):
    good, small, void = blobs(0, *SIZE), np.zeros((5, 5), np.uint8), np.full(SIZE, 255, np.uint8)
    verdicts = qc([rgb(), rgb(), rgb(), rgb() / 9.0, rgb()], [good, small, void, good, np.full(SIZE, 77)])
    assert [verdict.error is None for verdict in verdicts] == [True, False, False, False, False]
    for verdict, words in zip(verdicts[1:], ("one size", "void", "normalisation", "77"), strict=True):
        assert verdict.score is None
        assert verdict.decision == "review"
        assert words in verdict.error
        assert str(verdict).startswith("not scored: ")


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((5, 5), np.uint8), "one size"),
        (np.full(SIZE, 255, np.uint8), "void throughout"),
        (torch.zeros(9, 3, 3), "4 classes"),
        (torch.full((4, 3, 3), torch.inf), "finite"),
        (np.zeros((2, *SIZE), np.uint8), "as many pictures as masks, but got 1 and 2"),
    ],
)
def test_a_bad_pair_alone_raises(qc, mask, words):
    with pytest.raises(ValueError, match=words):
        qc(rgb(), mask)


def test_a_calibration_is_found_in_the_models_folder_or_given_and_refused_for_another_model(tmp_path):
    save_model(tmp_path / "model", tiny_model())
    save_model(tmp_path / "other", tiny_model(seed=1))
    scores = np.linspace(0, 0.5, 199)
    name = fingerprint(tmp_path / "model")
    path = tmp_path / "calibration.json"
    save_calibration(path, fit_calibration(Evidence(name, scores, labelled=(scores, 1 - scores))))
    mask = blobs(0, *SIZE)
    assert load(tmp_path / "model", "cpu")(rgb(), mask).decision is None
    verdict = load(tmp_path / "model", "cpu", calibration=path)(rgb(), mask)
    assert verdict.decision is not None
    assert verdict.interval[0] <= verdict.expected_dice <= verdict.interval[1]
    with pytest.raises(BadInput, match="fitted on scores of the model"):
        load(tmp_path / "other", "cpu", calibration=path)
    with pytest.raises(BadInput, match="noise levels"):
        load(tmp_path / "model", "cpu", levels=(0,), calibration=path)
    (tmp_path / "model" / "calibration.json").write_bytes(path.read_bytes())
    assert fingerprint(tmp_path / "model") == name
    again = load(tmp_path / "model", "cpu")(rgb(), mask)
    assert (again.score, again.p_value, again.decision) == (verdict.score, verdict.p_value, verdict.decision)
