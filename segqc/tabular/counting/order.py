"""Cells as numbers that a tree can split by."""

from dataclasses import dataclass

import numpy as np

from segqc.tabular.encoding import CategoricalColumn, Encoded, TableEncoder

_MISSING_NUMBER = -1e7  # below all scaled numbers
_MISSING, _UNSEEN = -1.0, -2.0  # places of categories


@dataclass(frozen=True)
class CellOrder:
    """The places of categories among the outcomes of their columns: those that are numbers by size, then the others by
    the alphabet. Codes are often ordered, and where they are not, a few splits more tell them apart.

    Attributes
    ----------
    places : dict of int to ndarray `[K]` float32
        By column.
    continuous : ndarray `[M]` int64
        Indices of the columns of numbers.
    """

    places: dict[int, np.ndarray]
    continuous: np.ndarray

    @classmethod
    def of(cls, encoder: TableEncoder) -> "CellOrder":
        """The order of a table's cells."""
        columns = enumerate(encoder.columns)
        places = {j: _places(column) for j, column in columns if isinstance(column, CategoricalColumn)}
        return cls(places, encoder.continuous)

    def values(self, rows: Encoded) -> np.ndarray:
        """Every cell as a number, float32 `[n, C]`."""
        found = np.empty(rows.codes.shape, np.float32)
        for j, places in self.places.items():
            found[:, j] = places[rows.codes[:, j]]
        for m, j in enumerate(self.continuous):
            found[:, j] = np.where(rows.codes[:, j] == 1, _MISSING_NUMBER, rows.numbers[:, m])
        return found


def _places(column: CategoricalColumn) -> np.ndarray:
    ranked = sorted(range(len(column.outcomes)), key=lambda code: _key(column.outcomes[code]))
    places = np.array([0.0] * len(ranked) + [_MISSING, _UNSEEN], np.float32)
    places[ranked] = np.arange(len(ranked))
    return places


def _key(outcome: str) -> tuple[bool, float, str]:
    try:
        value = float(outcome)
    except ValueError:
        return True, 0.0, outcome
    return (False, value, outcome) if value == value else (True, 0.0, outcome)
