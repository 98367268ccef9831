"""Which columns of a training table are categorical, and which look like identifiers."""

import warnings
from typing import Any

import numpy as np

from segqc.tabular.encoding import CategoricalColumn, TableEncoder
from segqc.tabular.io.columns import Columns
from segqc.tabular.io.values import as_numbers, as_text, is_categorical

_FEW_DATES = 20  # different dates or numbers: not identifiers, even if each occurs once
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


def warn_of_identifiers(table: Columns, encoder: TableEncoder) -> None:
    """Warn the caller's caller of the columns that `like_identifiers` finds."""
    suspects = like_identifiers(table, encoder)
    if suspects:
        fix = "looks like an identifier: leave it out"
        if len(suspects) > 1:
            fix = "look like identifiers: leave them out"
        where = ", ".join(suspects)
        warnings.warn(f"Most rows have a rare value, or one of their own, in {where}: {fix}", stacklevel=3)


def like_identifiers(table: Columns, encoder: TableEncoder) -> list[str]:
    """Columns of a training table that should be left out: text columns that keep no outcome, dates that are nearly
    all distinct, and whole numbers that rise from row to row, beyond which every later row would be.
    """
    found = []
    for name, values, declared, column in zip(table.names, table.values, table.declared, encoder.columns, strict=True):
        if isinstance(column, CategoricalColumn):
            suspect = not column.outcomes and as_text(values).null_count < len(values)
        elif declared == "date":
            present = values[~np.isnan(values)]
            suspect = len(np.unique(present)) > max(_FEW_DATES, _NEARLY_ALL * len(present))
        else:
            suspect = _counts_rows(as_numbers(values, name))
        if suspect:
            found.append(name)
    return found


def _counts_rows(numbers: np.ndarray) -> bool:
    """Whether numbers are whole and rise from each row to the next."""
    with np.errstate(invalid="ignore"):
        return len(numbers) > _FEW_DATES and bool((np.diff(numbers) > 0).all() and (numbers == np.round(numbers)).all())
