"""The four kinds of table file as they are: CSV and TSV with every cell as text, ARFF and Parquet with their types.

A row of CSV with too many or too few cells has no place in a table: it is left out, and noted with its number.
"""

import csv
import io
import lzma
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from scipy.io import arff

from segqc.base.errors import BadInput
from segqc.tabular.io.cells import simple_types

UNTYPED = (".csv", ".tsv")
SUFFIXES = (*UNTYPED, ".arff", ".parquet")
_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": None}
"""Arrow's name of the compression of a file of text, by its last suffix; None for what only Python knows."""

Choice = Callable[[list[str]], Sequence[str]]
"""Takes the names of all columns, and returns those to read."""

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells of a CSV file that are missing values."""

CHUNK = 65_536
"""Rows of a chunk."""

_PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class BadRow:
    """A line with the wrong number of cells: its number among the data rows, from 1, and the reason."""

    number: int
    reason: str


@dataclass(frozen=True)
class Format:
    """How cells are read.

    Attributes
    ----------
    text : tuple of str
        Columns of codes: text, whatever they look like, where 10115.0 is read as 10115
        (`segqc.tabular.io.cells.code_of`).
    numbers : tuple of str
        Columns of numbers. A cell that is not a number becomes missing in chunks, with a note; elsewhere it is an
        error.
    missing : tuple of str
        Cells of CSV and TSV that are missing values. ARFF has its own (?), Parquet has nulls.
    separator : str or None
        Between the cells of CSV; by default a comma, in TSV a tab.
    decimal, thousands : str
        Decimal mark of the numbers of CSV and TSV, and the mark between groups of three digits; "" for none.
    dates : tuple of str
        Columns of dates. In chunks, a cell that is no date becomes missing, with a note.
    date_format : str or None
        How dates of CSV and TSV are written besides ISO 8601, in the notation of `datetime.strptime`.
    """

    text: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=MISSING)
    separator: str | None = None
    decimal: str = "."
    thousands: str = ""
    dates: tuple[str, ...] = ()
    date_format: str | None = None


def raw_chunks(path: Path, how: Format, problems: list[BadRow], choose: Choice) -> Iterator[pyarrow.Table]:
    """Read columns of a file in chunks as they are: CSV as text, the others typed.

    There is at least one chunk; it may be empty.
    """
    suffix = kind_of(path)
    if suffix not in SUFFIXES:
        kinds = f"{', '.join(SUFFIXES)}, or as {', '.join('.csv' + last for last in _COMPRESSED)}"
        raise BadInput(path, f"is of an unknown kind, {suffix or 'no suffix'}", f"save the table as {kinds}")
    if not path.is_file():
        raise BadInput(path, "is not a file" if path.exists() else "does not exist", "name a table")
    if not path.stat().st_size:
        raise BadInput(path, "is empty", "it needs a header and at least one row")
    try:
        if suffix == ".parquet":
            yield from _parquet_chunks(path, choose)
        elif suffix == ".arff":
            with _open_text(path) as stream:
                table = read_arff(stream, path)
            yield table.select(choose(table.column_names))
        else:
            separator = how.separator or ("\t" if suffix == ".tsv" else ",")
            yield from _csv_chunks(path, separator, problems, choose)
    except UnicodeDecodeError as error:
        raise BadInput(
            path,
            f"is not UTF-8 text: {error.reason} at byte {error.start}",
            "save it as UTF-8; spreadsheets and compressed files need their own suffix",
        ) from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise BadInput(path, f"cannot be read: {getattr(error, 'strerror', None) or error}", "is it whole?") from error
    except pyarrow.ArrowInvalid as error:
        fix = "save it as UTF-8" if "UTF8" in str(error) else "is the file whole?"
        raise BadInput(path, f"cannot be read: {str(error).splitlines()[0]}", fix) from error


def kind_of(path: Path) -> str:
    """The suffix that says how a file is read: of orders.csv.gz it is .csv."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compressed = len(suffixes) == 2 and suffixes[1] in _COMPRESSED and suffixes[0] in (*UNTYPED, ".arff")
    return suffixes[0] if compressed else path.suffix.lower()


def _open(path: Path) -> Any:
    """A file that Arrow and Python read, opened as bytes and unpacked."""
    suffix = path.suffix.lower()
    if suffix == ".xz":
        return lzma.open(path)
    return pyarrow.input_stream(path, compression=_COMPRESSED.get(suffix))


def _open_text(path: Path) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(_open(path)), encoding="utf-8-sig", newline="")


def _parquet_chunks(path: Path, choose: Choice) -> Iterator[pyarrow.Table]:
    file = pyarrow.parquet.ParquetFile(path)
    schema = file.schema_arrow
    _check_names(path, schema.names)
    chosen = list(choose(schema.names))
    yield simple_types(schema.empty_table().select(chosen), path)
    for batch in file.iter_batches(CHUNK, columns=chosen):
        yield simple_types(pyarrow.table(batch).select(chosen), path)


