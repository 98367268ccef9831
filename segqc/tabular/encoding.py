"""Tables as codes and scaled numbers; vocabularies and scales come from the training rows alone.

A categorical column with n seen outcomes has n + 2 codes: n is "missing", n + 1 "a value that training did not have". A continuous column gives a
scaled number and a code of its own kind: 0 present, 1 missing, 2 never occurs, so that a missing number is an outcome like any other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from scipy.special import ndtri

from segqc.tabular.columns import Columns, as_numbers, as_text, is_categorical

QUANTILES = 1000  # of the quantile scaling
_CLIP = 50.0  # scaled values beyond: one cell must not overflow the rest of the row


@dataclass(frozen=True)
class CategoricalColumn:
    """Outcomes of a column, sorted."""

    outcomes: tuple[str, ...]

    @property
    def size(self) -> int:
        """K: the seen outcomes, missing, unseen."""
        return len(self.outcomes) + 2

    def codes(self, text: pyarrow.Array) -> np.ndarray:
        """Codes of text cells, int64 `[n]`."""
        found = pyarrow.compute.index_in(text, pyarrow.array(self.outcomes, type=pyarrow.string()))
        codes = pyarrow.compute.fill_null(found, len(self.outcomes) + 1).to_numpy().astype(np.int64)
        return np.where(pyarrow.compute.is_null(text).to_numpy(zero_copy_only=False), len(self.outcomes), codes)


@dataclass(frozen=True)
class ContinuousColumn:
    """Scaling of a column: the quantiles of its training values, or their mean and standard deviation.

    Attributes
    ----------
    mean, scale : float
    quantiles : ndarray `[Q]` float64
        Empty for standard scaling.
    """

    mean: float
    scale: float
    quantiles: np.ndarray

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Scaled values, float32 `[n]` in +-50; NaN becomes 0."""
        if len(self.quantiles):
            rank = np.interp(values, self.quantiles, np.linspace(0.5, len(self.quantiles) - 0.5, len(self.quantiles)) / len(self.quantiles))
            z = ndtri(rank)
            # Beyond the training range ranks say nothing: go on linearly, in standard deviations.
            z = z + (np.maximum(values - self.quantiles[-1], 0) + np.minimum(values - self.quantiles[0], 0)) / self.scale
        else:
            z = (values - self.mean) / self.scale
        return np.nan_to_num(np.clip(z, -_CLIP, _CLIP)).astype(np.float32)


def _learn_numbers(values: np.ndarray, scaling: str) -> ContinuousColumn:
    values = values[~np.isnan(values)]
    if not len(values):
        return ContinuousColumn(0.0, 1.0, np.empty(0))
    scale = float(values.std()) if np.ptp(values) > 0 else 1.0
    quantiles = np.unique(np.quantile(values, np.linspace(0, 1, min(QUANTILES, len(values))))) if scaling == "quantile" else np.empty(0)
    return ContinuousColumn(float(values.mean()), max(scale, 1e-12), quantiles if len(quantiles) > 1 else np.empty(0))


@dataclass(frozen=True)
class Encoded:
    """Rows of a table.

    Attributes
    ----------
    codes : ndarray `[n, C]` int64
        Outcome of every column; of continuous ones 0 present, 1 missing.
    numbers : ndarray `[n, M]` float32
        Scaled values of the M continuous columns, 0 where missing.
    """

    codes: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> "Encoded":
        """These rows."""
        return Encoded(self.codes[rows], self.numbers[rows])

    def distinct(self) -> tuple["Encoded", np.ndarray, np.ndarray]:
        """Each distinct row once, the index of every row among them `[n]`, and how often each occurs `[d]`."""
        width = np.uint8 if self.codes.max(initial=0) < 256 else np.int32
        parts = [
            self.codes.astype(width).view(np.uint8).reshape(len(self), -1),
            np.ascontiguousarray(self.numbers).view(np.uint8).reshape(len(self), -1),
        ]
        bytes_of_row = np.ascontiguousarray(np.concatenate(parts, axis=1))
        keys = bytes_of_row.view(np.dtype((np.void, bytes_of_row.shape[1]))).reshape(-1)
        _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        return self.take(first), inverse.reshape(-1), counts


