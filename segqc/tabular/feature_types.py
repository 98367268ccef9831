"""Which columns of a training table are categorical, and which look like identifiers."""

import warnings
from typing import Any

import numpy as np
import pyarrow

from segqc.tabular.encoding import CategoricalColumn, TableEncoder
from segqc.tabular.io.columns import Columns
from segqc.tabular.io.notations import look_of
from segqc.tabular.io.values import as_numbers, as_text, is_categorical

_FEW_DATES = 20  # different dates or numbers: not identifiers, even if each occurs once
_HARDLY = 10.0  # exp of its negative is hardly ever
_NEARLY_ALL = 0.9  # share of the dates that are distinct: dates like an identifier


def choose_categorical(table: Columns, categorical_features: Any) -> np.ndarray:
    """Which columns are categorical, bool `[C]`.

    Parameters
    ----------
    table : Columns
    categorical_features : "infer", "all", None, a bool mask `[C]`, names or indices

    Raises
    ------
    ValueError
        When it is none of these, or names a column that is not there.
    """
    count = len(table.names)
    if isinstance(categorical_features, str):
        if categorical_features == "infer":
            columns = zip(table.values, table.declared, strict=True)
            return np.array(
                [
                    declared == "category" or (declared is None and is_categorical(values))
                    for values, declared in columns
                ],
                bool,
            )
        if categorical_features == "all":
            return np.ones(count, bool)
        raise ValueError(
            "Expected `categorical_features` to be 'infer', 'all', a mask, names or indices, "
            f"but got {categorical_features!r}"
        )
    chosen = list([] if categorical_features is None else categorical_features)
    if chosen and all(isinstance(value, bool | np.bool_) for value in chosen):
        if len(chosen) != count:
            raise ValueError(f"Expected a mask of {count} columns in `categorical_features`, but got {len(chosen)}")
        return np.array(chosen, bool)
    mask = np.zeros(count, bool)
    for value in chosen:
        if isinstance(value, str):
            if value not in table.names:
                raise ValueError(
                    "Expected names of columns in `categorical_features`, "
                    f"but {value!r} is not among {', '.join(table.names)}"
                )
            mask[table.names.index(value)] = True
        elif isinstance(value, int | np.integer) and 0 <= value < count:
            mask[value] = True
        else:
            raise ValueError(f"Expected names or indices below {count} in `categorical_features`, but got {value!r}")
    return mask


class NumbersAsText(UserWarning):
    """A column of text holds numbers or dates, and most of its cells are rare: as text they tell nothing."""


def warn_of_columns(table: Columns, encoder: TableEncoder) -> None:
    """Warn the caller's caller of the columns that tell nothing as they are, or that every later row will be beyond."""
    identifiers = like_identifiers(table, encoder)
    for names, what, one, more in (
        (
            identifiers,
            "Most rows have a rare value, or one of their own,",
            "looks like an identifier: leave it out",
            "look like identifiers: leave them out",
        ),
        (
            [name for name in rising_dates(table) if name not in identifiers],
            "The dates rise from row to row, so that every later row will lie beyond them,",
            "leave it out, or keep what returns, such as the hour",
            "leave them out, or keep what returns, such as the hour",
        ),
    ):
        if names:
            warnings.warn(f"{what} in {', '.join(names)}: {more if len(names) > 1 else one}", stacklevel=3)
    for name, (what, example) in numbers_as_text(table, encoder).items():
        warnings.warn(
            f"Most cells of {name} are {what} in text, such as {example!r}, and rare: make it a column of {what}, or "
            "leave it out if it names or counts the rows",
            NumbersAsText,
            stacklevel=3,
        )


def like_identifiers(table: Columns, encoder: TableEncoder) -> list[str]:
    """Columns of a training table that should be left out: text columns that keep no outcome, dates that are nearly
    all distinct, and whole numbers that count the rows, in their order or in another.
    """
    found, numbers = [], numbers_as_text(table, encoder)
    for name, values, declared, column in zip(table.names, table.values, table.declared, encoder.columns, strict=True):
        if isinstance(column, CategoricalColumn):
            suspect = not column.outcomes and as_text(values).null_count < len(values) and name not in numbers
        elif declared == "date":
            present = values[~np.isnan(values)]
            suspect = len(np.unique(present)) > max(_FEW_DATES, _NEARLY_ALL * len(present))
        else:
            suspect = _counts_rows(as_numbers(values, name))
        if suspect:
            found.append(name)
    return found


def numbers_as_text(table: Columns, encoder: TableEncoder) -> dict[str, tuple[str, str]]:
    """Text columns that keep no outcome, and most of whose cells are numbers or dates: which, and an example."""
    found = {}
    for name, values, column in zip(table.names, table.values, encoder.columns, strict=True):
        if isinstance(column, CategoricalColumn) and not column.outcomes:
            text = pyarrow.chunked_array([as_text(values)])
            look = look_of(text) if text.null_count < len(text) else None
            if look is not None:
                found[name] = look.notations[0].what, next(t for t in text.to_pylist() if t and t not in look.odd)
    return found


def rising_dates(table: Columns) -> list[str]:
    """Columns of dates that never fall from row to row: those of a log, in which every later row is beyond them."""
    found = []
    for name, values, declared in zip(table.names, table.values, table.declared, strict=True):
        present = values[~np.isnan(values)] if declared == "date" else np.empty(0)
        if len(np.unique(present)) > _FEW_DATES and (np.diff(present) >= 0).all():
            found.append(name)
    return found


def _counts_rows(numbers: np.ndarray) -> bool:
    """Whether numbers are whole, and rise from each row to the next or are so many different ones in so small a range
    as chance would hardly make: n of R numbers are all different with a probability of about exp(-n^2 / 2R).
    """
    count, (low, high) = len(numbers), (numbers.min(initial=np.inf), numbers.max(initial=-np.inf))
    if count <= _FEW_DATES or not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        return False
    if (np.diff(numbers) > 0).all():
        return True
    return high - low < count**2 / (2 * _HARDLY) and len(np.unique(numbers)) == count
