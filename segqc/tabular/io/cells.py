"""Text of a typed cell, and the number in a text.

A value has one text, whatever kind of file it comes from: that of a CSV file that pandas wrote, and of the Python API.
Booleans are True and False, whole numbers have all their digits and no ".0", a timestamp at midnight is its date. A
number in text is what `NUMBER` says, with spaces around it.
"""

from pathlib import Path

import pyarrow
import pyarrow.compute

from segqc.base.errors import BadInput
from segqc.base.tables import NUMBER
from segqc.tabular.io.values import as_text

_TIMES = (
    (r"\.000000", ""),
    (r" 00:00:00$", ""),
    (r"Z$", "+00:00"),
    (r"(:\d\d(?:\.\d+)?[+-]\d\d)(\d\d)$", r"\1:\2"),
)
"""From Arrow's text of a time in microseconds to that of pandas."""


def is_number(kind: pyarrow.DataType) -> bool:
    """Whether cells of this type are numbers."""
    return pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_decimal(kind)


def texts_and_numbers(table: pyarrow.Table, path: Path | str) -> pyarrow.Table:
    """Turn all columns but numbers into text; numbers stay as they are stored, since identifiers among them may have
    more digits than a float64.

    Raises
    ------
    BadInput
        When a column is nested or binary.
    """
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
        if pyarrow.types.is_nested(kind) or pyarrow.types.is_binary(kind):
            raise BadInput(path, f"has a column of type {kind}, {name!r}", "leave it out: tables hold text and numbers")
        column = column.cast(kind)
        columns[name] = column if is_number(kind) else text_of(column)
    return pyarrow.table(columns)


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


def numbers_of(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """The cells of a column as float64; NaN, and text that is no finite number, are null."""
    if not pyarrow.types.is_string(column.type):
        numbers = column.cast(pyarrow.float64(), safe=False)
        return pyarrow.compute.if_else(pyarrow.compute.is_nan(numbers), None, numbers)
    texts = pyarrow.compute.utf8_trim_whitespace(column)
    try:  # fifteen times as fast, and enough nearly always
        numbers = texts.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        plain = pyarrow.compute.match_substring_regex(texts, rf"^(?:{NUMBER})$")
        numbers = pyarrow.compute.if_else(plain, texts, None).cast(pyarrow.float64())
    return pyarrow.compute.if_else(pyarrow.compute.is_finite(numbers), numbers, None)


def not_numbers(column: pyarrow.ChunkedArray, numbers: pyarrow.ChunkedArray) -> dict[int, str]:
    """The texts of a column that `numbers_of` did not read, by row."""
    bad = pyarrow.compute.indices_nonzero(pyarrow.compute.and_(column.is_valid(), numbers.is_null()))
    return (
        dict(zip(bad.to_pylist(), column.take(bad).to_pylist(), strict=True))
        if pyarrow.types.is_string(column.type)
        else {}
    )
