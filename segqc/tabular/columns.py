"""What a user calls a table, as named columns of text or numbers.

DataFrames of pandas and polars, Arrow tables, dicts of arrays, lists of rows and 2-D arrays become `Columns`, by their own methods: neither
pandas nor polars is imported here. A categorical cell becomes text (1, 1.0 and numpy.int64(1) are all "1"), a continuous cell a float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute

LARGEST = 1e30  # infinities count as this: out of any range, and no NaN in arithmetic


@dataclass(frozen=True)
class Columns:
    """A table column by column.

    Attributes
    ----------
    names : list of str
        Of the columns; "0", "1", ... where the input had none.
    values : list of ndarray `[n]`
        Numbers as they came, or object.
    named : bool
        Whether the names are the input's own.
    """

    names: list[str]
    values: list[np.ndarray]
    named: bool

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    def select(self, names: Sequence[str]) -> "Columns":
        """These columns in this order.

        Raises
        ------
        ValueError
            When one is missing, with the names that there are.
        """
        missing = [name for name in names if name not in self.names]
        if missing:
            raise ValueError(f"Expected the columns of the training table, but {', '.join(missing)} is not among {', '.join(self.names)}")
        return Columns(list(names), [self.values[self.names.index(name)] for name in names], self.named)


def read_columns(X: Any) -> Columns:
    """Columns of any supported table.

    Parameters
    ----------
    X : pandas or polars DataFrame, pyarrow.Table, dict of str to 1-D array, sequence of rows, or 2-D array

    Raises
    ------
    ValueError
        When it is not two-dimensional, its columns differ in length, or two share a name.
    """
    if isinstance(X, dict):
        columns = Columns([str(name) for name in X], [_one_dimensional(value) for value in X.values()], True)
    elif isinstance(X, pyarrow.Table):
        columns = Columns([str(name) for name in X.column_names], [_from_arrow(column) for column in X.columns], True)
    elif hasattr(X, "iloc"):
        columns = Columns([str(name) for name in X.columns], [_from_pandas(X.iloc[:, j]) for j in range(X.shape[1])], True)
    elif hasattr(X, "to_arrow") and hasattr(X, "columns"):
        return read_columns(X.to_arrow())
    else:
        columns = _from_array(X)
    lengths = sorted({len(value) for value in columns.values})
    if len(lengths) > 1:
        raise ValueError(f"Expected columns of one length, but got lengths {', '.join(map(str, lengths))}")
    if len(set(columns.names)) < len(columns.names):
        twice = sorted({name for name in columns.names if columns.names.count(name) > 1})
        raise ValueError(f"Expected column names that differ, but got {', '.join(twice)} more than once")
    return columns


def is_dataframe(X: Any) -> bool:
    """Whether `X` is a DataFrame of pandas or polars."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "to_arrow"))


def _one_dimensional(value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim != 1:
        raise ValueError(f"Expected one-dimensional columns, but got one of shape {array.shape}")
    return array


def _from_arrow(column: pyarrow.ChunkedArray) -> np.ndarray:
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
        return column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)


def _from_pandas(series: Any) -> np.ndarray:
    if getattr(series.dtype, "kind", "O") in "iuf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return series.astype(object).to_numpy()


def _from_array(X: Any) -> Columns:
    array = np.asarray(X)
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        array = np.asarray(X, dtype=object)  # numbers among text in a list of rows stay numbers
    if array.ndim != 2:
        raise ValueError(f"Expected 2D array, got {array.ndim}D array instead. Reshape your data: one row a sample, one column a feature")
    return Columns([str(j) for j in range(array.shape[1])], [array[:, j] for j in range(array.shape[1])], False)


def is_categorical(column: np.ndarray) -> bool:
    """Text, booleans and objects are categorical, numbers continuous; objects that are all numbers (or missing) are numbers."""
    if column.dtype.kind in "iuf":
        return False
    if column.dtype.kind != "O":
        return True
    present = column[~is_missing(column)]
    return not len(present) or any(isinstance(value, bool | np.bool_ | str | bytes) or not _is_number(value) for value in present)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def is_missing(column: np.ndarray) -> np.ndarray:
    """None, NaN and pandas' NA, bool `[n]`."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind != "O":
        return np.zeros(len(column), bool)
    return pyarrow.compute.is_null(_arrow_text(column)).to_numpy(zero_copy_only=False) if _all_text(column) else _missing_objects(column)


def _all_text(column: np.ndarray) -> bool:
    return all(value is None or type(value) is str for value in column)


def _arrow_text(column: np.ndarray) -> pyarrow.Array:
    return pyarrow.array(column, type=pyarrow.string())


def _missing_objects(column: np.ndarray) -> np.ndarray:
    return np.array([_is_missing_cell(value) for value in column], bool)


def _is_missing_cell(value: Any) -> bool:
    # NaN is the value that differs from itself; pandas' NA does not say whether it equals anything.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (_is_number(value) and value != value)


def _cell_text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if _is_number(value) and float(value).is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def as_text(column: np.ndarray) -> pyarrow.Array:
    """A column's cells as text, missing ones null: pyarrow string array `[n]`."""
    if column.dtype.kind == "O" and _all_text(column):
        return _arrow_text(column)
    missing = is_missing(column)
    # Distinct values are few: each is turned to text once. Objects of several types cannot be sorted, a dict does not mind.
    cells = column.tolist() if column.dtype.kind != "O" else column
    texts: dict[Any, str] = {}
    out: list[str | None] = []
    try:
        for value, gone in zip(cells, missing.tolist(), strict=True):
            key = (type(value), value)
            out.append(None if gone else texts[key] if key in texts else texts.setdefault(key, _cell_text(value)))
    except TypeError as error:
        raise TypeError(
            f"Expected cells of text, numbers or booleans: argument must be a string or a number, but got {type(value).__name__}"
        ) from error
    return pyarrow.array(out, type=pyarrow.string())


def as_numbers(column: np.ndarray, name: str) -> np.ndarray:
    """A column's cells as float64 `[n]`, missing ones NaN, infinities +-1e30.

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
            numbers = np.array([np.nan if gone else float(value) for value, gone in zip(column, missing, strict=True)], np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected numbers in the continuous column {name!r}, but got a cell that is none: {error}") from None
    return np.clip(numbers, -LARGEST, LARGEST)
