"""`segqc tabular score`: a line per row of a table of any length, in chunks; lines that are no rows get one too, with
the reason.

The table is read twice: once for the scores, of which eight bytes a row stay in memory, and once to write them with
their ranks.
"""

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from rich.console import Console
from rich.progress import Progress
from rich.text import Text
from scipy.stats import rankdata

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.tables import csv_cell
from segqc.tabular.commands.reader import load_reader
from segqc.tabular.config import ScoreConfig
from segqc.tabular.detector import GumbelScoreDetector
from segqc.tabular.encoding import CategoricalColumn
from segqc.tabular.io.files import BadRow, Chunk, Format, read_chunks

_MANY = 5  # unknown cells: fewer are odd cells


@dataclass
class Scored:
    """What `score_table` did.

    Attributes
    ----------
    path : Path
        The CSV file.
    rows, bad, noted : int
        Scored; could not be read; scored, with cells that could not be read.
    outliers : int
        Beyond the model's threshold.
    warnings : dict of str to str
        Columns most of whose cells, somewhere in the table, are values that the model does not know.
    top : list of dict
        Lines of the ten most anomalous rows.
    seconds : float
        Of scoring, explanations and files aside.
    """

    path: Path
    rows: int = 0
    bad: int = 0
    noted: int = 0
    outliers: int = 0
    warnings: dict[str, str] = field(default_factory=dict)
    top: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def score_table(config: ScoreConfig, console: Console | None = None) -> Scored:
    """Score every row and write the CSV file.

    Its columns: row (number among the data rows, from 1), status ("ok" or "error"), rank (1 = most anomalous, ties
    share the smallest), score (higher = more anomalous), odd_1, value_1, share_1 and so on (columns by falling
    contribution, their cells, and their contributions), outlier ("yes" beyond the model's threshold), reason, and the
    columns to keep, as they stand in the table.

    Raises
    ------
    BadInput
        Model or table cannot be used as a whole.
    """
    if config.out.suffix != ".csv":
        raise BadInput(config.out, "does not end in .csv", "name a CSV file")
    if config.out.exists() and config.data.exists() and config.out.samefile(config.data):
        raise BadInput(config.out, "is the table itself, which the scores would replace", "name another --out")
    names, how = load_reader(config.model)
    detector = GumbelScoreDetector.load(config.model, device=config.device)
    report = Scored(config.out)
    with make_progress(console) as progress:
        scores, problems = _scores(detector, config, how, names, report, progress)
        if not len(scores) and not problems:
            raise BadInput(config.data, "has no rows", "it needs at least one below the header")
        ranks = rankdata(-scores, method="min").astype(np.int64)
        report.rows, report.bad = len(scores), len(problems)
        _write(detector, config, how, names, scores, ranks, problems, report, progress)
    return report


def _chunks(config: ScoreConfig, how: Format, names: list[str], problems: list[BadRow]) -> Iterator[Chunk]:
    return read_chunks(config.data, how, names, problems, config.chunk, config.keep)


def _scores(
    detector: GumbelScoreDetector,
    config: ScoreConfig,
    how: Format,
    names: list[str],
    report: Scored,
    progress: Progress,
) -> tuple[np.ndarray, list[BadRow]]:
    """Anomaly scores of the rows that can be read, float64 `[n]`, and those that cannot."""
    problems: list[BadRow] = []
    parts = [np.empty(0)]
    task = progress.add_task("scoring", total=None)
    for chunk in _chunks(config, how, names, problems):
        start = time.perf_counter()
        parts.append(-detector.score_samples(chunk.table))
        report.seconds += time.perf_counter() - start
        report.noted += len(chunk.notes)
        for name, words in _unseen(detector, chunk.table).items():
            if name not in report.warnings:
                report.warnings[name] = words
                progress.console.print(Text.assemble(("Warning:", "bold yellow"), " ", words), soft_wrap=True)
        progress.advance(task, chunk.table.num_rows)
    scores = np.concatenate(parts)
    progress.update(task, total=len(scores))
    return scores, problems


