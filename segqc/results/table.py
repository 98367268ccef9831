"""An audit read back from its folder: rows with numbers as numbers, the classes, and a name for what was audited."""

import csv
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.base.settings import from_json
from segqc.data.labels import LabelSpace, parse_classes
from segqc.model.config import ModelConfig

WHOLE_NUMBERS = ("rank", "width", "height")
NUMBERS = (
    "score",
    "dice",
    "agreement",
    "density",
    "p_value",
    "expected_dice",
    "expected_dice_low",
    "expected_dice_high",
)


@dataclass(frozen=True)
class AuditTable:
    """Rows of an audit and what was said about it.

    Attributes
    ----------
    folder : Path
        Where the table lies.
    rows : list of dict
        As in scores.csv, in the order of their ranks; what is absent is None or "". Columns of a calibration are there
        when it was used. A table without ranks, as a hook writes it, is ranked by score.
    summary : dict
        summary.json, or empty where a table lies alone.
    """

    folder: Path
    rows: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    @cached_property
    def base(self) -> Path:
        """The folder that relative paths in the table start from: the working directory, or the folder above the table
        where they lead to files.

        An audit writes paths as it was given them; this way it can be read from another place than the one in which it
        was run.
        """
        paths = [
            Path(row["prediction"])
            for row in self.rows
            if row.get("prediction") and not Path(row["prediction"]).is_absolute()
        ]
        candidates = [Path(), *self.folder.resolve().parents]
        return next((folder for folder in candidates if any((folder / path).is_file() for path in paths[:100])), Path())

    def path(self, row: Mapping[str, Any], column: str) -> Path:
        """The file that a row names in `column` ("image", "prediction"); the base folder where it names none."""
        return self.base / (row.get(column) or "")

    def labels(self, classes: str | None = None) -> LabelSpace:
        """The classes: those of the option `classes` if given, else those of the audit's model.

        Raises
        ------
        BadInput
            When the option cannot be read, or the model is no longer where it was.
        """
        if classes is not None:
            return parse_classes(classes)
        model = Path(str(self.summary.get("model", {}).get("folder", "")))
        try:
            return from_json(ModelConfig, read_json(model / "config.json")).label_space
        except (BadInput, ValueError) as error:
            raise BadInput(
                self.folder, f"names no model whose classes can be read: {error}", "name the classes with --classes"
            ) from error


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
    path = Path(path)
    tables = [path / "scores.parquet", path / "scores.csv"] if path.is_dir() else [path]
    table = next((table for table in tables if table.is_file()), None)
    if table is None:
        raise BadInput(
            path,
            "holds no scores.parquet and no scores.csv",
            "give a folder written by `segqc audit`, or one of its tables",
        )
    columns, rows = _read_parquet(table) if table.suffix == ".parquet" else _read_csv(table)
    if not {"id", "score", "status"} <= columns:
        raise BadInput(
            table,
            "is not the table of an audit: it needs the columns id, score and status",
            "give the scores.csv of an audit",
        )
    for row in rows:
        numbers = {name: parse_number(row[name]) for name in (*WHOLE_NUMBERS, *NUMBERS) if name in row}
        row.update(
            {
                name: None if value is None else int(value) if name in WHOLE_NUMBERS else float(value)
                for name, value in numbers.items()
            }
        )
    rows.sort(key=_place)
    for place, row in enumerate(rows, start=1):
        if row.get("rank") is None:
            row["rank"] = place
    summary = table.with_name("summary.json")
    return AuditTable(table.parent, rows, read_json(summary) if summary.is_file() else {})


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


def audit_fingerprint(rows: Iterable[Mapping[str, Any]]) -> str:
    """A short name for what was audited, by which a review knows its audit: it depends on the ids and their scores, not
    on their order.
    """
    lines = sorted(
        f"{row.get('id')}\t{'' if (score := parse_number(row.get('score'))) is None else float(score)!r}"
        for row in rows
    )
    return hashlib.blake2b("\n".join(lines).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


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
    """A text cell without the apostrophe by which `segqc.base.tables.write_table` keeps spreadsheets from running it."""
    return text[1:] if text and text[0] == "'" and text[1:2] in ("=", "+", "-", "@", "\t") else text
