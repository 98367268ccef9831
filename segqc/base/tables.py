"""Tables on disk: CSV that no spreadsheet takes for formulas, and Parquet."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from segqc.base.files import atomic_path

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
    """A Python value for a CSV file: as `_cell`, on one line, and no formula for a spreadsheet.

    Text that is a plain number, -5 or +49, is none.
    """
    value = _cell(value)
    if not isinstance(value, str):
        return value
    # the csv module leaves a lone carriage return unquoted, and readers take it for the end of the row
    value = value.replace("\r", " ")
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
    Numbers are written in full (``repr``). In CSV, text that a spreadsheet would take for a formula gets a leading
    apostrophe, unless it is a plain number; Parquet keeps the text as it is.

    Raises
    ------
    ValueError
        When a row has a key that is not a column, or the suffix is neither of the two.
    """
    path = Path(path)
    known = set(columns)
    for row in rows:
        if not known.issuperset(row):
            unknown = ", ".join(sorted(set(row) - known))
            raise ValueError(f"Expected rows with the columns {', '.join(columns)}, but got also {unknown}")
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
