"""The hook where something is broken, and the model that carries it: nothing slips through, reaches the pipeline, or
sticks to copies.
"""

import copy
import csv
import io
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from test_hook import Segmenter, inputs
from tiny import tiny_model
from torch import nn

from segqc.hook import QualityAlarm, Raise
from segqc.quality_control import QualityControl
from segqc.verdict import Verdict


class Breakable(Segmenter):
    """Predicts NaN for the items named in `broken`."""

    broken: tuple[int, ...] = ()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        out = super().forward(x)["out"].clone()
        out[list(self.broken)] = torch.nan
        return {"out": out}


@pytest.fixture(scope="module")
def qc() -> QualityControl:
    return QualityControl(tiny_model())


@pytest.fixture
def breakable() -> Breakable:
    return Breakable().eval()


def predict(model: nn.Module, x: torch.Tensor) -> None:
    with torch.inference_mode():
        model(x)


@pytest.mark.parametrize("background", [False, True])
def test_a_prediction_of_nan_is_for_review_and_its_companions_are_judged(qc, breakable, background):
    with qc.attach(breakable, threshold=1.0, background=background) as handle, warnings.catch_warnings(action="ignore"):
        predict(breakable, inputs())
        breakable.broken = (1,)
        predict(breakable, inputs())
        assert handle.flush(20)
    whole, broken, other = handle.last
    assert whole.decision == other.decision == "pass"
    assert (broken.score, broken.decision) == (None, "review")
    assert "finite scores" in broken.error
    assert "finite scores" in handle.errors[0]
    assert (handle.counts.seen, handle.counts.scored, handle.counts.failed) == (6, 5, 1)
    assert handle.decisions == {"pass": 5, "review": 1}


def test_a_guard_may_stop_on_what_could_not_be_judged(qc, breakable):
    breakable.broken = (0, 2)
    with (
        qc.attach(breakable, threshold=1.0, policy=Raise(on=("review", "fail"))),
        pytest.raises(QualityAlarm) as alarm,
        warnings.catch_warnings(action="ignore"),
    ):
        predict(breakable, inputs())
    assert [item.number for item in alarm.value.inspections] == [0, 2]
    assert all(item.mask is None and item.image is not None for item in alarm.value.inspections)


def test_the_review_folder_has_a_row_and_the_picture_of_what_could_not_be_judged(qc, breakable, tmp_path: Path):
    breakable.broken = (0,)
    with (
        qc.attach(breakable, threshold=1.0, policy=tmp_path / "review"),
        pytest.warns(UserWarning, match="finite scores"),
    ):
        predict(breakable, inputs(1))
    (row,) = csv.DictReader((tmp_path / "review" / "scores.csv").open())
    assert (row["status"], row["decision"], row["prediction"], row["score"]) == ("error", "review", "", "")
    assert "finite scores" in row["reason"]
    assert Path(row["image"]).is_file()


def test_pictures_that_cannot_be_read_are_for_review(qc, breakable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with (
        qc.attach(breakable, threshold=1.0, policy=tmp_path / "review") as handle,
        warnings.catch_warnings(action="ignore"),
    ):
        monkeypatch.setattr(handle._pictures, "read", lambda raw: (_ for _ in ()).throw(RuntimeError("no such device")))
        predict(breakable, inputs(1))
    assert handle.last[0].error == "RuntimeError: no such device"
    (row,) = csv.DictReader((tmp_path / "review" / "scores.csv").open())
    assert (row["status"], row["image"], row["width"]) == ("error", "", "")


@pytest.mark.parametrize("background", [False, True])
def test_a_judge_that_fails_stops_nothing(qc, breakable, monkeypatch: pytest.MonkeyPatch, background):
    def fail(image: object, mask: object) -> Verdict:
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(qc, "judge_pair", fail)
    with qc.attach(breakable, threshold=1.0, background=background) as handle, warnings.catch_warnings(action="ignore"):
        predict(breakable, inputs(2))
        assert handle.flush(20)
    assert [verdict.decision for verdict in handle.last] == ["review", "review"]
    assert handle.counts.failed == 2
    assert "none left" in handle.errors[0]


def test_last_is_never_that_of_another_forward_pass(qc, breakable):
    with qc.attach(breakable) as handle, warnings.catch_warnings(action="ignore"):
        predict(breakable, inputs())
        assert len(handle.last) == 3
        handle._inspect((), {}, None)
        assert handle.last == []
        predict(breakable, inputs(2))
        breakable.train()
        predict(breakable, inputs(1))
        assert handle.last == [None]


def test_an_empty_batch_is_no_error(qc):
    with qc.attach(nn.Identity().eval()) as handle:
        predict(handle.model, inputs()[:0])
    assert (handle.counts.seen, handle.counts.failed, handle.last) == (0, 0, [])


def test_warnings_that_are_errors_stop_nothing(qc, breakable):
    breakable.broken = (0,)
    with qc.attach(breakable) as handle, warnings.catch_warnings(action="error"):
        predict(breakable, inputs(1))
    assert "finite scores" in handle.errors[0]


def of_file(model: nn.Module) -> nn.Module:
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)  # a whole module, which this test has just written


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), of_file])
def test_copies_and_files_of_the_model_are_not_judged(qc, breakable, copied):
    x = inputs(2)
    with qc.attach(breakable) as handle, torch.inference_mode():
        other = copied(breakable)
        assert torch.equal(other(x)["out"], breakable(x)["out"])
        assert handle.counts.seen == 2
    assert b"segqc" not in pickle.dumps(other._forward_hooks)


def test_a_model_that_is_compiled_after_attaching_is_judged(qc, breakable):
    x = inputs(2)
    with qc.attach(breakable) as handle, torch.no_grad():
        expected = breakable(x)["out"]
        scores = [verdict.score for verdict in handle.last]
        assert torch.equal(torch.compile(breakable, backend="eager")(x)["out"], expected)
        assert [verdict.score for verdict in handle.last] == scores
        assert handle.counts.scored == 4
    assert not handle.errors


def test_traces_and_exports_hold_the_model_alone(qc):
    model = nn.Conv2d(3, 4, 3).eval()
    with qc.attach(model) as handle, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tracing is deprecated
        warnings.simplefilter("error", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, inputs(1), check_trace=False)
        exported = torch.export.export(model, (inputs(1),))
    assert handle.counts.seen == 0
    assert [node.target for node in exported.graph.nodes if node.op == "call_function"] == [
        torch.ops.aten.conv2d.default
    ]
    np.testing.assert_allclose(traced(inputs(1)).detach(), model(inputs(1)).detach(), atol=1e-6)


def test_torchscript_is_called_through_the_handle(qc):
    with warnings.catch_warnings(action="ignore"):
        scripted = torch.jit.script(nn.Conv2d(3, 4, 5, padding=2).eval())
    with qc.attach(scripted) as handle:
        handle(inputs(2))
    assert handle.counts.scored == 2
