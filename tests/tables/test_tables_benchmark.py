"""The benchmark end to end on small tables: rows that are kept, resumed and replaced, and a document that says what
they say.
"""

import importlib.util
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pytest

from evaluation.tables.baselines.base import TableBaseline
from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.datasets import LabelledTable
from evaluation.tables.methods import METHODS, Method
from evaluation.tables.report import render_report
from evaluation.tables.rows import load_row, load_scores, row_path
from evaluation.tables.summary import Results
from segqc.base.errors import BadInput

FITS: list[tuple[str, int]] = []


class Scripted(TableBaseline):
    """Scores by the column "truth" with as much noise as it is told."""

    def __init__(self, noise: float, seed: int) -> None:
        self.noise = noise
        self.seed = seed

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "Scripted":
        FITS.append((f"noise {self.noise}", self.seed))
        self.epochs_ = "3 epochs"
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return X.column("truth").to_numpy() + self.noise * np.random.default_rng(self.seed).normal(size=X.num_rows)


def labelled(name: str) -> LabelledTable:
    anomalous = np.arange(220) >= 200
    return LabelledTable(
        name, pyarrow.table({"truth": anomalous + 1e-3 * np.arange(220), "kind": ["k"] * 220}), anomalous
    )


@pytest.fixture
def methods() -> Iterator[dict[str, Method]]:
    """The benchmark's methods, replaced by two scripted ones."""
    FITS.clear()
    real = dict(METHODS)
    METHODS.clear()
    METHODS["segqc"] = Method("segqc", "segqc (default)", "segqc", lambda seed: Scripted(0.1, seed))
    METHODS["noisy"] = Method("noisy", "noisy [one]", "published", lambda seed: Scripted(2.0, seed))
    yield METHODS
    METHODS.clear()
    METHODS.update(real)


def run(folder: Path, methods: Iterable[str], seeds: tuple[int, ...] = (0, 1)) -> None:
    run_benchmark([(name, lambda name=name: labelled(name)) for name in ("Bank", "CMC")], list(methods), seeds, folder)


def test_a_row_is_run_once_and_again_only_when_its_settings_change(tmp_path: Path, methods: dict[str, Method]) -> None:
    run(tmp_path, methods)
    assert len(FITS) == 8
    run(tmp_path, methods)
    assert len(FITS) == 8
    row_path(tmp_path, "CMC", "noisy", 1).unlink()
    run(tmp_path, methods)
    assert FITS[8:] == [("noise 2.0", 1)]
    methods["noisy"] = Method("noisy", "noisy", "published", lambda seed: Scripted(3.0, seed))
    run(tmp_path, methods)
    assert len(FITS) == 13
    assert load_row(tmp_path, "Bank", "noisy", 0).settings == {"noise": 3.0, "seed": 0}


def test_a_row_says_what_was_measured(tmp_path: Path, methods: dict[str, Method]) -> None:
    run(tmp_path, methods, (4,))
    row = load_row(tmp_path, "Bank", "segqc", 4)
    assert (row.trained_rows, row.test_rows, row.anomalies, row.epochs) == (160, 40, 20, "3 epochs")
    assert row.average_precision == row.auroc == 1
    assert len(load_scores(tmp_path, row)) == 40
    assert row.fit_seconds >= 0


def test_scores_that_are_not_finite_stop_the_benchmark(tmp_path: Path, methods: dict[str, Method]) -> None:
    methods["noisy"] = Method("noisy", "noisy", "published", lambda seed: Scripted(float("inf"), seed))
    with pytest.raises(FloatingPointError, match=r"noisy on Bank, seed 0: .* scores are not finite"):
        run(tmp_path, methods)
    assert load_row(tmp_path, "Bank", "noisy", 0) is None


def test_unknown_methods_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--methods: has 'x' \(there are segqc, "):
        run(tmp_path, ["x"])


def test_the_document_says_what_the_rows_say(tmp_path: Path, methods: dict[str, Method]) -> None:
    run(tmp_path, methods)
    run_benchmark([("Bank", lambda: labelled("Bank"))], ["segqc"], (2,), tmp_path)
    results = Results(tmp_path, methods, ["Bank", "CMC", "Chess"], (0, 1, 2))
    assert results.datasets == ["Bank", "CMC"]
    noisy = results.cell("noisy", "Bank", "average_precision")
    rows = [json.loads(row_path(tmp_path, "Bank", "noisy", seed).read_text())["average_precision"] for seed in (0, 1)]
    assert (noisy.mean, noisy.deviation, noisy.seeds) == (
        pytest.approx(100 * np.mean(rows)),
        pytest.approx(100 * np.std(rows, ddof=1)),
        2,
    )
    text, ranking = render_report(
        results, "segqc", "paper", "2026-01-01, commit abc", "python x", "a machine", "images/x.png"
    )
    lines = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("|")}
    assert "| segqc (default) | **100.00** ± 0.0 | **100.00** ± 0.0 (2) | 100.0 |" in text
    assert f"| noisy [one] | {noisy.mean:.2f} ± {noisy.deviation:.1f} (2) |" in text
    assert "*65.58* | *25.87*" in lines["| *paper: GNSM*"]
    assert "Segqc (default) exceeds everything in the paper's table on 2 of 2 sets" in text
    assert list(ranking["ranks"]) == [1, 2]
    assert "the smallest p-value that a win on all of them can have is 0.500" in text
    assert "3 epochs" in text


def test_a_document_of_one_method_has_no_ranks(tmp_path: Path, methods: dict[str, Method]) -> None:
    run(tmp_path, ["segqc"])
    text, ranking = render_report(
        Results(tmp_path, methods, ["Bank", "CMC"], (0, 1)), "segqc", "paper", "s", "c", "m", "p"
    )
    assert ranking is None
    assert "## Differences" not in text


@pytest.mark.skipif(importlib.util.find_spec("pyod") is None, reason="pyod is not installed")
def test_every_baseline_runs_under_the_protocol(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pyarrow.table({"a": [f"v{k}" for k in rng.integers(3, size=120)], "x": rng.normal(size=120)})
    data = LabelledTable("own", table, np.arange(120) >= 110)
    baselines = [name for name, method in METHODS.items() if method.group != "segqc" and name != "dagmm"]
    rows = run_benchmark([("own", lambda: data)], baselines, (0,), tmp_path)
    assert [row.method for row in rows] == baselines
    assert all(0 < row.average_precision <= 1 for row in rows)
    again = run_benchmark([("own", lambda: pytest.fail("was read again"))], baselines, (0,), tmp_path)
    assert again == rows
