"""One row of the benchmark: a method on a set with a seed, measured, and kept as a file of its own."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.tables.baselines.base import TableBaseline
from evaluation.tables.memory import peak_rise, start_peak
from evaluation.tables.protocol import Split, file_name
from segqc.base.files import atomic_path, read_json, write_json


@dataclass(frozen=True)
class Row:
    """Record of a fit.

    Attributes
    ----------
    dataset, method : str
    seed : int
        Seed of the split and of the method.
    settings : dict
        Settings of the method, as JSON.
    average_precision, auroc : float
    fit_seconds, fit_cpu_seconds, score_seconds : float
        Wall clock and CPU time of the fit; wall clock of scoring the test rows.
    peak_mib : float or None
        Largest rise of the resident memory of the process during fit and scoring; None where the system does not
        report it.
    trained_rows, test_rows, anomalies : int
    epochs : str
        Length of the training in words.
    """

    dataset: str
    method: str
    seed: int
    settings: dict[str, Any]
    average_precision: float
    auroc: float
    fit_seconds: float
    fit_cpu_seconds: float
    score_seconds: float
    peak_mib: float | None
    trained_rows: int
    test_rows: int
    anomalies: int
    epochs: str


def measure(dataset: str, method: str, model: TableBaseline, seed: int, split: Split) -> tuple[Row, np.ndarray]:
    """Fit, score and judge; also the scores of the test rows, float64 `[n]`.

    Raises
    ------
    FloatingPointError
        When a score is not finite.
    """
    settings = plain_settings(model)
    before = start_peak()
    start, cpu = time.perf_counter(), time.process_time()
    model.fit(split.train, split.validation)
    fitted, fit_cpu = time.perf_counter(), time.process_time() - cpu
    scores = np.asarray(model.anomaly_score(split.test), np.float64)
    end, peak_mib = time.perf_counter(), peak_rise(before)
    if not np.isfinite(scores).all():
        raise FloatingPointError(
            f"{method} on {dataset}, seed {seed}: {np.count_nonzero(~np.isfinite(scores))} scores are not finite"
        )
    row = Row(
        dataset, method, seed, settings,
        average_precision=float(average_precision_score(split.anomalous, scores)),
        auroc=float(roc_auc_score(split.anomalous, scores)),
        fit_seconds=fitted - start, fit_cpu_seconds=fit_cpu, score_seconds=end - fitted,
        peak_mib=peak_mib,
        trained_rows=split.train.num_rows, test_rows=len(scores), anomalies=int(split.anomalous.sum()),
        epochs=model.epochs_,
    )  # fmt: skip
    return row, scores


def plain_settings(model: TableBaseline) -> dict[str, Any]:
    """Constructor arguments of a method that is not fitted yet, as JSON gives them back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(model).items()}


def row_path(folder: Path, dataset: str, method: str, seed: int) -> Path:
    """Where a row is kept; its scores are beside it."""
    return folder / "rows" / f"{file_name(dataset)}.{method}.{seed}.json"


def save_row(folder: Path, row: Row, scores: np.ndarray) -> None:
    """Write a row and its scores; the scores come first, so that a row on disk always has them."""
    path = row_path(folder, row.dataset, row.method, row.seed)
    with atomic_path(path.with_suffix(".safetensors")) as temporary:
        save_file({"scores": scores}, temporary)
    write_json(path, dataclasses.asdict(row))


def load_row(folder: Path, dataset: str, method: str, seed: int) -> Row | None:
    """The row, or None when it is not there."""
    path = row_path(folder, dataset, method, seed)
    return Row(**read_json(path)) if path.is_file() else None


def load_scores(folder: Path, row: Row) -> np.ndarray:
    """Scores of the test rows, float64 `[n]`."""
    return load_file(row_path(folder, row.dataset, row.method, row.seed).with_suffix(".safetensors"))["scores"]
