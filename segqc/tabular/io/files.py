"""Tables on disk: CSV, TSV, ARFF and Parquet become a `pyarrow.Table` of text and numbers, whole or in chunks.

A column is text or float64, nothing else. ARFF and Parquet say which; in CSV a column whose present cells are all
numbers is numeric, unless the caller says otherwise: codes such as postal districts look like numbers and are none.
Missing cells are null. A row with too many or too few cells has no place in a table; it is an error, or, where the
caller keeps a list of them, an entry of that list with its number.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.compute

from segqc.base.errors import BadInput
from segqc.tabular.io.cells import code_of, not_numbers, numbers_of, text_of
from segqc.tabular.io.raw import CHUNK, UNTYPED, BadRow, Format, kind_of, raw_chunks


@dataclass(frozen=True)
class Chunk:
    """Rows of a table.

    Attributes
    ----------
    table : pyarrow.Table
        Columns of type string or float64.
    notes : dict of int to str
        Defects in words, by row of the chunk.
    kept : pyarrow.Table
        Columns to copy, as text: in CSV as it stands there, marks of missing values included.
    """

    table: pyarrow.Table
    notes: dict[int, str]
    kept: pyarrow.Table


def read_table(path: Path | str, how: Format = Format()) -> pyarrow.Table:
    """Read a whole table.

    Returns
    -------
    pyarrow.Table
        Columns of type string or float64.

    Raises
    ------
    BadInput
        The file is missing, empty, of another kind or damaged; a row has another number of cells than the header; a
        column name occurs twice.
    """
    path = Path(path)
    problems: list[BadRow] = []
    table = pyarrow.concat_tables(list(raw_chunks(path, how, problems)))
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise BadInput(
            path, f"has ragged rows: row {problems[0].number} {problems[0].reason}{more}", "repair or remove them"
        )
    if not table.num_rows:
        raise BadInput(path, "has no rows", "it needs at least one below the header")
    _check_known(path, table.column_names, (*how.text, *how.numbers))
    untyped = kind_of(path) in UNTYPED
    columns = {}
    for name in table.column_names:
        column = _present(table.column(name), path, how)
        if name in how.text:
            column = code_of(column)
        elif untyped or name in how.numbers or not pyarrow.types.is_string(column.type):
            numbers = numbers_of(column)
            text = next(iter(not_numbers(column, numbers).values()), None)
            if name in how.numbers and text is not None:
                raise BadInput(path, f"has text in the column {name!r}: {text!r}", "it is to be read as numbers")
            if name in how.numbers and numbers.null_count == len(numbers):
                raise BadInput(
                    path, f"has nothing in the column {name!r}", "it is to be read as numbers: leave it out with --drop"
                )
            # CSV does not say what kind a column without cells is.
            column = column if text is not None or (untyped and column.null_count == len(column)) else numbers
        columns[name] = column.combine_chunks()
    return pyarrow.table(columns)


def read_chunks(
    path: Path | str,
    how: Format,
    columns: Sequence[str],
    problems: list[BadRow],
    rows: int = CHUNK,
    keep: Sequence[str] = (),
) -> Iterator[Chunk]:
    """Read some columns of a table in chunks, with types that do not depend on the chunk: those of `how.numbers` are
    float64, the others string.

    Parameters
    ----------
    path : Path or str
    how : Format
    columns : sequence of str
        Which, in which order.
    problems : list of BadRow
        Rows that cannot be read are added to it; they are left out of the chunks.
    rows : int
        Largest number of rows in a chunk.
    keep : sequence of str
        Columns that are wanted as the file has them.

    Raises
    ------
    BadInput
        When the file is missing, empty, of another kind or damaged, or lacks a column, or a column name occurs twice.
    """
    path = Path(path)
    for chunk in raw_chunks(path, how, problems):
        _check_known(path, chunk.column_names, (*columns, *keep))
        for start in range(0, chunk.num_rows, rows):
            part = chunk.slice(start, rows)
            typed: dict[str, pyarrow.ChunkedArray] = {}
            notes: dict[int, list[str]] = {}
            for name in columns:
                column = _present(part.column(name), path, how)
                if name in how.numbers:
                    typed[name] = numbers_of(column)
                    for row, text in not_numbers(column, typed[name]).items():
                        notes.setdefault(row, []).append(f"{name} is {text[:40]!r}, no number, and was read as missing")
                else:
                    typed[name] = code_of(column) if name in how.text else text_of(column)
            kept = {name: text_of(part.column(name)) for name in keep}
            yield Chunk(
                pyarrow.table(typed), {row: "; ".join(said) for row, said in notes.items()}, pyarrow.table(kept)
            )


def split_label(table: pyarrow.Table, label: str, path: Path | str) -> tuple[pyarrow.Table, pyarrow.Array]:
    """Features, and the label column as text.

    Raises
    ------
    BadInput
        When there is no such column, with the names that there are.
    """
    _check_known(Path(path), table.column_names, (label,))
    return table.drop_columns([label]), text_of(table.column(label)).combine_chunks()


def _present(column: pyarrow.ChunkedArray, path: Path, how: Format) -> pyarrow.ChunkedArray:
    """The column with null for the cells of CSV that say nothing, and points for decimal marks."""
    if kind_of(path) not in UNTYPED:
        return column
    if how.decimal != ".":
        number = rf"^(\s*[+-]?\d*){re.escape(how.decimal)}(\d+\s*)$"
        column = pyarrow.compute.replace_substring_regex(column, number, r"\1.\2")
    return pyarrow.compute.if_else(
        pyarrow.compute.is_in(column, value_set=pyarrow.array(how.missing, pyarrow.string())), None, column
    )


def _check_known(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    unknown = [name for name in wanted if name not in names]
    if unknown:
        known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise BadInput(path, f"has no column {unknown[0]!r}", f"it has {known}")
