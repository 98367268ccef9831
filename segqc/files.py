"""Files that are whole or absent, and one kind of error for files that are neither.

Everything written goes to a temporary sibling first and is renamed over its final name, so that a run killed at any moment leaves either
the old file or the new one. Temporary names begin with a dot: every folder listing in this package passes over hidden files.
"""

import csv
import dataclasses
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet


class BadInput(Exception):
    """An input that cannot be used: which, why, and what to do about it.

    Parameters
    ----------
    path : Path or str
        The offending file or folder, or the name of the option that held it.
    reason : str
        What is wrong, as a clause ("is truncated after 512 bytes").
    fix : str
        What the user can do; may be empty.
    """

    def __init__(self, path: Path | str, reason: str, fix: str = "") -> None:
        super().__init__(path, reason, fix)  # all of them in args: the exception survives pickling between worker processes
        self.path = path
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.fix})" if self.fix else "")


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, renamed over it on success and removed on error.

    The sibling has the suffix of `path`, since many writers choose their format by it. Missing parent folders are made.

    Raises
    ------
    OSError
        When the folder cannot be made or written to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # A full disk names no file, and the temporary name tells nobody anything.
        if error.errno is not None and error.filename in (None, str(temporary), temporary):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def describe_os_error(error: OSError) -> str:
    """What the system would not do, in one line: the file and the reason."""
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError):
        reason = "is in the way: it is a file, and a folder is needed there"
    return reason if error.filename is None else f"{error.filename}: {reason}"


def _plain(value: Any) -> Any:
    """What `json` cannot write by itself: NumPy scalars and arrays, paths, dataclasses."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"Expected something JSON can hold, but got {type(value).__name__}")


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as indented UTF-8 JSON.

    Raises
    ------
    ValueError
        For NaN and infinities: JSON has no word for them and browsers refuse the file. Write None, and say why it is None.
    TypeError
        For objects that are neither JSON types, NumPy values, paths nor dataclasses.
    """
    text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    with atomic_path(path) as temporary:
        # A file name that is not UTF-8 arrives here as lone surrogates; "backslashreplace" writes them as JSON's own \\udcxx escapes.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    BadInput
        When the file is missing, unreadable, or not JSON (with line and column).
    """
    try:
        return json.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise BadInput(path, "does not exist") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(path, f"is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise BadInput(path, f"is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise BadInput(path, "is not valid JSON: nested too deeply") from error


NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""Pattern of text that is a plain number."""

# A spreadsheet takes a text cell that begins with one of these for a formula and may run it (OWASP, "CSV injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")


def _text(value: str) -> str:
    """`value` as text that UTF-8 can hold (undecodable bytes of a file name become U+FFFD)."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _cell(value: Any) -> Any:
    """A Python value for a table: paths become text, NumPy scalars plain numbers."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, np.generic):
        value = value.item()
    return _text(value) if isinstance(value, str) else value


def csv_cell(value: Any) -> Any:
    """A Python value for a CSV file: as `_cell`, on one line, and no formula for a spreadsheet. Text that is a plain number, -5 or +49, is none."""
    value = _cell(value)
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")  # the csv module leaves a lone carriage return unquoted, and readers take it for the end of the row
    return f"'{value}" if value.startswith(_FORMULA_STARTS) and not re.fullmatch(NUMBER, value) else value


def _parquet_column(values: list[Any]) -> pyarrow.Array:
    """One typed column. A numeric column may mark absent values by "" as well as None; both become null."""
    present = [value for value in values if value is not None and value != ""]
    if present and not any(isinstance(value, str) for value in present):
        values = [None if value == "" else value for value in values]
    return pyarrow.array(values)


def write_table(path: Path | str, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write `rows` as CSV or Parquet, by the suffix of `path`.

    Parameters
    ----------
    path : Path or str
        Ends in ``.csv`` or ``.parquet``.
    rows : sequence of dict
        One dict a row; a missing key or None is an empty cell.
    columns : sequence of str
        The columns in order.

    Notes
    -----
    Numbers are written in full (``repr``). In CSV, text that a spreadsheet would take for a formula gets a leading apostrophe, unless it is a
    plain number; Parquet keeps the text as it is.

    Raises
    ------
    ValueError
        When a row has a key that is not a column, or the suffix is neither of the two.
    """
    path = Path(path)
    known = set(columns)
    for row in rows:
        if not known.issuperset(row):
            raise ValueError(f"Expected rows with the columns {', '.join(columns)}, but got also {', '.join(sorted(set(row) - known))}")
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    if path.suffix == ".csv":
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([csv_cell(cell) for cell in row] for row in cells)
    elif path.suffix == ".parquet":
        table = pyarrow.table({column: _parquet_column([row[i] for row in cells]) for i, column in enumerate(columns)})
        with atomic_path(path) as temporary:
            pyarrow.parquet.write_table(table, temporary)
    else:
        raise ValueError(f"Expected `path` to end in .csv or .parquet, but got {path.name}")
