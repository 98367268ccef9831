"""`segqc tabular score`: score the rows of a table of any length, in chunks, and write a line for each.

Rows that cannot be read get a line with the reason. The table is read twice: once for the scores, which take eight
bytes a row in memory, and once to write them with their ranks.
"""

import csv
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.text import Text
from scipy.stats import rankdata

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.tables import csv_cell
from segqc.tabular.commands.reader import load_reader
from segqc.tabular.commands.score_lines import Line, header_of, number_lines, scored_lines
from segqc.tabular.config import ScoreConfig
from segqc.tabular.detector import GumbelScoreDetector
from segqc.tabular.io.files import Chunk, read_chunks
from segqc.tabular.io.raw import BadRow, Format
from segqc.tabular.unseen import UnseenValues

_TOP = 10  # most anomalous rows in the report


@dataclass
class Scored:
    """Result of `score_table`.

    Attributes
    ----------
    path : Path
        The CSV file.
    rows, bad, noted : int
        Rows that were scored, that could not be read, and that were scored although some cells could not be read.
    outliers : int
        Rows beyond the model's threshold.
    warnings : dict of str to str
        Columns most of whose cells, somewhere in the table, are values that the model does not know.
    top : list of dict
        Lines of the ten most anomalous rows.
    seconds : float
        Time that scoring took, without explanations and files.
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
        raise BadInput(config.out, "is the table itself; the scores would replace it", "name another --out")
    names, how = load_reader(config.model)
    detector = GumbelScoreDetector.load(config.model, device=config.device)
    report = Scored(config.out)
    with make_progress(console) as progress:
        readings = _Readings(detector, config, how, names, report, progress)
        scores, problems = readings.score()
        if not len(scores) and not problems:
            raise BadInput(config.data, "has no rows", "it needs at least one below the header")
        report.rows, report.bad = len(scores), len(problems)
        readings.write(scores, problems)
    report.top = sorted(report.top, key=lambda line: (line["rank"], line["row"]))[:_TOP]
    return report


@dataclass(frozen=True)
class _Readings:
    """The two readings of a table; both add to the report."""

    detector: GumbelScoreDetector
    config: ScoreConfig
    how: Format
    names: list[str]
    report: Scored
    progress: Progress

    def score(self) -> tuple[np.ndarray, list[BadRow]]:
        """Anomaly scores of the rows that can be read, float64 `[n]`, and the rows that cannot."""
        problems: list[BadRow] = []
        parts = [np.empty(0)]
        task = self.progress.add_task("scoring", total=None)
        for chunk in self._chunks(problems):
            start = time.perf_counter()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UnseenValues)
                parts.append(-self.detector.score_samples(chunk.table))
            self.report.seconds += time.perf_counter() - start
            self.report.noted += len(chunk.notes)
            self._say([warning.message for warning in caught])
            self.progress.advance(task, chunk.table.num_rows)
        scores = np.concatenate(parts)
        self.progress.update(task, total=len(scores))
        return scores, problems

    def write(self, scores: np.ndarray, problems: list[BadRow]) -> None:
        """Read the table again, and write a line per row with its rank."""
        cells = min(self.config.cells, len(self.names))
        header = header_of(cells, self.config.keep)
        lines = number_lines(self._lines(scores, len(problems), cells), problems)
        with atomic_path(self.config.out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([csv_cell(name) for name in header])
            for line in lines:
                writer.writerow([csv_cell(line.get(name)) for name in header])
                self.report.outliers += line.get("outlier") == "yes"
                if line.get("rank", _TOP + 1) <= _TOP:
                    self.report.top.append(line)

    def _lines(self, scores: np.ndarray, bad: int, cells: int) -> Iterator[Line]:
        ranks = rankdata(-scores, method="min").astype(np.int64)
        task = self.progress.add_task("writing", total=len(scores) + bad)
        done = 0
        for chunk in self._chunks([]):
            rows = slice(done, done + chunk.table.num_rows)
            yield from scored_lines(self.detector, chunk, scores[rows], ranks[rows], self.config.explained, cells)
            done = rows.stop
            self.progress.advance(task, chunk.table.num_rows)
        self.progress.update(task, completed=len(scores) + bad)

    def _chunks(self, problems: list[BadRow]) -> Iterator[Chunk]:
        return read_chunks(self.config.data, self.how, self.names, problems, self.config.chunk, self.config.keep)

    def _say(self, caught: Iterable[Warning | str]) -> None:
        """Print a warning of each column once, although it is of a chunk."""
        for warning in caught:
            column, words = getattr(warning, "column", str(warning)), str(warning)
            if column not in self.report.warnings:
                self.report.warnings[column] = words
                self.progress.console.print(Text.assemble(("Warning:", "bold yellow"), " ", words), soft_wrap=True)
