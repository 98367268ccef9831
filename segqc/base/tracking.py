"""Experiment trackers of Accelerate: settings, curves and results of a run in TensorBoard, MLflow or Weights & Biases.

Where the trackers write is their own matter: MLflow takes MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME from the
environment, Weights & Biases WANDB_MODE and WANDB_PROJECT. A run that is continued goes on in the tracker's run, whose
name is kept in the folder.
"""

import importlib.util
import math
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.storage.paths import RemotePath

PROJECT = "segqc"
"""Experiment of MLflow and project of Weights & Biases, unless the environment names another."""

_RUNS = "tracked.json"


def check_trackers(names: Sequence[str], folder: Path) -> None:
    """Refuse trackers that are not installed, or cannot write to the folder of the run, before any work.

    Raises
    ------
    BadInput
        Names the package and how to install it; or the folder is one of a store.
    """
    if names and isinstance(folder, RemotePath):
        raise BadInput(
            "--track", f"keeps files that grow beside the results, but {folder} is no local folder", "leave it out"
        )
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise BadInput("--track", f"needs {name}, which is not installed", "pip install 'segqc[track]'")


class Tracking:
    """The trackers of one run; made on the main process only, by `tracking`.

    Parameters
    ----------
    trackers : sequence of accelerate.tracking.GeneralTracker
        Started.
    """

    def __init__(self, trackers: Sequence[Any]) -> None:
        self._trackers = trackers

    def log(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Numbers, by name."""
        for tracker in self._trackers:
            tracker.log(dict(values), step=step)

    def picture(self, name: str, path: Path) -> None:
        """A PNG file: an artifact in MLflow, a picture elsewhere."""
        import numpy as np
        from PIL import Image

        for tracker in self._trackers:
            if tracker.name == "mlflow":
                tracker.log_artifact(str(path))
            else:
                with Image.open(path) as image:
                    tracker.log_images({name: np.asarray(image.convert("RGB"))[None]}, step=0, **_layout(tracker.name))


def _layout(name: str) -> dict[str, str]:
    """How TensorBoard is told that colours are the last axis."""
    return {"dataformats": "NHWC"} if name == "tensorboard" else {}


@contextmanager
def tracking(
    names: Sequence[str], folder: Path, title: str, settings: Mapping[str, Any], is_main: bool = True
) -> Iterator[Tracking | None]:
    """Start trackers and finish them, however the run ends; None where there are none, and on other processes.

    Parameters
    ----------
    names : sequence of str
        As in `segqc.base.settings.Tracker`.
    folder : Path
        Where TensorBoard writes, and where it is kept which runs of the trackers are this one's.
    title : str
        Name of the run.
    settings : mapping of str to JSON values
        Stored when the run begins.
    is_main : bool
    """
    if not names or not is_main:
        yield None
        return
    record = folder / _RUNS
    runs: dict[str, str] = read_json(record) if record.is_file() else {}
    started: list[Any] = []
    try:
        for name in names:
            tracker = _make(name, folder, title, runs.get(name))
            tracker.start()
            started.append(tracker)
            if name not in runs:
                tracker.store_init_configuration({key: _plain(value) for key, value in settings.items()})
                runs[name] = _run_of(tracker)
        write_json(record, runs)
        yield Tracking(started)
    finally:
        for tracker in started:
            tracker.finish()


def _make(name: str, folder: Path, title: str, run: str | None) -> Any:
    """A tracker that has not started; `run` is the one to continue."""
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, WandBTracker

    if name == "mlflow":
        return MLflowTracker(PROJECT, run_id=run, run_name=title)
    if name == "wandb":
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        return WandBTracker(project, name=title, id=run, resume="allow", dir=str(folder))
    return TensorBoardTracker("tracked", folder)


def _run_of(tracker: Any) -> str:
    """By what the tracker's run is found again."""
    if tracker.name == "mlflow":
        return str(tracker.tracker.info.run_id)
    return str(tracker.tracker.id) if tracker.name == "wandb" else "tracked"


def _plain(value: Any) -> str | int | float | bool:
    """What every tracker takes as a setting."""
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def numbers_in(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The finite numbers in nested mappings, by names like "quality/spearman"."""
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= numbers_in(value, f"{prefix}{key}/")
        elif isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}{key}"] = float(value)
    return found
