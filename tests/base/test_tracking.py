"""Trackers: what they are given arrives, a continued run stays one run, a missing package is an error before work."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from segqc.base import tracking as module
from segqc.base.devices import make_accelerator
from segqc.base.errors import BadInput
from segqc.base.tracking import check_trackers, numbers_in, tracking

SETTINGS = {"steps": 3, "device": None, "levels": [0, 1], "rate": 0.5}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A local MLflow store, in a database of its own."""
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    address = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts of a database
    return address


def write_picture(path: Path) -> Path:
    Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)).save(path)
    return path


def run_twice(names: tuple[str, ...], folder: Path) -> None:
    """Two steps, then two more of the continued run."""
    make_accelerator("cpu")  # Accelerate's trackers ask its state who the main process is
    for first in (0, 2):
        with tracking(names, folder, "a run", SETTINGS) as trackers:
            assert trackers is not None
            for step in (first, first + 1):
                trackers.log({"loss": 1.0 / (step + 1)}, step)
    with tracking(names, folder, "a run", SETTINGS) as trackers:
        assert trackers is not None
        trackers.picture("sheet", write_picture(folder / "sheet.png"))


def test_mlflow_has_settings_curves_and_the_sheet_in_one_run(store: str, tmp_path: Path) -> None:
    import mlflow

    run_twice(("mlflow",), tmp_path)
    client = mlflow.MlflowClient(store)
    (experiment,) = client.search_experiments(filter_string="name = 'segqc'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "a run"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"steps": "3", "device": "None", "levels": "[0, 1]", "rate": "0.5"}
    curve = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(step, 1.0 / (step + 1)) for step in range(4)]
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["sheet.png"]


def test_tensorboard_has_curves_and_the_sheet(tmp_path: Path) -> None:
    run_twice(("tensorboard",), tmp_path)
    events = EventAccumulator(str(tmp_path / "tracked"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (step, pytest.approx(1.0 / (step + 1))) for step in range(4)
    ]
    assert [(image.width, image.height) for image in events.Images("sheet")] == [(6, 4)]


def test_wandb_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run_twice(("wandb",), tmp_path)
    assert json.loads((tmp_path / "tracked.json").read_text())["wandb"]
    assert list(tmp_path.glob("wandb/offline-run-*"))


def test_nothing_is_tracked_unasked_or_by_another_process(tmp_path: Path) -> None:
    for names, is_main in (((), True), (("tensorboard",), False)):
        with tracking(names, tmp_path, "a run", SETTINGS, is_main) as trackers:
            assert trackers is None
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        BadInput, match=r"--track: needs mlflow, which is not installed \(pip install 'segqc\[track\]'\)"
    ):
        check_trackers(("mlflow",), tmp_path)
    check_trackers((), tmp_path)


def test_numbers_in_a_summary() -> None:
    summary: dict[str, Any] = {"scored": 3, "whole": True, "name": "x", "none": None, "nan": math.nan}
    summary |= {"quality": {"spearman": np.float64(-0.5), "by": {"k": 2}}, "list": [1]}
    assert numbers_in(summary) == {"scored": 3.0, "quality/spearman": -0.5, "quality/by/k": 2.0}
