"""Tables as codes and scaled numbers; vocabularies and scales come from the training rows alone.

A categorical column with n seen outcomes has n + 2 codes: n is "missing", n + 1 "a value that training did not have". A
continuous column gives a scaled number and a code of its own kind: 0 present, 1 missing, 2 never occurs, so that a
missing number is an outcome like any other.

Identifiers and free text have a new outcome in nearly every row, so that every new row would be unseen. A column with
very many outcomes keeps the most frequent ones; the others count as unseen. It keeps none if most of its cells hold
rare ones: such a column adds nothing to a score.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from scipy.special import ndtri

from segqc.tabular.io.columns import Columns
from segqc.tabular.io.values import LARGEST, as_numbers, as_text

QUANTILES = 1000  # of the quantile scaling
_CLIP = 50.0  # scaled values beyond: one cell must not overflow the rest of the row of a network
_ROBUST_CLIP = 1e6  # the same for robust scaling, which no network reads
_NORMAL_QUARTILES = 1.349  # distance of the quartiles of a normal distribution, in standard deviations
_MOST_OUTCOMES = 256  # that a column keeps
_FEW_OUTCOMES = 20  # so few are not identifiers, even if each occurs once
_TRUTHS = {"True": True, "False": False, "true": True, "false": False, "TRUE": True, "FALSE": False}
_TRUTHS |= {"1": True, "0": False}
_LEAST_SCALE = 1e-12  # of the largest value: less is rounding


@dataclass(frozen=True)
class CategoricalColumn:
    """Outcomes that a categorical column keeps, sorted."""

    outcomes: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Code of missing cells."""
        return len(self.outcomes)

    @property
    def unseen(self) -> int:
        """Code of values that training did not have."""
        return len(self.outcomes) + 1

    @property
    def size(self) -> int:
        """K: the seen outcomes, missing, unseen."""
        return len(self.outcomes) + 2

    def codes(self, text: pyarrow.Array) -> np.ndarray:
        """Codes of text cells, int64 `[n]`."""
        found = pyarrow.compute.index_in(text, pyarrow.array(self.outcomes, type=pyarrow.string()))
        codes = pyarrow.compute.fill_null(found, self.unseen).to_numpy().astype(np.int64)
        codes = np.where(pyarrow.compute.is_null(text).to_numpy(zero_copy_only=False), self.missing, codes)
        same = {_TRUTHS[outcome]: code for code, outcome in enumerate(self.outcomes) if outcome in _TRUTHS}
        if self.outcomes and len(same) == len(self.outcomes) and (codes == self.unseen).any():
            # A column of booleans: another program's true is no new value.
            for spelled, truth in _TRUTHS.items():
                if truth in same:
                    spelled_so = pyarrow.compute.fill_null(pyarrow.compute.equal(text, spelled), False)
                    codes[spelled_so.to_numpy(zero_copy_only=False)] = same[truth]
        return codes


