"""Text of a typed cell, and the number or the date in a text.

A value has one text, whatever kind of file it comes from: that of a CSV file that pandas wrote, and of the Python API.
Booleans are True and False, whole numbers have all their digits and no ".0", a timestamp at midnight is its date. A
number in text is what `NUMBER` says, with spaces around it; a date is one of ISO 8601, with or without a time of day
and its distance from UTC, or of a format that is named.
"""

import datetime
import re
from pathlib import Path

import pyarrow
import pyarrow.compute

from segqc.base.errors import BadInput
from segqc.base.tables import NUMBER
from segqc.tabular.io.values import as_text

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?")

_TIMES = (
    (r"\.000000", ""),
    (r" 00:00:00$", ""),
    (r"Z$", "+00:00"),
    (r"(:\d\d(?:\.\d+)?[+-]\d\d)(\d\d)$", r"\1:\2"),
)
"""From Arrow's text of a time in microseconds to that of pandas."""


_DATE = pyarrow.timestamp("us")


def is_number(kind: pyarrow.DataType) -> bool:
    """Whether cells of this type are numbers."""
    return pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_decimal(kind)


def is_date(kind: pyarrow.DataType) -> bool:
    """Whether cells of this type are dates, with or without a time of day."""
    return pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind)


def simple_types(table: pyarrow.Table, path: Path | str) -> pyarrow.Table:
    """Turn all columns but numbers, dates and times into text; numbers stay as they are stored, since identifiers among
    them may have more digits than a float64.

    Raises
    ------
    BadInput
        When a column is nested or binary, or holds intervals of the calendar.
    """
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
        if pyarrow.types.is_nested(kind) or pyarrow.types.is_interval(kind) or _is_binary(kind):
            raise BadInput(path, f"has a column of type {kind}, {name!r}", f"leave it out, as --drop '{name}' does")
        column = column.cast(kind)
        columns[name] = column if is_number(kind) or pyarrow.types.is_temporal(kind) else text_of(column)
    return pyarrow.table(columns)


def _is_binary(kind: pyarrow.DataType) -> bool:
    return any(
        test(kind)
        for test in (pyarrow.types.is_binary, pyarrow.types.is_large_binary, pyarrow.types.is_fixed_size_binary)
    )


def text_of(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """The cells of a column as text; missing ones, and NaN, are null."""
    kind = column.type
    if pyarrow.types.is_string(kind):
        return column
    if pyarrow.types.is_boolean(kind):
        return pyarrow.compute.if_else(column, "True", "False")
    if pyarrow.types.is_floating(kind):
        return pyarrow.chunked_array([as_text(column.to_numpy())])
    if pyarrow.types.is_timestamp(kind) or pyarrow.types.is_time(kind):
        micro = pyarrow.time64("us") if pyarrow.types.is_time(kind) else pyarrow.timestamp("us", kind.tz)
        texts = column.cast(micro, safe=False).cast(pyarrow.string())
        for pattern, text in _TIMES:
            texts = pyarrow.compute.replace_substring_regex(texts, pattern, text)
        return texts
    return column.cast(pyarrow.string())


def code_of(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """`text_of` for codes: 10115.0 becomes 10115. pandas writes whole numbers so where other cells are missing."""
    return pyarrow.compute.replace_substring_regex(text_of(column), r"^([+-]?[0-9]+)\.0$", r"\1")


def numbers_of(column: pyarrow.ChunkedArray, decimal: str = ".", thousands: str = "") -> pyarrow.ChunkedArray:
    """The cells of a column as float64; times are seconds, those of dates since 1970 in UTC. NaN, and text that is no
    finite number, are null.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
    decimal, thousands : str
        Decimal mark of text, and the mark between groups of three digits; "" for none.
    """
    kind = column.type
    if pyarrow.types.is_temporal(kind):
        return seconds_of(column)
    if not pyarrow.types.is_string(kind):
        numbers = column.cast(pyarrow.float64(), safe=False)
        return pyarrow.compute.if_else(pyarrow.compute.is_nan(numbers), None, numbers)
    texts = _with_points(pyarrow.compute.utf8_trim_whitespace(column), decimal, thousands)
    try:  # fifteen times as fast, and enough nearly always
        numbers = texts.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        plain = pyarrow.compute.match_substring_regex(texts, rf"^(?:{NUMBER})$")
        numbers = pyarrow.compute.if_else(plain, texts, None).cast(pyarrow.float64())
    return pyarrow.compute.if_else(pyarrow.compute.is_finite(numbers), numbers, None)


def _with_points(texts: pyarrow.ChunkedArray, decimal: str, thousands: str) -> pyarrow.ChunkedArray:
    """Numbers with a point for their decimal mark, and without marks between thousands."""
    if thousands:
        groups = rf"^[+-]?\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+(?:{re.escape(decimal)}\d*)?$"
        found = pyarrow.compute.match_substring_regex(texts, groups)
        texts = pyarrow.compute.if_else(found, pyarrow.compute.replace_substring(texts, thousands, ""), texts)
    if decimal == ".":
        return texts
    # 1.5 is no number where the decimal mark is a comma: it may be a date, or a mark between thousands.
    pointed = pyarrow.compute.match_substring(texts, ".")
    return pyarrow.compute.if_else(pointed, "", pyarrow.compute.replace_substring(texts, decimal, "."))


def seconds_of(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """Dates and times as seconds, float64, by way of microseconds: a time is one number in whatever unit it is
    stored.
    """
    kind = column.type
    if pyarrow.types.is_time(kind):
        unit = pyarrow.time64("us")
    elif pyarrow.types.is_duration(kind):
        unit = pyarrow.duration("us")
    else:
        unit = pyarrow.timestamp("us", tz=getattr(kind, "tz", None))
    whole = column.cast(unit, safe=False).cast(pyarrow.int64()).cast(pyarrow.float64(), safe=False)
    return pyarrow.compute.divide(whole, 1e6)


def dates_of(column: pyarrow.ChunkedArray, format: str | None = None) -> pyarrow.ChunkedArray:
    """The cells of a column as timestamps in microseconds, in UTC; what is no date is null.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
    format : str or None
        A format of text besides ISO 8601, in the notation of `datetime.strptime`.
    """
    if is_date(column.type):
        return column.cast(pyarrow.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False).cast(_DATE)
    if not pyarrow.types.is_string(column.type):
        return pyarrow.chunked_array([pyarrow.nulls(len(column), _DATE)])
    coded = column.combine_chunks().dictionary_encode()
    dates = pyarrow.array([_date(text, format) for text in coded.dictionary.to_pylist()], _DATE)
    return pyarrow.chunked_array([dates.take(coded.indices)])


def _date(text: str, format: str | None) -> datetime.datetime | None:
    text = text.strip()
    try:
        if _ISO.fullmatch(text):
            found = datetime.datetime.fromisoformat(text)
        elif format is not None:
            found = datetime.datetime.strptime(text, format)
        else:
            return None
    except ValueError:  # 2024-02-30
        return None
    return found.astimezone(datetime.UTC).replace(tzinfo=None) if found.tzinfo else found


def not_read(column: pyarrow.ChunkedArray, found: pyarrow.ChunkedArray) -> dict[int, str]:
    """The cells of a column that `numbers_of` or `dates_of` did not read, as text, by row."""
    bad = pyarrow.compute.indices_nonzero(pyarrow.compute.and_(column.is_valid(), found.is_null()))
    texts = zip(bad.to_pylist(), text_of(column.take(bad)).to_pylist(), strict=True)
    return {row: text for row, text in texts if text is not None}  # NaN is missing
