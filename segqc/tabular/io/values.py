"""The cells of one column in memory: which are missing, whether they are categories, and their text or number."""

import decimal
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute

LARGEST = 1e300  # infinities count as this: out of any range, and no NaN in arithmetic


def is_categorical(column: np.ndarray) -> bool:
    """Text, booleans and objects are categorical, numbers continuous; objects that are all numbers (or missing) are
    numbers.
    """
    if column.dtype.kind in "iuf":
        return False
    if column.dtype.kind != "O":
        return True
    present = column[~is_missing(column)]
    return not len(present) or any(
        isinstance(value, bool | np.bool_ | str | bytes) or not _is_number(value) for value in present
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating | decimal.Decimal)


def is_missing(column: np.ndarray) -> np.ndarray:
    """None, NaN and pandas' NA, bool `[n]`."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind != "O":
        return np.zeros(len(column), bool)
    return (
        pyarrow.compute.is_null(_arrow_text(column)).to_numpy(zero_copy_only=False)
        if _all_text(column)
        else _missing_objects(column)
    )


def _all_text(column: np.ndarray) -> bool:
    return set(map(type, column)) <= {str, type(None)}


def _arrow_text(column: np.ndarray) -> pyarrow.Array:
    return pyarrow.array(column, type=pyarrow.string())


def _missing_objects(column: np.ndarray) -> np.ndarray:
    return np.array([is_missing_cell(value) for value in column], bool)


def is_missing_cell(value: Any) -> bool:
    """None, NaN, pandas' NA or NaT."""
    # NaN is the value that differs from itself; pandas' NA does not say whether it equals anything.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (_is_number(value) and value != value)


def _cell_text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if _is_number(value) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        return str(float(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def as_text(column: np.ndarray, name: str = "") -> pyarrow.Array:
    """A column's cells as text, missing ones null: pyarrow string array `[n]`.

    Raises
    ------
    TypeError
        When a cell is a list or the like, with the column's name if it is given.
    """
    if column.dtype.kind == "O" and _all_text(column):
        return _arrow_text(column)
    missing = is_missing(column)
    # Distinct values are few: each is turned to text once. Objects of several types cannot be sorted, a dict does not
    # mind.
    cells = column.tolist() if column.dtype.kind != "O" else column
    texts: dict[Any, str] = {}
    out: list[str | None] = []
    try:
        for value, gone in zip(cells, missing.tolist(), strict=True):
            key = (type(value), value)
            out.append(None if gone else texts[key] if key in texts else texts.setdefault(key, _cell_text(value)))
    except TypeError as error:
        raise TypeError(
            "Expected cells of text, numbers or booleans: argument must be a string or a number, "
            f"but got {type(value).__name__}" + (f" in the column {name!r}: leave it out" if name else "")
        ) from error
    return pyarrow.array(out, type=pyarrow.string())


def as_numbers(column: np.ndarray, name: str) -> np.ndarray:
    """A column's cells as float64 `[n]`, missing ones NaN, infinities +-LARGEST.

    Raises
    ------
    ValueError
        When a cell is no number, with the column's name and the cell.
    """
    if column.dtype.kind in "iufb":
        numbers = column.astype(np.float64)
    else:
        missing = is_missing(column)
        try:
            numbers = np.array(
                [np.nan if gone else float(value) for value, gone in zip(column, missing, strict=True)], np.float64
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Expected numbers in the continuous column {name!r}, but got a cell that is none: {error}"
            ) from None
    return np.clip(numbers, -LARGEST, LARGEST)