@dataclass(frozen=True)
class ContinuousColumn:
    """Scaling of a column: the quantiles of its training values, or a centre and a scale of them.

    Attributes
    ----------
    mean, scale : float
        Mean and standard deviation, or, of robust scaling, median and interquartile range.
    quantiles : ndarray `[Q]` float64
        Quantiles of the training values, for quantile scaling; empty otherwise.
    limit : float
        Scaled values beyond it are cut.
    """

    mean: float
    scale: float
    quantiles: np.ndarray
    limit: float = _CLIP

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Scaled values, float32 `[n]` within +-`limit`; NaN becomes 0."""
        if len(self.quantiles):
            rank = np.interp(
                values,
                self.quantiles,
                np.linspace(0.5, len(self.quantiles) - 0.5, len(self.quantiles)) / len(self.quantiles),
            )
            z = ndtri(rank)
            # Beyond the training range ranks say nothing: go on linearly, in standard deviations.
            z = (
                z
                + (np.maximum(values - self.quantiles[-1], 0) + np.minimum(values - self.quantiles[0], 0)) / self.scale
            )
        else:
            with np.errstate(over="ignore"):
                z = (values - self.mean) / self.scale
        return np.nan_to_num(np.clip(z, -self.limit, self.limit)).astype(np.float32)


def _learn_numbers(values: np.ndarray, scaling: str) -> ContinuousColumn:
    values = values[np.abs(values) < LARGEST]  # no NaN, no infinities
    if not len(values):
        return ContinuousColumn(0.0, 1.0, np.empty(0))
    largest = float(np.abs(values).max())
    if np.ptp(values) == 0:
        return ContinuousColumn(float(values[0]), largest or 1.0, np.empty(0))
    if scaling == "robust":
        low, median, high = (float(found) for found in np.quantile(values / largest, [0.25, 0.5, 0.75]))
        spread = (high - low) / _NORMAL_QUARTILES or float((values / largest).std())
        return ContinuousColumn(median * largest, max(spread, _LEAST_SCALE) * largest, np.empty(0), _ROBUST_CLIP)
    # squares of what is left neither overflow nor vanish; a power of two rounds nothing
    unit = np.ldexp(1.0, np.frexp(largest)[1])
    mean, scale = float((values / unit).mean() * unit), float((values / unit).std() * unit)
    quantiles = (
        np.unique(np.quantile(values, np.linspace(0, 1, min(QUANTILES, len(values)))))
        if scaling == "quantile"
        else np.empty(0)
    )
    return ContinuousColumn(mean, max(scale, _LEAST_SCALE * largest), quantiles if len(quantiles) > 1 else np.empty(0))


def _learn_outcomes(text: pyarrow.Array) -> CategoricalColumn:
    found = pyarrow.compute.value_counts(text.drop_null())
    outcomes, counts = found.field("values").to_pylist(), found.field("counts").to_numpy()
    if len(outcomes) > _FEW_OUTCOMES:
        often = counts > 1
        if len(outcomes) > _MOST_OUTCOMES:  # ties are kept together, or not at all
            often &= counts > np.sort(counts)[-1 - _MOST_OUTCOMES]
        if 2 * counts[often].sum() < counts.sum():
            outcomes = []
        elif len(outcomes) > _MOST_OUTCOMES:
            outcomes = [outcome for outcome, kept in zip(outcomes, often, strict=True) if kept]
    return CategoricalColumn(tuple(sorted(outcomes)))


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
        scaling : {"standard", "quantile", "robust"}
            Scaling of the continuous columns. Robust scaling takes median and interquartile range, which a few extreme
            values do not move.
        """
        columns: list[CategoricalColumn | ContinuousColumn] = []
        for name, values, discrete in zip(table.names, table.values, categorical, strict=True):
            if discrete:
                columns.append(_learn_outcomes(as_text(values, name)))
            else:
                columns.append(_learn_numbers(as_numbers(values, name), scaling))
        return cls(tuple(table.names), tuple(columns))

    @property
    def sizes(self) -> np.ndarray:
        """K of every column, int64 `[C]`; 3 for a continuous one."""
        return np.array(
            [column.size if isinstance(column, CategoricalColumn) else 3 for column in self.columns], np.int64
        )

    @property
    def continuous(self) -> np.ndarray:
        """Indices of the M continuous columns, int64 `[M]`."""
        return np.array([j for j, column in enumerate(self.columns) if isinstance(column, ContinuousColumn)], np.int64)

    def transform(self, table: Columns) -> Encoded:
        """Encode a table whose columns are those of the training table, in its order."""
        codes, numbers = [], []
        for name, values, column in zip(self.names, table.values, self.columns, strict=True):
            if isinstance(column, CategoricalColumn):
                codes.append(column.codes(as_text(values, name)))
            else:
                raw = as_numbers(values, name)
                codes.append(np.isnan(raw).astype(np.int64))
                numbers.append(column.scaled(raw))
        return Encoded(
            np.stack(codes, axis=1), np.stack(numbers, axis=1) if numbers else np.empty((len(table), 0), np.float32)
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data for `from_json`."""
        return [
            {"name": name, "outcomes": list(column.outcomes)}
            if isinstance(column, CategoricalColumn)
            else {
                "name": name,
                "mean": column.mean,
                "scale": column.scale,
                "quantiles": column.quantiles.tolist(),
                "limit": column.limit,
            }
            for name, column in zip(self.names, self.columns, strict=True)
        ]

    @classmethod
    def from_json(cls, columns: list[dict[str, Any]]) -> "TableEncoder":
        """The encoder that `to_json` described."""
        read = [
            CategoricalColumn(tuple(column["outcomes"]))
            if "outcomes" in column
            else ContinuousColumn(
                column["mean"], column["scale"], np.array(column["quantiles"], np.float64), column["limit"]
            )
            for column in columns
        ]
        return cls(tuple(column["name"] for column in columns), tuple(read))
