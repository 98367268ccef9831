"""Encoding of tables for the baselines: integer codes for counting, one-hot columns for the others; vocabularies come
from the training rows alone.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow
import pyarrow.compute

BINS = 10
"""Quantile bins of a numeric column, for baselines that count."""


@dataclass(frozen=True)
class _Column:
    """Outcomes of a text column, or bin edges, mean and scale of a numeric one."""

    outcomes: pyarrow.Array | None
    edges: np.ndarray
    mean: float = 0.0
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Outcomes: the seen ones (or bins), missing, unseen."""
        return (len(self.edges) + 1 if self.outcomes is None else len(self.outcomes)) + 2


class BaselineEncoder:
    """Codes and one-hot columns of tables with the columns of the training table.

    A column with K seen outcomes has K + 2 codes: K is "missing" and K + 1 "a value that training did not have".
    """

    def fit(self, table: pyarrow.Table) -> "BaselineEncoder":
        """Learn vocabularies, quantile bins, means and scales."""
        self.names_ = table.column_names
        self.columns_ = [_learn(table.column(name)) for name in self.names_]
        self.sizes_ = np.array([column.size for column in self.columns_])
        return self

    def codes(self, table: pyarrow.Table) -> np.ndarray:
        """Codes, int64 `[n, columns]`."""
        return np.stack(
            [_codes(table.column(name), column) for name, column in zip(self.names_, self.columns_, strict=True)],
            axis=1,
        )

    def one_hot(self, table: pyarrow.Table) -> np.ndarray:
        """Float32 `[n, width]`: indicators of all codes of text columns; numeric ones standardised, with an indicator
        of missing.
        """
        parts = []
        for name, column in zip(self.names_, self.columns_, strict=True):
            if column.outcomes is None:
                values = _numbers(table.column(name))
                missing = np.isnan(values)
                parts.append(
                    np.stack([np.where(missing, 0, (values - column.mean) / column.scale), missing], axis=1).astype(
                        np.float32
                    )
                )
            else:
                codes = _codes(table.column(name), column)
                block = np.zeros((len(codes), column.size), np.float32)
                block[np.arange(len(codes)), codes] = 1
                parts.append(block)
        return np.concatenate(parts, axis=1)


def _numbers(column: pyarrow.ChunkedArray) -> np.ndarray:
    return pyarrow.compute.fill_null(column, float("nan")).to_numpy()


def _learn(column: pyarrow.ChunkedArray) -> _Column:
    if pyarrow.types.is_string(column.type):
        outcomes = pyarrow.compute.unique(column).drop_null()
        return _Column(outcomes.take(pyarrow.compute.sort_indices(outcomes)), np.empty(0))
    values = _numbers(column)
    values = values[~np.isnan(values)]
    if not len(values):
        return _Column(None, np.empty(0))
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    return _Column(None, edges, float(values.mean()), float(values.std()) or 1.0)


def _codes(column: pyarrow.ChunkedArray, learnt: _Column) -> np.ndarray:
    missing, unseen = learnt.size - 2, learnt.size - 1
    if learnt.outcomes is None:
        values = _numbers(column)
        return np.where(np.isnan(values), missing, np.searchsorted(learnt.edges, values, side="left"))
    found = pyarrow.compute.fill_null(pyarrow.compute.index_in(column, learnt.outcomes), unseen)
    codes = found.to_numpy().astype(np.int64)
    return np.where(pyarrow.compute.is_null(column).to_numpy(), missing, codes)
