"""`segqc tabular benchmark`: all methods on a labelled table of one's own, by the protocol of the seven sets."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow
import pyarrow.compute
from rich.console import Console

from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.datasets import LabelledTable
from evaluation.tables.methods import METHODS, title
from evaluation.tables.summary import Results
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.tables import write_table
from segqc.tabular.commands.reader import read_features
from segqc.tabular.config import BenchmarkConfig
from segqc.tabular.io.cells import is_date, seconds_of
from segqc.tabular.io.files import split_label

_NAME = "table"
_MEASURES = ("average_precision", "auroc")


@dataclass(frozen=True)
class OwnResults:
    """Rows of benchmark.csv, best first, and the counts behind them."""

    lines: list[dict[str, Any]]
    inliers: int
    anomalies: int


def benchmark_table(config: BenchmarkConfig, console: Console | None = None) -> OwnResults:
    """Run what is missing, and write benchmark.csv.

    Raises
    ------
    BadInput
        The table cannot be read, has no such label, fewer than 10 inliers or no anomaly; or `out` holds the rows of
        another table.
    """
    table, labels = split_label(read_features(config), config.label, config.data)
    features = pyarrow.table(
        {name: _plain(column) for name, column in zip(table.column_names, table.columns, strict=True)}
    )
    anomalous = pyarrow.compute.fill_null(pyarrow.compute.equal(labels, config.anomaly), False).to_numpy(
        zero_copy_only=False
    )
    anomalies, inliers = int(anomalous.sum()), int((~anomalous).sum())
    if not anomalies or inliers < 10:
        values = ", ".join(repr(value) for value in pyarrow.compute.unique(labels).to_pylist()[:10])
        raise BadInput(
            config.data,
            f"has {anomalies} rows whose {config.label!r} is {config.anomaly!r}, and {inliers} others",
            f"the column has {values}",
        )
    header = {
        "label": config.label,
        "anomaly": config.anomaly,
        "columns": {field.name: str(field.type) for field in features.schema},
        "sha256": table_digest(features.append_column(f"label {config.label}", labels)),
    }
    marker = config.out / "benchmark.json"
    if marker.is_file() and read_json(marker) != header:
        raise BadInput(config.out, "holds the benchmark of another table", "name another --out, or remove it")
    write_json(marker, header)
    methods, data = list(config.methods or METHODS), LabelledTable(_NAME, features, anomalous)
    run_benchmark([(_NAME, lambda: data)], methods, config.seeds, config.out, console)
    results = Results(config.out, methods, [_NAME], config.seeds)
    lines = [_line(results, method) for method in methods]
    lines.sort(key=lambda line: -line["average_precision"])
    ceilings = {measure: results.ceiling(_NAME, measure) for measure in _MEASURES}
    lines.append(
        {"method": "(ceiling of any score)", "seeds": len(config.seeds)}
        | {measure: cell.mean / 100 for measure, cell in ceilings.items() if cell}
    )
    write_table(config.out / "benchmark.csv", lines, tuple(lines[0]))
    return OwnResults(lines, inliers, anomalies)


def _plain(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """Text or float64: dates as seconds, since the baselines know no dates."""
    return seconds_of(column) if is_date(column.type) else column


def table_digest(table: pyarrow.Table) -> str:
    """SHA-256 of the names and the cells of a table of text and float64, however it is cut into chunks."""
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(repr((name, len(column))).encode())
        digest.update(column.is_null().to_numpy().tobytes())
        if pyarrow.types.is_string(column.type):
            digest.update(pyarrow.compute.binary_length(column.fill_null("")).to_numpy().tobytes())
            digest.update("".join(column.fill_null("").to_pylist()).encode())
        else:
            digest.update(column.fill_null(0.0).to_numpy().tobytes())
    return digest.hexdigest()


def _line(results: Results, method: str) -> dict[str, Any]:
    rows = results.rows(method, _NAME)
    line: dict[str, Any] = {"method": title(method), "seeds": len(rows)}
    for measure in _MEASURES:
        cell = results.cell(method, _NAME, measure)
        if cell:
            line |= {measure: cell.mean / 100, f"{measure}_sd": cell.deviation / 100}
    line["fit_seconds"] = sum(row.fit_seconds for row in rows) / len(rows)
    line["score_seconds"] = sum(row.score_seconds for row in rows) / len(rows)
    return line