def _unseen(detector: GumbelScoreDetector, table: pyarrow.Table) -> dict[str, str]:
    """A word on every column of categories most of whose cells are unknown to the model: rather another format than
    that many odd rows.
    """
    found = {}
    for name, column in zip(detector.encoder_.names, detector.encoder_.columns, strict=True):
        if isinstance(column, CategoricalColumn) and column.outcomes:
            present = table.column(name).drop_null()
            known = pyarrow.compute.is_in(present, value_set=pyarrow.array(column.outcomes, pyarrow.string()))
            new = present.filter(pyarrow.compute.invert(known))
            if len(new) >= _MANY and 2 * len(new) > len(present):
                here = f"{len(new):,} of {len(present):,} cells in a row are values that the model does not know, such as {new[0].as_py()[:40]!r}"
                found[name] = f"{name}: {here}; is it another format, or another code?"
    return found


def _write(
    detector: GumbelScoreDetector,
    config: ScoreConfig,
    how: Format,
    names: list[str],
    scores: np.ndarray,
    ranks: np.ndarray,
    problems: list[BadRow],
    report: Scored,
    progress: Progress,
) -> None:
    """The second reading. Lines stand in the order of the table."""
    cells = min(config.cells, len(names))
    header = ["row", "status", "rank", "score"]
    header += [f"{what}_{k}" for k in range(1, cells + 1) for what in ("odd", "value", "share")]
    header += ["outlier", "reason", *(f"kept_{name}" for name in config.keep)]
    waiting = sorted(problems, key=lambda problem: problem.number, reverse=True)
    task = progress.add_task("writing", total=len(scores) + len(problems))
    number, done = 1, 0
    with atomic_path(config.out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([csv_cell(name) for name in header])

        def write(line: dict[str, Any]) -> None:
            writer.writerow([csv_cell(line.get(name)) for name in header])

        def write_bad(rest: bool = False) -> int:
            """Lines for the bad rows that come next, or for all that are left; the number after them."""
            following = number
            while waiting and (rest or waiting[-1].number == following):
                problem = waiting.pop()
                write({"row": problem.number, "status": "error", "reason": problem.reason})
                following = problem.number + 1
            return following

        for chunk in _chunks(config, how, names, []):
            rows = slice(done, done + chunk.table.num_rows)
            odd = _odd_cells(detector, chunk.table, ranks[rows] <= config.explained, cells)
            kept = {name: chunk.kept.column(name).fill_null("").to_pylist() for name in config.keep}
            for i, (score, rank) in enumerate(zip(scores[rows].tolist(), ranks[rows].tolist(), strict=True)):
                number = write_bad()
                line = {
                    "row": number,
                    "status": "ok",
                    "rank": rank,
                    "score": score,
                    "outlier": "yes" if -score < detector.offset_ else "",
                }
                line |= (
                    odd.get(i, {})
                    | {f"kept_{name}": values[i] for name, values in kept.items()}
                    | {"reason": chunk.notes.get(i)}
                )
                write(line)
                number += 1
                report.outliers += line["outlier"] == "yes"
                if rank <= 10:
                    report.top.append(line)
            done = rows.stop
            progress.advance(task, chunk.table.num_rows)
        write_bad(rest=True)
        progress.update(task, completed=len(scores) + len(problems))
    report.top = sorted(report.top, key=lambda line: (line["rank"], line["row"]))[:10]


def _odd_cells(
    detector: GumbelScoreDetector, table: pyarrow.Table, chosen: np.ndarray, cells: int
) -> dict[int, dict[str, Any]]:
    """Columns, cells and contributions of the chosen rows, by row: falling, and only what makes a row more anomalous."""
    rows = np.flatnonzero(chosen)
    if not len(rows) or not cells:
        return {}
    part = table.take(rows)
    contributions = detector.explain(part)
    order = np.argsort(-contributions, axis=1, kind="stable")[:, :cells]
    values = [column.to_pylist() for column in part.columns]
    found: dict[int, dict[str, Any]] = {}
    for i, row in enumerate(rows.tolist()):
        line: dict[str, Any] = {}
        for k, j in enumerate(order[i].tolist(), start=1):
            if contributions[i, j] > 0:
                value = values[j][i]
                line |= {
                    f"odd_{k}": table.column_names[j],
                    f"value_{k}": "(missing)" if value is None else value,
                    f"share_{k}": contributions[i, j],
                }
        found[row] = line
    return found
