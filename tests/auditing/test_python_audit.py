"""`segqc.audit(...)`: the command's settings as keyword arguments, rows and summary returned, silent unless asked."""

import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import segqc
from segqc.auditing import api
from segqc.auditing.config import OF_TRAININGS, AuditConfig, LabelAuditConfig, choose_audit
from segqc.auditing.run import AuditReport
from segqc.base.errors import BadInput
from segqc.results.table import read_finished_audit
from segqc.training.config import TrainConfig


def test_predictions_are_audited_in_silence(
    tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {"predictions": str(tiny_predictions), "voc_root": tiny_voc, "model": str(tiny_model), "device": "cpu"}
    report = segqc.audit(**given, out=str(tmp_path / "out"))
    assert capfd.readouterr() == ("", "")
    assert isinstance(report, AuditReport)
    assert report.out == tmp_path / "out"
    table = read_finished_audit(report.out)
    assert [(row["id"], row["score"], row["dice"]) for row in table.rows] == [
        (row["id"], row["score"], row["dice"]) for row in report.rows
    ]
    assert table.summary == report.summary
    assert report.summary["quality"]["compared"] == 6, "ground truth is compared as by the command"
    again = segqc.audit(**given, out=tmp_path / "out", progress=True, track=["tensorboard"])
    assert again.rows == report.rows
    assert "6 of 6 pairs were scored before" in capfd.readouterr().out
    events = EventAccumulator(str(tmp_path / "out" / ".progress" / "tracked"))
    events.Reload()
    assert events.Scalars("quality/compared")[0].value == 6
    assert events.Tags()["images"] == ["contact_sheet"]


def test_without_predictions_ground_truth_is_audited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the settings that the command would take; what they do is tested in test_label_audit."""
    seen: list[object] = []
    monkeypatch.setattr(api, "audit_labels", lambda *given: seen.extend(given))
    segqc.audit(voc_root="voc", image_set="val", out=tmp_path, folds=5, steps=7, classes="a,b", device="cpu", top=3)
    config, console = seen
    training = TrainConfig(
        voc_root=Path("voc"), image_set="val", folds=5, steps=7, classes="a,b", device="cpu", method="segmenter"
    )
    assert (config, console) == (LabelAuditConfig(training, tmp_path, top=3), None)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "predictions: is not given"),
        ({"images": "i"}, "images together with ground_truth"),
        ({"voc_root": "v", "model": "voc"}, "model: applies only to an audit of predictions"),
        ({"predictions": "p", "images": "i", "folds": 3}, "folds: applies only to an audit of ground truth"),
        ({"predictions": "p", "images": "i"}, "i: holds no image"),
        ({"voc_root": "v", "shard": "1/2"}, "shard: applies only to an audit of predictions"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict, words: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "i").mkdir()
    with pytest.raises(BadInput, match=words):
        segqc.audit(**given)
    assert not (tmp_path / "audit").exists()


def test_numbers_out_of_range_and_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="top"):
        segqc.audit(predictions="p", images="i", top=0)
    with pytest.raises(ValueError, match="Unknown key colour"):
        choose_audit({"predictions": "p", "colour": "red"})
    with pytest.raises(BadInput, match="--voc-root, --data, or --images together with --ground-truth"):
        choose_audit({}, lambda name: f"--{name.replace('_', '-')}")


def test_its_arguments_are_the_fields_of_the_configuration_with_their_defaults() -> None:
    arguments = inspect.signature(segqc.audit).parameters
    own = {field.name for field in fields(AuditConfig)}
    assert arguments.keys() == own | {*OF_TRAININGS, "progress"}
    for name in ("out", "top", "heatmaps"):
        assert arguments[name].default == getattr(AuditConfig, name)
    assert all(name in segqc.audit.__doc__ for name in arguments)


def test_the_package_is_imported_without_torch_and_lists_its_names() -> None:
    code = (
        "import sys, segqc\n"
        "assert not {'torch', 'numpy', 'PIL', 'rich'} & set(sys.modules), sorted(sys.modules)\n"
        "assert set(segqc.__all__) <= set(dir(segqc))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(segqc, name) is not None for name in segqc.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = segqc.nothing