@dataclass(frozen=True)
class TableEncoder:
    """How each column of a training table is read.

    Attributes
    ----------
    names : tuple of str
    columns : tuple of CategoricalColumn or ContinuousColumn
    """

    names: tuple[str, ...]
    columns: tuple[CategoricalColumn | ContinuousColumn, ...]

    @classmethod
    def fit(cls, table: Columns, categorical: np.ndarray, scaling: str = "standard") -> "TableEncoder":
        """Learn outcomes and scales.

        Parameters
        ----------
        table : Columns
        categorical : ndarray `[C]` bool
        scaling : {"standard", "quantile"}
            Of continuous columns.
        """
        columns: list[CategoricalColumn | ContinuousColumn] = []
        for name, values, discrete in zip(table.names, table.values, categorical, strict=True):
            if discrete:
                outcomes = pyarrow.compute.unique(as_text(values)).drop_null()
                columns.append(CategoricalColumn(tuple(sorted(outcomes.to_pylist()))))
            else:
                columns.append(_learn_numbers(as_numbers(values, name), scaling))
        return cls(tuple(table.names), tuple(columns))

    @property
    def sizes(self) -> np.ndarray:
        """K of every column, int64 `[C]`; 3 for a continuous one."""
        return np.array([column.size if isinstance(column, CategoricalColumn) else 3 for column in self.columns], np.int64)

    @property
    def continuous(self) -> np.ndarray:
        """Indices of the M continuous columns, int64 `[M]`."""
        return np.array([j for j, column in enumerate(self.columns) if isinstance(column, ContinuousColumn)], np.int64)

    def transform(self, table: Columns) -> Encoded:
        """Encode a table whose columns are those of the training table, in its order."""
        codes, numbers = [], []
        for name, values, column in zip(self.names, table.values, self.columns, strict=True):
            if isinstance(column, CategoricalColumn):
                codes.append(column.codes(as_text(values)))
            else:
                raw = as_numbers(values, name)
                codes.append(np.isnan(raw).astype(np.int64))
                numbers.append(column.scaled(raw))
        return Encoded(np.stack(codes, axis=1), np.stack(numbers, axis=1) if numbers else np.empty((len(table), 0), np.float32))

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data for `from_json`."""
        return [
            {"name": name, "outcomes": list(column.outcomes)}
            if isinstance(column, CategoricalColumn)
            else {"name": name, "mean": column.mean, "scale": column.scale, "quantiles": column.quantiles.tolist()}
            for name, column in zip(self.names, self.columns, strict=True)
        ]

    @classmethod
    def from_json(cls, columns: list[dict[str, Any]]) -> "TableEncoder":
        """The encoder that `to_json` described."""
        read = [
            CategoricalColumn(tuple(column["outcomes"]))
            if "outcomes" in column
            else ContinuousColumn(column["mean"], column["scale"], np.array(column["quantiles"], np.float64))
            for column in columns
        ]
        return cls(tuple(column["name"] for column in columns), tuple(read))


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
            return np.array([is_categorical(values) for values in table.values], bool)
        if categorical_features == "all":
            return np.ones(count, bool)
        raise ValueError(f"Expected `categorical_features` to be 'infer', 'all', a mask, names or indices, but got {categorical_features!r}")
    chosen = list([] if categorical_features is None else categorical_features)
    if chosen and all(isinstance(value, bool | np.bool_) for value in chosen):
        if len(chosen) != count:
            raise ValueError(f"Expected a mask of {count} columns in `categorical_features`, but got {len(chosen)}")
        return np.array(chosen, bool)
    mask = np.zeros(count, bool)
    for value in chosen:
        if isinstance(value, str):
            if value not in table.names:
                raise ValueError(f"Expected names of columns in `categorical_features`, but {value!r} is not among {', '.join(table.names)}")
            mask[table.names.index(value)] = True
        elif isinstance(value, int | np.integer) and 0 <= value < count:
            mask[value] = True
        else:
            raise ValueError(f"Expected names or indices below {count} in `categorical_features`, but got {value!r}")
    return mask
