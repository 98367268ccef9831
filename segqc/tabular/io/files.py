"""Tables on disk as tables in memory, of text, numbers and dates: whole to learn from, in chunks to be scored.

ARFF and Parquet say what their columns are. A column of CSV or TSV holds numbers where all its cells are numbers, dates
where all are dates, and text otherwise; in chunks it is what it was when the model was fitted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.compute

from segqc.base.errors import BadInput
from segqc.tabular.io.cells import code_of, dates_of, is_date, not_read, numbers_of, text_of
from segqc.tabular.io.raw import CHUNK, UNTYPED, BadRow, Format, kind_of, raw_chunks


@dataclass(frozen=True)
class Chunk:
    """Rows of a table.

    Attributes
    ----------
    table : pyarrow.Table
        Columns of type string, float64 or timestamp[us] in UTC.
    notes : dict of int to str
        Defects in words, by row of the chunk.
    kept : pyarrow.Table
        Columns to copy, as text: in CSV as it stands there, marks of missing values included.
    """

    table: pyarrow.Table
    notes: dict[int, str]
    kept: pyarrow.Table


def read_table(
    path: Path | str, how: Format = Format(), drop: Sequence[str] = (), problems: list[BadRow] | None = None
) -> pyarrow.Table:
    """Read a whole table.

    Parameters
    ----------
    path : Path or str
    how : Format
        Its dates are ignored: they are found.
    drop : sequence of str
        Columns to leave out, of whatever type.
    problems : list of BadRow, optional
        Rows of another number of cells than the header are added to it, and left out; without it they are an error.

    Returns
    -------
    pyarrow.Table
        Columns of type string, float64 or timestamp[us] in UTC.

    Raises
    ------
    BadInput
        The file is missing, empty, of another kind or damaged; a row has another number of cells than the header, or
        all rows have; a column name occurs twice, or is not there; a column is nested or binary.
    """
    path = Path(path)

    def choose(names: list[str]) -> list[str]:
        _check_known(path, names, drop, " to drop")
        _check_known(path, names, (*how.text, *how.numbers))
        return [name for name in names if name not in drop]

    ragged: list[BadRow] = []
    table = pyarrow.concat_tables(list(raw_chunks(path, how, ragged, choose)))
    if problems is not None:
        problems.extend(ragged)
    if ragged and (problems is None or not table.num_rows):
        more = f" and {len(ragged) - 1} more" if len(ragged) > 1 else ""
        raise BadInput(
            path,
            f"has ragged rows: row {ragged[0].number} {ragged[0].reason}{more}",
            "repair or remove them" if table.num_rows else "the first line names the columns, and nothing else",
        )
    if not table.num_rows and table.num_columns:
        raise BadInput(path, "has no rows", "it needs at least one below the header")
    typed = {name: _typed(table.column(name), name, path, how).combine_chunks() for name in table.column_names}
    return pyarrow.table(typed)


def _typed(column: pyarrow.ChunkedArray, name: str, path: Path, how: Format) -> pyarrow.ChunkedArray:
    """A column as what it holds."""
    untyped = kind_of(path) in UNTYPED
    column = _present(column, path, how)
    if name in how.text:
        return code_of(column)
    if is_date(column.type):
        return dates_of(column)
    if not untyped and name not in how.numbers and pyarrow.types.is_string(column.type):
        return column
    numbers = numbers_of(column, how.decimal, how.thousands)
    text = next(iter(not_read(column, numbers).values()), None)
    if name in how.numbers:
        if text is not None:
            raise BadInput(path, f"has text in the column {name!r}: {text!r}", "it is to be read as numbers")
        if numbers.null_count == len(numbers):
            raise BadInput(
                path, f"has nothing in the column {name!r}", "it is to be read as numbers: leave it out with --drop"
            )
    if untyped and column.null_count == len(column):
        return column  # CSV does not say what kind a column without cells is
    if text is None:
        return numbers
    if dates_of(column.drop_null().slice(0, 1), how.date_format).null_count:
        return column  # most text shows at its first cell that it is no date
    dates = dates_of(column, how.date_format)
    return column if not_read(column, dates) else dates


def read_chunks(
    path: Path | str,
    how: Format,
    columns: Sequence[str],
    problems: list[BadRow],
    rows: int = CHUNK,
    keep: Sequence[str] = (),
) -> Iterator[Chunk]:
    """Read some columns of a table in chunks, with types that do not depend on the chunk: those of `how.numbers` are
    float64, those of `how.dates` timestamps, the others string.

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

    def choose(names: list[str]) -> list[str]:
        _check_known(path, names, (*columns, *keep))
        return list(dict.fromkeys((*columns, *keep)))

    for chunk in raw_chunks(path, how, problems, choose):
        for start in range(0, chunk.num_rows, rows):
            part = chunk.slice(start, rows)
            typed: dict[str, pyarrow.ChunkedArray] = {}
            notes: dict[int, list[str]] = {}
            for name in columns:
                column = _present(part.column(name), path, how)
                typed[name], what = _as_fitted(column, name, how)
                for row, text in not_read(column, typed[name]).items():
                    notes.setdefault(row, []).append(f"{name} is {text[:40]!r}, no {what}, and was read as missing")
            kept = {name: text_of(part.column(name)) for name in keep}
            yield Chunk(
                pyarrow.table(typed), {row: "; ".join(said) for row, said in notes.items()}, pyarrow.table(kept)
            )


def _as_fitted(column: pyarrow.ChunkedArray, name: str, how: Format) -> tuple[pyarrow.ChunkedArray, str]:
    """A column as what it was when the model was fitted, and in a word what that is."""
    if name in how.numbers:
        return numbers_of(column, how.decimal, how.thousands), "number"
    if name in how.dates:
        return dates_of(column, how.date_format), "date"
    return code_of(column) if name in how.text else text_of(column), "text"


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
    """The column with null for the cells of CSV that say nothing."""
    if kind_of(path) not in UNTYPED:
        return column
    return pyarrow.compute.if_else(
        pyarrow.compute.is_in(column, value_set=pyarrow.array(how.missing, pyarrow.string())), None, column
    )


def _check_known(path: Path, names: Sequence[str], wanted: Sequence[str], purpose: str = "") -> None:
    unknown = [name for name in wanted if name not in names]
    if unknown:
        known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        missing = ", ".join(repr(name) for name in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise BadInput(path, f"has no column {missing}{purpose}", f"it has {known}")
