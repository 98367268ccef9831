"""Tables in memory of any kind, as named columns of text or numbers.

DataFrames of pandas and polars, Arrow tables, dicts of arrays, lists of rows and 2-D arrays become `Columns`, by their
own methods: neither pandas nor polars is imported here. A categorical cell becomes text (1, 1.0 and numpy.int64(1) are
all "1"), a continuous cell a float64; times are seconds, dates and times of day in UTC since 1970 or midnight. Integers
stay integers until it is known which they are: identifiers above 2**53 differ by less than a float64 can say.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute

from segqc.tabular.io.cells import is_date, seconds_of
from segqc.tabular.io.values import is_missing_cell

_EXACT = 2**53  # integers up to which are float64 exactly
_TIMES = {  # of Python objects
    datetime.date: pyarrow.timestamp("us"),
    np.datetime64: pyarrow.timestamp("us"),
    datetime.timedelta: pyarrow.duration("us"),
    datetime.time: pyarrow.time64("us"),
}


@dataclass(frozen=True)
class Columns:
    """A table column by column.

    Attributes
    ----------
    names : list of str
        Names of the columns; "0", "1", ... where the input had none.
    values : list of ndarray `[n]`
        Numbers as they came, or object.
    declared : list of str or None
        Kind of each column where the input declares it: "category" (categories of pandas and polars, dictionaries of
        Arrow) or "date"; else None.
    """

    names: list[str]
    values: list[np.ndarray]
    declared: list[str | None]

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
            raise ValueError(
                "Expected the columns of the training table, "
                f"but {', '.join(missing)} is not among {', '.join(self.names)}"
            )
        where = [self.names.index(name) for name in names]
        return Columns(list(names), [self.values[j] for j in where], [self.declared[j] for j in where])

    def take(self, rows: np.ndarray) -> "Columns":
        """These rows."""
        return Columns(self.names, [values[rows] for values in self.values], self.declared)


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
        columns = _columns(list(X), [_read_column(value) for value in X.values()])
    elif isinstance(X, pyarrow.Table):
        columns = _columns(X.column_names, [_from_arrow(column) for column in X.columns])
    elif hasattr(X, "iloc"):
        columns = _columns(list(X.columns), [_read_column(X.iloc[:, j]) for j in range(X.shape[1])])
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


def _columns(names: Sequence[Any], read: Sequence[tuple[np.ndarray, str | None]]) -> Columns:
    return Columns([str(name) for name in names], [values for values, _ in read], [declared for _, declared in read])


def _read_column(value: Any) -> tuple[np.ndarray, str | None]:
    """Values and declared kind of one column of pandas, polars, Arrow or NumPy."""
    kind = getattr(value, "dtype", None)
    if hasattr(value, "to_arrow"):
        return _from_arrow(value.to_arrow())
    if isinstance(value, pyarrow.Array | pyarrow.ChunkedArray):
        return _from_arrow(value)
    if type(kind).__name__ == "PeriodDtype":  # months and the like of pandas: their first moments
        return _read_column(value.dt.to_timestamp())
    if hasattr(kind, "categories"):
        return np.asarray(value, dtype=object), "category"
    if kind is None or isinstance(kind, np.dtype):
        array = np.asarray(value)
        if array.ndim != 1:
            raise ValueError(f"Expected one-dimensional columns, but got one of shape {array.shape}")
        return _from_numpy(array)
    # What is left are pandas' own types.
    code = getattr(kind, "kind", "O")
    if hasattr(kind, "pyarrow_dtype") or code == "M" or (code in "iu" and hasattr(kind, "numpy_dtype")):
        return _from_arrow(pyarrow.array(value, from_pandas=True))
    if code in "iuf":
        return np.asarray(value.to_numpy(dtype=np.float64, na_value=np.nan)), None
    return _from_numpy(np.asarray(value.astype(object)))


def _from_numpy(array: np.ndarray) -> tuple[np.ndarray, str | None]:
    if array.dtype.kind in "mM":
        return _from_arrow(pyarrow.array(array.astype(f"{array.dtype.kind}8[us]")))
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False), None
    if array.dtype.kind == "O":
        first = next((cell for cell in array if not is_missing_cell(cell)), None)
        time = next((time for python, time in _TIMES.items() if isinstance(first, python)), None)
        if time is not None:
            try:
                return _from_arrow(pyarrow.array([_datetime(cell) for cell in array], type=time, from_pandas=True))
            except pyarrow.ArrowException:  # times among other things are what they print as
                return array, None
    return array, None


def _datetime(cell: Any) -> Any:
    """Days and NumPy's times as Python's datetime, which Arrow takes side by side; anything else as it is."""
    if type(cell) is datetime.date:
        return datetime.datetime(cell.year, cell.month, cell.day)
    return cell.astype("M8[us]").item() if isinstance(cell, np.datetime64) else cell


def _from_arrow(column: pyarrow.Array | pyarrow.ChunkedArray) -> tuple[np.ndarray, str | None]:
    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        return _from_arrow(column.cast(kind.value_type))[0], "category"
    if pyarrow.types.is_temporal(kind) and not pyarrow.types.is_interval(kind):
        seconds = np.asarray(seconds_of(column).to_numpy(zero_copy_only=False))
        return seconds, "date" if is_date(kind) else None
    if pyarrow.types.is_decimal(kind) and kind.scale == 0:
        try:
            return _from_arrow(column.cast(pyarrow.int64()))
        except pyarrow.ArrowInvalid:  # beyond int64
            return _objects(column), None
    if pyarrow.types.is_integer(kind):
        if not column.null_count:
            return np.asarray(column), None
        extremes = pyarrow.compute.min_max(column).as_py()
        if column.null_count < len(column) and max(-extremes["min"], extremes["max"]) > _EXACT:
            return np.array(column.to_pylist(), dtype=object), None
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind):
        return np.asarray(column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)), None
    return _from_numpy(_objects(column))


def _objects(column: pyarrow.Array | pyarrow.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)


def _from_array(X: Any) -> Columns:
    array = np.asarray(X)
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        array = np.asarray(X, dtype=object)  # numbers among text in a list of rows stay numbers
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead. "
            "Reshape your data: one row a sample, one column a feature"
        )
    return _columns(range(array.shape[1]), [_from_numpy(array[:, j]) for j in range(array.shape[1])])