def _csv_chunks(path: Path, separator: str, problems: list[BadRow], choose: Choice) -> Iterator[pyarrow.Table]:
    """CSV, every cell as text."""
    with _open_text(path) as text:
        header = next(csv.reader(text, delimiter=separator), [])
        more = text.read(1) != ""
    _check_header(path, header)
    names = [name or f"column {j}" for j, name in enumerate(header, start=1)]
    _check_names(path, names)
    chosen = list(choose(names))
    # Where no row has the right number of cells the reader has no batch.
    yield pyarrow.table({name: pyarrow.array([], pyarrow.string()) for name in names}).select(chosen)
    if not more:  # pyarrow refuses a file that ends after its header
        return
    row, last = 0, None
    for batch in _batches(path, separator, header, problems):
        row += batch.num_rows
        last = batch.column(batch.num_columns - 1)[-1].as_py() if batch.num_rows else last
        yield pyarrow.table(batch).rename_columns(names).select(chosen)
    # To pyarrow a quote that is never closed is a last cell that holds the rest of the file.
    if last and "\n" in last and not _ends_in_quote(path):
        where = f"in the last cell of row {row + len(problems)}"
        raise BadInput(
            path, f"has a quote that is never closed, {where}", "close it; the lines below it were taken for that cell"
        )


class _NoteRagged:
    """Adds rows with another number of cells than the header to a list; pyarrow numbers them from 1 for the header, in
    its single-threaded reader only.
    """

    def __init__(self, problems: list[BadRow]) -> None:
        self.problems = problems

    def __call__(self, row: pyarrow.csv.InvalidRow) -> str:
        reason = f"has {row.actual_columns} cells instead of {row.expected_columns}: {row.text[:80]}"
        self.problems.append(BadRow(row.number - 1, reason))
        return "skip"


def _batches(path: Path, separator: str, header: list[str], problems: list[BadRow]) -> Iterator[pyarrow.RecordBatch]:
    """The rows of the right length."""
    note, stream, reader = _NoteRagged(problems), _open(path), None
    held = [weakref.ref(note), weakref.ref(stream)]
    try:
        reader = pyarrow.csv.open_csv(
            stream,
            # The names are ours, so that the line of names is skipped; pyarrow's block is bytes of the file.
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=1 << 23),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=separator,
                newlines_in_values=True,
                ignore_empty_lines=len(header) > 1,
                invalid_row_handler=note,
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pyarrow.string())),
        )
        yield from reader
    finally:
        if reader is not None:
            reader.close()
        del note, stream, reader
        _wait_for(held)


def _wait_for(held: Sequence[weakref.ref]) -> None:
    """Wait until Arrow's threads have let go of objects of Python.

    A thread that lets go of one after the interpreter has ended ends the process with a signal.
    """
    end = time.monotonic() + _PATIENCE
    while any(reference() is not None for reference in held) and time.monotonic() < end:
        time.sleep(0.001)


def _check_header(path: Path, names: list[str]) -> None:
    """Refuse the first line of CSV that was not read with the separator of the file."""
    if names and names[0].startswith("sep="):
        raise BadInput(path, f"begins with the line {names[0]}, of a spreadsheet", "remove that line")
    other = next((mark for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]), None)
    if other:
        raise BadInput(path, f"has one column, {names[0]!r}", f"name the separator: --separator {other!r}")


def read_arff(stream: TextIO, name: Path | str) -> pyarrow.Table:
    """Read an open ARFF file; nominal attributes become string columns, numeric ones float64, ? becomes null.

    Raises
    ------
    BadInput
        When it is not ARFF.
    """
    try:
        records, attributes = arff.loadarff(stream)
    except (arff.ArffError, NotImplementedError, ValueError, IndexError, StopIteration) as error:
        raise BadInput(
            name,
            f"cannot be read as ARFF: {str(error) or type(error).__name__}",
            "check the header and the line it names",
        ) from error
    columns = {}
    for attribute in attributes.names():
        if attributes[attribute][0] == "numeric":
            columns[attribute] = pyarrow.array(records[attribute], mask=np.isnan(records[attribute]))
        elif attributes[attribute][0] == "date":
            columns[attribute] = pyarrow.array(records[attribute].astype("M8[us]"))
        else:
            texts = pyarrow.array(records[attribute].tolist()).cast(pyarrow.string())
            columns[attribute] = pyarrow.compute.if_else(pyarrow.compute.equal(texts, "?"), None, texts)
    return pyarrow.table(columns)


def _ends_in_quote(path: Path) -> bool:
    tail = b""
    with _open(path) as stream:
        while block := stream.read(1 << 20):
            tail = (tail + block)[-1024:]
    return tail.rstrip().endswith(b'"')


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BadInput(path, f"has the column {twice[0]!r} twice", "give every column a name of its own")
    if not names:
        raise BadInput(path, "has no columns", "the first line names them")
