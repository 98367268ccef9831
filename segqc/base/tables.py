"""Tables on disk: CSV that no spreadsheet takes for formulas, and Parquet."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from segqc.base.files import atomic_path
from segqc.base.storage.paths import as_path

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""Pattern of text that is a plain number."""

_BATCH = 10_000  # rows that are turned into cells at a time

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


def _parquet_column(values: list[Any], kind: pyarrow.DataType) -> pyarrow.Array:
    """A part of a column. A column that is not of text may mark absent values by "" as well as None."""
    if kind != pyarrow.string():
        values = [None if value == "" else value for value in values]
    return pyarrow.array(values, kind)


def _parquet_schema(batches: Iterable[list[list[Any]]], columns: Sequence[str]) -> pyarrow.Schema:
    """Types of the columns of these rows of cells.

    Raises
    ------
    pyarrow.ArrowException
        A column holds values that have no type in common.
    """
    kinds, blank = [pyarrow.null()] * len(columns), [False] * len(columns)
    for batch in batches:
        for i, values in enumerate(zip(*batch, strict=True)):
            present = [value for value in values if value is not None and value != ""]
            blank[i] |= "" in values
            found = [kind for kind in (kinds[i], pyarrow.infer_type(present)) if kind != pyarrow.null()]
            if {*found} == {pyarrow.int64(), pyarrow.float64()}:
                found = [pyarrow.float64()]
            if len({*found}) > 1:
                raise pyarrow.ArrowInvalid(f"the column {columns[i]} holds {' and '.join(map(str, found))}")
            kinds[i] = found[0] if found else kinds[i]
    of_text = (kind == pyarrow.null() and blank[i] for i, kind in enumerate(kinds))
    return pyarrow.schema(
        (name, pyarrow.string() if text else kind) for name, kind, text in zip(columns, kinds, of_text, strict=True)
    )


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    schema = _parquet_schema(_batches(rows, columns), columns)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for batch in _batches(rows, columns):
            of_columns = zip(zip(*batch, strict=True), schema.types, strict=True)
            parts = [_parquet_column(list(values), kind) for values, kind in of_columns]
            writer.write_table(pyarrow.Table.from_arrays(parts, schema=schema))


def _batches(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Iterator[list[list[Any]]]:
    """The rows as cells, `_BATCH` at a time."""
    known, batch = set(columns), list[list[Any]]()
    for row in rows:
        if not known.issuperset(row):
            unknown = ", ".join(sorted(set(row) - known))
            raise ValueError(f"Expected rows with the columns {', '.join(columns)}, but got also {unknown}")
        batch.append([_cell(row.get(column)) for column in columns])
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def write_table(path: Path | str, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write `rows` as CSV or Parquet, by the suffix of `path`.

    Parameters
    ----------
    path : Path or str
        Ends in ``.csv`` or ``.parquet``.
    rows : sequence of dict
        One dict a row; a missing key or None is an empty cell. It is gone through once for CSV and twice for Parquet,
        and few rows are in memory at a time.
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
    path = as_path(path)
    if path.suffix == ".csv":
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            for batch in _batches(rows, columns):
                writer.writerows([csv_cell(cell) for cell in row] for row in batch)
    elif path.suffix == ".parquet":
        with atomic_path(path) as temporary:
            _write_parquet(temporary, rows, columns)
    else:
        raise ValueError(f"Expected `path` to end in .csv or .parquet, but got {path.name}")
