"""An audit read back from its folder: rows of typed cells, the files that they name, and the classes."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.base.fingerprints import short_digest
from segqc.base.settings import from_json
from segqc.base.storage.paths import as_path
from segqc.data.label_files import parse_classes
from segqc.data.labels import LabelSpace
from segqc.data.reader import PairReader
from segqc.model.config import ModelConfig
from segqc.results.heatmaps import Heatmaps
from segqc.results.schema import (
    DECISION_COLUMNS,
    REQUIRED,
    SCORE_COLUMNS,
    STATE_COLUMNS,
    VOLUME_COLUMNS,
    Column,
    split_list,
)

SUMMARY, CLASSES = "summary.json", "classes.json"
_READ = (*SCORE_COLUMNS, *DECISION_COLUMNS, *STATE_COLUMNS, *VOLUME_COLUMNS)
_PROBED = 100  # relative paths that are tried to find where they start


@dataclass(frozen=True)
class AuditTable:
    """Rows of an audit and its summary.

    A relative path in the table or the summary starts in the audit's working directory, which the summary records. An
    audit of an earlier version does not record it, and one that was moved is no longer there: the path then starts in
    the current directory or in a folder above the table, whichever leads to a file.

    Attributes
    ----------
    folder : Path
        Where the table lies.
    rows : list of dict
        In the order of their ranks, every cell of the type that `segqc.results.schema` gives its column, None where it
        is empty. A table without ranks, as a hook writes it, is ranked by score.
    summary : dict
        summary.json, or empty where a table lies alone.
    """

    folder: Path
    rows: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in the order of the table."""
        return list(self.rows[0]) if self.rows else []

    @cached_property
    def by_id(self) -> dict[str, dict[str, Any]]:
        """The rows by their ids."""
        return {row["id"]: row for row in self.rows}

    def column(self, name: str, ids: Sequence[str]) -> np.ndarray:
        """A column of numbers for these ids, float64 `[n]`, NaN where an id or its value is missing."""
        values = (parse_number(self.by_id.get(id_, {}).get(name)) for id_ in ids)
        return np.array([math.nan if value is None else value for value in values], np.float64)

    @property
    def settings(self) -> dict[str, Any]:
        """The audit's configuration as JSON values; empty where it is not known."""
        return self.summary.get("config") or {}

    @cached_property
    def starts(self) -> list[Path]:
        """Folders in which a relative path may start, the likeliest first."""
        recorded = self.summary.get("working_directory")
        known = [Path(recorded)] if isinstance(recorded, str) and Path(recorded) != Path.cwd() else []
        return [*known, Path(), *self.folder.resolve().parents]

    @cached_property
    def base(self) -> Path:
        """The folder in which the table's relative paths start: the first of `starts` from which one of them leads to
        a file; the very first where none does.
        """
        named = (row.get(column) for row in self.rows for column in ("prediction", "image"))
        paths = list(islice((path for path in named if path and not as_path(path).is_absolute()), _PROBED))
        return next((start for start in self.starts if any((start / path).is_file() for path in paths)), self.starts[0])

    def path(self, row: Mapping[str, Any], column: str) -> Path:
        """The file that a row names in `column` ("image", "prediction"), there or not; `base` where it names none."""
        return self.base / as_path(row.get(column) or "")

    def file(self, row: Mapping[str, Any], column: str) -> Path:
        """The file that a row names in `column`.

        Raises
        ------
        BadInput
            When the row names none, or it is not there; the reason says where it was looked for.
        """
        if not row.get(column):
            raise BadInput(
                self.folder, f"names no {column} of {row['id']}: a hook keeps those of suspect predictions only"
            )
        path = self.path(row, column)
        if path.is_file():
            return path
        if as_path(row[column]).is_absolute():
            raise BadInput(path, f"does not exist; it is the {column} of {row['id']}", "put it back, or audit again")
        raise _not_found(row[column], self.starts, "run the command in the folder in which the audit was run")

    def locate(self, path: str | Path, option: str) -> Path:
        """A file or folder that the audit's configuration names.

        Raises
        ------
        BadInput
            When it is not there; the reason says where it was looked for, and the fix to name it with `option`.
        """
        starts = [self.base, *self.starts] if not as_path(path).is_absolute() else [Path()]
        found = next((start / as_path(path) for start in starts if (start / as_path(path)).exists()), None)
        if found is None:
            raise _not_found(path, starts, f"name it with {option}")
        return found

    def heatmap(self, row: Mapping[str, Any]) -> Path | None:
        """The heat map of a row's mask, where there is one. A hook's table does not name it: all lie in one folder."""
        path = self.folder / (row.get("heatmap") or Heatmaps(self.folder, spread=False).name(row["id"]))
        return path if path.is_file() else None

    def labels(self, classes: str | None = None, fix: str = "name the classes with --classes") -> LabelSpace:
        """The classes: those of the option `classes` if given, else those beside the table, as a hook writes them, else
        those of the audit's model.

        Raises
        ------
        BadInput
            When the option cannot be read, or the model is no longer where it was; `fix` is then what to do about it.
        """
        if classes is not None:
            return parse_classes(classes)
        if (self.folder / CLASSES).is_file():
            return parse_classes(str(self.folder / CLASSES))
        model = as_path(str(self.summary.get("model", {}).get("folder", "")))
        try:
            return from_json(ModelConfig, read_json(model / "config.json")).label_space
        except (BadInput, ValueError) as error:
            raise BadInput(self.folder, f"names no model whose classes can be read: {error}", fix) from error


