"""The hook in a pipeline: it changes nothing, judges each prediction by itself, keeps count, and lets nothing of its
own reach the pipeline.
"""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import LABELS, blobs, tiny_model
from torch import nn

from segqc.calibration.fit import Evidence, fit_calibration
from segqc.data.label_files import parse_classes
from segqc.data.labels import VOID
from segqc.data.masks import read_mask
from segqc.hook import Callback, QualityAlarm, Raise, ReviewFolder
from segqc.quality_control import QualityControl
from segqc.results.table import read_audit_table
from segqc.verdict import Verdict

MODEL = "0123456789abcdef"
SIZE = (30, 40)


class Segmenter(nn.Module):
    """Scores of four classes from the pixels alone, so that a batch's companions cannot matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, LABELS.num_classes, 5, padding=2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": torch.stack([self.layer(item[None])[0] for item in x])}


@pytest.fixture(scope="module")
def quality_model():
    return tiny_model()


@pytest.fixture
def qc(quality_model) -> QualityControl:
    return QualityControl(quality_model)


@pytest.fixture
def calibrated(quality_model) -> QualityControl:
    """Everything with a score above 0.3 fails: the accepted ones all score lower."""
    return QualityControl(
        quality_model,
        calibration=fit_calibration(Evidence(MODEL, np.linspace(0, 0.3, 200), accepted=np.linspace(0, 0.3, 200))),
    )


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter().eval()


def inputs(count: int = 3, seed: int = 0) -> torch.Tensor:
    """Pictures normalised as for ImageNet."""
    pixels = torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(seed))
    return (pixels - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )


def repeat(function, values: list) -> list:
    return [function(value) for value in values]


def pictures_of(x: torch.Tensor) -> list[np.ndarray]:
    pixels = x * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1) + torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    return list((pixels.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())


def test_outputs_are_unchanged_and_verdicts_are_those_of_a_call(qc, segmenter):
    x = inputs()
    with torch.inference_mode():
        before = segmenter(x)["out"]
        handle = qc.attach(segmenter)
        after = segmenter(x)["out"]
        assert torch.equal(before, after)
        expected = qc(pictures_of(x), before.argmax(1))
    assert [verdict.score for verdict in handle.last] == [verdict.score for verdict in expected]
    for verdict, other in zip(handle.last, expected, strict=True):
        np.testing.assert_array_equal(verdict.heatmap, other.heatmap)
        assert verdict.worst_region == other.worst_region
        assert verdict.decision is None
    assert len({verdict.score for verdict in handle.last}) == 3
    assert not handle.errors
    handle.close()
    segmenter(x)
    assert handle.counts.seen == 3
    assert not segmenter._forward_hooks


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_it_works_in_every_grad_mode_and_leaves_gradients_alone(qc, segmenter, mode):
    with qc.attach(segmenter) as handle, mode():
        out = segmenter(inputs(1))["out"]
        assert out.requires_grad == (mode is torch.enable_grad)
        if out.requires_grad:
            out.sum().backward()
    assert handle.counts.scored == 1
    assert not handle.errors


def test_a_score_depends_on_neither_batch_size_nor_order_nor_companions(qc, segmenter):
    x = inputs(4)
    with qc.attach(segmenter) as handle, torch.inference_mode():
        segmenter(x)
        together = [verdict.score for verdict in handle.last]
        segmenter(x.flip(0))
        assert [verdict.score for verdict in handle.last] == together[::-1]
        segmenter(torch.cat([inputs(2, seed=9), x[1:3]]))
        assert [verdict.score for verdict in handle.last][2:] == together[1:3]
        alone = []
        for item in x:
            segmenter(item[None])
            alone.append(handle.last[0].score)
    assert alone == together
    assert handle.counts.seen == handle.counts.scored == 16


def test_any_callable_is_called_through_the_handle(qc):
    masks = {seed: blobs(seed, *SIZE) for seed in range(2)}
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    handle = qc.attach(lambda image, seed: masks[seed])
    for seed in masks:
        assert handle(Image.fromarray(picture), seed=seed) is masks[seed]
        assert handle.last[0].score == qc(picture, masks[seed]).score
    handle.close()
    assert handle(picture, 1) is masks[1]
    assert handle.counts.seen == 2


def test_training_is_left_alone(qc, segmenter):
    with qc.attach(segmenter.train()) as handle, pytest.warns(UserWarning, match="training mode") as caught:
        repeat(segmenter, [inputs()] * 2)
    assert (handle.counts.seen, handle.counts.training, handle.counts.scored) == (6, 6, 0)
    assert len(caught) == 1
    assert not handle.errors


def test_a_sample_is_random_reproducible_and_counted(qc, segmenter):
    chosen = []
    for _ in range(2):
        with qc.attach(segmenter, sample_rate=0.4, seed=3) as handle, torch.inference_mode():
            for seed in range(5):
                segmenter(inputs(4, seed))
                chosen.append([verdict is not None for verdict in handle.last])
        assert handle.counts.seen == 20
        assert handle.counts.scored + handle.counts.sampled_out == 20
        assert 3 <= handle.counts.scored <= 13
    assert chosen[:5] == chosen[5:]


def test_decisions_of_a_calibration_are_counted_and_drift_is_watched(calibrated, segmenter):
    handle = calibrated.attach(segmenter, window=20)
    assert handle.drift is not None
    with torch.inference_mode(), pytest.warns(UserWarning, match="higher than those of the calibration") as caught:
        repeat(segmenter, [inputs(3, seed) for seed in range(14)])
    handle.close()
    assert len([item for item in caught if "higher" in str(item.message)]) == 1  # two windows
    assert len(handle.drift.windows) == 2
    assert handle.drift.drifted
    assert sum(handle.decisions.values()) == handle.counts.scored == 42
    verdict = handle.last[0]
    assert verdict.p_value == 1 / 201
    assert verdict.decision == "fail"
    assert str(verdict).startswith(f"fail: score {verdict.score:.3f}, p 0.0050, ")


def test_callbacks_get_every_inspection(qc, segmenter):
    seen = []
    x = inputs()
    with qc.attach(segmenter, policy=seen.append), torch.inference_mode():
        out = segmenter(x)["out"]
        segmenter(x)
    assert [item.number for item in seen] == list(range(6))
    for item, picture, mask in zip(seen, pictures_of(x), out.argmax(1).numpy(), strict=False):
        np.testing.assert_array_equal(item.image, picture)
        np.testing.assert_array_equal(item.mask, mask)


def test_an_error_in_a_users_function_is_the_users(qc, segmenter):
    def broken(inspection):
        raise KeyError("mine")

    with qc.attach(segmenter, policy=broken), pytest.raises(KeyError, match="mine"):
        segmenter(inputs(1))


def test_raising_stops_the_pipeline_after_all_other_policies(calibrated, segmenter):
    seen = []
    with (
        calibrated.attach(segmenter, policy=["raise", seen.append]),
        pytest.raises(QualityAlarm, match="prediction 0: fail: score") as caught,
    ):
        segmenter(inputs(2))
    assert len(seen) == 2
    assert [item.number for item in caught.value.inspections] == [0, 1]
    with calibrated.attach(segmenter, policy=Raise(on=("review",))):
        segmenter(inputs(2))  # these fail, and are not for review


def test_a_threshold_of_ones_own_decides_without_a_calibration(qc, segmenter):
    with qc.attach(segmenter) as handle:
        segmenter(inputs())
    scores = sorted(verdict.score for verdict in handle.last)
    with qc.attach(segmenter, threshold=scores[1], policy="raise"), pytest.raises(QualityAlarm) as caught:
        segmenter(inputs())
    assert [item.verdict.score for item in caught.value.inspections] == [scores[2]]


def test_a_review_folder_holds_what_the_other_commands_read(calibrated, segmenter, tmp_path: Path):
    folder = tmp_path / "review"
    for _ in range(2):  # a second run goes on where the first ended
        with calibrated.attach(segmenter, policy=folder) as handle, torch.inference_mode():
            segmenter(inputs(2))
    assert parse_classes(str(folder / "classes.json")) == LABELS
    rows = sorted(read_audit_table(folder).rows, key=lambda row: float(row["time"]))
    assert len(rows) == len({row["id"] for row in rows}) == 4
    for row, verdict, picture in zip(rows[2:], handle.last, pictures_of(inputs(2)), strict=True):
        assert row["score"] == verdict.score
        assert (row["decision"], row["p_value"], row["status"]) == ("fail", verdict.p_value, "ok")
        np.testing.assert_array_equal(np.asarray(Image.open(row["image"])), picture)
        mask = read_mask(row["prediction"], LABELS)
        assert calibrated(picture, mask).score == verdict.score
        heat = np.asarray(Image.open(folder / "heatmaps" / f"{row['id']}.png"))
        assert np.abs(heat / 255 - verdict.heatmap).max() <= 0.5 / 255 + 1e-6


def test_predictions_that_pass_are_rows_without_pictures(calibrated, segmenter, tmp_path: Path):
    with calibrated.attach(segmenter, policy=ReviewFolder(tmp_path, LABELS, on=("review",))):
        segmenter(inputs(2))
    assert [row["decision"] for row in read_audit_table(tmp_path).rows] == ["fail", "fail"]
    assert not (tmp_path / "images").exists()


def test_a_folder_that_cannot_be_written_is_warned_of_once(calibrated, segmenter, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with (
        calibrated.attach(segmenter, policy=tmp_path / "file") as handle,
        pytest.warns(UserWarning, match="review folder") as caught,
    ):
        outputs = repeat(segmenter, [inputs(1)] * 2)
    assert [out["out"].shape for out in outputs] == [(1, 4, *SIZE)] * 2
    assert len(caught) == 1
    assert handle.counts.scored == 2


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda x: torch.zeros(2, 9, 5, 6), "gives 9.*classes="), (lambda x: "mask", "found str"),
        (lambda x: torch.zeros(3, 4, 5, 6), "as many masks"),
        (lambda x: torch.full((2, 4, 5, 6), torch.nan), "finite"),
        (lambda x: torch.full((2, *SIZE), VOID), "void throughout"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_counted_and_warned_of_and_stops_nothing(qc, model, words):
    handle = qc.attach(model)
    with pytest.warns(UserWarning, match=words) as caught:
        outputs = repeat(handle, [inputs(2)] * 2)
    assert all(output is not None for output in outputs)
    assert len(caught) == 1
    assert handle.counts.failed >= 2
    assert handle.counts.scored == 0
    assert len(handle.errors) == handle.counts.failed


def test_inputs_that_are_no_pictures_stop_nothing(qc):
    handle = qc.attach(lambda text: text.upper())
    with pytest.warns(UserWarning, match="found none"):
        assert handle("a") == "A"
    assert handle.counts.failed == 1


def test_in_the_background_the_pipeline_does_not_wait_and_a_full_queue_drops_with_a_count(
    qc, segmenter, monkeypatch: pytest.MonkeyPatch
):
    gate, judged = threading.Event(), threading.Event()
    judge = qc.judge_pair

    def slow(image, mask) -> Verdict:
        judged.set()
        assert gate.wait(60)  # which a pipeline that waits for its verdicts would never open
        return judge(image, mask)

    monkeypatch.setattr(qc, "judge_pair", slow)
    handle = qc.attach(segmenter, background=True, queue_size=2)
    with torch.inference_mode():
        segmenter(inputs(1))
        assert judged.wait(20)  # one is being judged
        segmenter(inputs(5))  # two wait, three are dropped
    assert handle.counts.dropped == 3
    assert handle.last == []
    assert not handle.flush(timeout=0.05)
    gate.set()
    assert handle.flush(timeout=20)
    assert (handle.counts.seen, handle.counts.scored) == (6, 3)
    assert [verdict is not None for verdict in handle.last] == [True, True, False, False, False]
    handle.close()
    assert not any(thread.name == "segqc-hook" for thread in threading.enumerate())


def test_the_background_gives_the_same_verdicts(qc, segmenter):
    with qc.attach(segmenter) as handle, torch.inference_mode():
        segmenter(inputs())
    names = []
    with (
        qc.attach(
            segmenter, background=True, policy=lambda item: names.append(threading.current_thread().name)
        ) as other,
        torch.inference_mode(),
    ):
        segmenter(inputs())
    assert [verdict.score for verdict in other.last] == [verdict.score for verdict in handle.last]
    assert names == ["segqc-hook"] * 3


def test_errors_in_the_background_are_kept(qc, segmenter):
    def broken(inspection):
        raise KeyError("mine")

    handle = qc.attach(segmenter, background=True, policy=Callback(broken))
    with pytest.warns(UserWarning, match="in the background: KeyError"):
        repeat(lambda step: step(), [lambda: segmenter(inputs(2)), handle.close])
    assert handle.counts.scored == 2
    assert len(handle.errors) == 2


def test_padding_is_cut_off(qc):
    picture, mask = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8), blobs(0, *SIZE)
    padded, labels, valid = (
        np.zeros((1, 50, 60, 3), np.uint8),
        np.zeros((1, 50, 60), np.int64),
        np.zeros((1, 50, 60), np.int64),
    )
    padded[0, : SIZE[0], : SIZE[1]], labels[0, : SIZE[0], : SIZE[1]], valid[0, : SIZE[0], : SIZE[1]] = picture, mask, 1
    handle = qc.attach(lambda pixel_values, pixel_mask: labels)
    handle(pixel_values=padded, pixel_mask=valid)
    assert handle.last[0].score == qc(picture, mask).score
    assert handle.last[0].heatmap.shape == SIZE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "raise"}, "needs decisions"), ({"policy": Path("folder")}, "needs decisions"),
        ({"policy": 3}, "Expected `policy`"),
        ({"sample_rate": 0}, "sample_rate"), ({"sample_rate": 1.1}, "sample_rate"),
        ({"background": True, "queue_size": 0}, "one place"),
        ({"policy": "raise", "threshold": 0.5, "background": True}, "cannot stop the pipeline"),
        ({"classes": [9]}, "0 to 3, but got 9"), ({"policy": "Raise"}, 'Did you mean policy="raise"'),
        ({"policy": "raised", "threshold": 0.5}, 'Did you mean policy="raise"'), ({"policy": ""}, "empty text"),
        ({"policy": Raise}, "Expected `policy`"), ({"threshold": 50}, r"in \[0, 1\], where scores lie, but got 50"),
        ({"threshold": -0.1}, "where scores lie"), ({"threshold": float("nan")}, "where scores lie"),
        ({"threshold": True}, "where scores lie"), ({"sample_rate": "all"}, "sample_rate"),
        ({"window": 3}, "20 or more"),
        ({"background": True, "queue_size": 2.5}, "queue_size"), ({"exit_seconds": -1}, "exit_seconds"),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused_at_once(qc, segmenter, options, words):
    with pytest.raises(ValueError, match=words):
        qc.attach(segmenter, **options)
    assert not segmenter._forward_hooks


def test_a_threshold_beside_a_calibration_is_refused(calibrated, segmenter):
    with pytest.raises(ValueError, match="decides by itself"):
        calibrated.attach(segmenter, threshold=0.5)


def test_classes_that_the_quality_model_does_not_know_are_named(qc, segmenter):
    with pytest.warns(UserWarning, match="not judged: rug, sky"):
        qc.attach(segmenter, classes=["background", "rug", "cat", "sky"]).close()


@pytest.mark.parametrize("on", [("failed",), "fail", (), ("fail", "Review")])
def test_decisions_that_there_are_not_are_refused(on, tmp_path: Path):
    with pytest.raises(ValueError, match="pass, review, fail"):
        Raise(on=on)
    with pytest.raises(ValueError, match="pass, review, fail"):
        ReviewFolder(tmp_path, LABELS, on=on)


def test_a_folder_with_another_table_is_refused(qc, segmenter, tmp_path: Path):
    (tmp_path / "scores.csv").write_text("id,rank,score,status\n")
    with pytest.raises(ValueError, match="choose another folder"):
        qc.attach(segmenter, threshold=0.5, policy=tmp_path)


class Session:
    """As ONNX Runtime's: it runs, and cannot be called."""

    def run(self, names, feeds):
        return []


@pytest.mark.parametrize(
    ("model", "words"),
    [(Session(), r"attach\(model\.run\)"), ("model.onnx", "attach a function"), (Segmenter, "attach an instance")],
)
def test_what_cannot_be_called_is_refused_with_the_way(qc, model, words):
    with pytest.raises(ValueError, match=words):
        qc.attach(model)


def test_a_model_whose_scores_are_unbounded_takes_any_threshold(segmenter):
    density = QualityControl(tiny_model("paper"))
    density.attach(segmenter, threshold=50)
    with pytest.raises(ValueError, match="a finite number"):
        density.attach(segmenter, threshold=float("inf"))