def reader_of(table: AuditTable, labels: LabelSpace) -> PairReader:
    """How the audit's files are read, as it was decided when the audit began."""
    return PairReader.from_dict(labels, table.summary.get("reader"))


def read_audit_table(path: Path | str) -> AuditTable:
    """Read an audit.

    Parameters
    ----------
    path : Path or str
        The audit's folder (scores.parquet is preferred to scores.csv, since it keeps every text as it was), or a table:
        .csv or .parquet.

    Raises
    ------
    BadInput
        When there is no table, or it is not one of an audit.
    """
    path = as_path(path)
    tables = [path / "scores.parquet", path / "scores.csv"] if path.is_dir() else [path]
    table = next((table for table in tables if table.is_file()), None)
    if table is None:
        raise BadInput(
            path,
            "holds no scores.parquet and no scores.csv",
            "give a folder written by `segqc audit`, or one of its tables",
        )
    columns, rows = _read_parquet(table) if table.suffix == ".parquet" else _read_csv(table)
    if not columns.issuperset(REQUIRED):
        raise BadInput(
            table,
            "is not the table of an audit: it needs the columns id, score and status",
            "give the scores.csv of an audit",
        )
    for row in rows:
        row.update({column.name: _value(column, row[column.name]) for column in _READ if column.name in row})
        row["id"] = row["id"] or ""
    rows.sort(key=_place)
    for place, row in enumerate(rows, start=1):
        if row.get("rank") is None:
            row["rank"] = place
    summary = table.with_name(SUMMARY)
    return AuditTable(table.parent, rows, read_json(summary) if summary.is_file() else {})


def read_finished_audit(path: Path | str) -> AuditTable:
    """Read an audit that has its summary, as `segqc audit` leaves it.

    Raises
    ------
    BadInput
        As `read_audit_table`, and for a table that lies alone.
    """
    table = read_audit_table(path)
    if not {"model", "method", "config"} <= table.summary.keys():
        raise BadInput(path, f"is no finished audit: it has no {SUMMARY}", "give a folder written by `segqc audit`")
    return table


def parse_number(value: Any) -> float | int | None:
    """A finite number, or None for an empty or unreadable cell."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if is_number(value) and math.isfinite(value) else None


def is_number(value: Any) -> bool:
    """Whether a value is an int or a float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_scored(row: Mapping[str, Any]) -> bool:
    """Whether a row has a score; a row without a status, as Python users may write it, counts as sound."""
    return (row.get("status") or "ok") == "ok" and parse_number(row.get("score")) is not None


def unscored_reasons(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(id, reason) of each row without a score, in their order."""
    return [(str(row["id"]), str(row.get("reason") or "was not scored")) for row in rows if not is_scored(row)]


def spacing_of(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Size of a pixel of a slice, mm from row to row and from column to column; None for a picture."""
    sizes = [parse_number(size) for size in split_list(row.get("spacing"))]
    return (float(sizes[0]), float(sizes[1])) if len(sizes) == 2 and sizes[0] and sizes[1] else None


def audit_fingerprint(rows: Iterable[Mapping[str, Any]]) -> str:
    """A short name for what was audited, by which a review knows its audit: it depends on the ids and their scores, not
    on their order.
    """
    lines = sorted(
        f"{row.get('id')}\t{'' if (score := parse_number(row.get('score'))) is None else float(score)!r}"
        for row in rows
    )
    return short_digest("\n".join(lines), errors="surrogatepass")


def _value(column: Column, cell: Any) -> Any:
    """A cell as the schema types it; None where it is empty or cannot be that."""
    if column.kind in ("integer", "number"):
        number = parse_number(cell)
        return None if number is None else int(number) if column.kind == "integer" else float(number)
    if column.kind == "boolean":
        return {"true": True, "false": False}.get(str(cell).lower())
    return None if cell in (None, "") else str(cell)


def _not_found(path: Path | str, starts: Iterable[Path], fix: str) -> BadInput:
    tried = ", ".join(dict.fromkeys(str(start / path) for start in starts))
    return BadInput(path, f"does not exist; tried {tried}", fix)


def _place(row: Mapping[str, Any]) -> tuple[float, bool, float, str]:
    """Sort key: the rank where the table has one (a hook's review folder has none), else highest score first, unscored
    last, equal ones by id.
    """
    rank = math.inf if row.get("rank") is None else row["rank"]
    return rank, not is_scored(row), -(row["score"] or 0.0), str(row["id"])


def _read_parquet(path: Path) -> tuple[set[str], list[dict[str, Any]]]:
    try:
        table = pyarrow.parquet.read_table(path)
        return set(table.column_names), table.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(path, f"is not a Parquet file: {error}", "run the audit again") from error


def _read_csv(path: Path) -> tuple[set[str], list[dict[str, Any]]]:
    try:
        # a spreadsheet that saved the table may have put a mark before it
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{name: _cell(text) for name, text in row.items() if name is not None} for row in reader]
            return set(reader.fieldnames or ()), rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(path, f"is not a readable CSV file: {error}", "run the audit again") from error


def _cell(text: str | None) -> str | None:
    """A text cell without the apostrophe that `segqc.base.tables.write_table` puts before what looks like a formula."""
    return text[1:] if text and text[0] == "'" and text[1:2] in ("=", "+", "-", "@", "\t") else text
