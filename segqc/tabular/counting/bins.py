"""Numbers as outcomes that can be counted: quantile bins of the training rows."""

from dataclasses import dataclass

import numpy as np

from segqc.tabular.encoding import Encoded

BINS = 10
_MISSING = 1  # code of a missing number


@dataclass(frozen=True)
class NumberBins:
    """Bins of the continuous columns.

    Beyond the training range a number is in an outer bin; how far out, `segqc.tabular.counting.tails` says.

    Attributes
    ----------
    continuous : ndarray `[M]` int64
        Indices of the columns.
    edges : ndarray `[M, BINS - 1]` float64
        Between the bins, of scaled numbers. Equal ones where a value is frequent: it has the first bin between them to
        itself, the others are empty.
    """

    continuous: np.ndarray
    edges: np.ndarray

    @classmethod
    def fit(cls, rows: Encoded, continuous: np.ndarray) -> "NumberBins":
        """Learn from training rows; missing numbers have no share."""
        edges = np.zeros((len(continuous), BINS - 1))
        for m, column in enumerate(continuous):
            values = rows.numbers[rows.codes[:, column] != _MISSING, m].astype(np.float64)
            if len(values):
                edges[m] = np.quantile(values, np.arange(1, BINS) / BINS)
        return cls(np.asarray(continuous, np.int64), edges)

    def sizes(self, sizes: np.ndarray) -> np.ndarray:
        """K of every column, `[C]`: those of the encoder, and BINS + 2 of a continuous one."""
        binned = np.array(sizes)
        binned[self.continuous] = BINS + 2
        return binned

    def codes(self, rows: Encoded) -> np.ndarray:
        """Codes `[n, C]` int64: of a continuous column the bin, or BINS where it is missing."""
        codes = rows.codes.copy()
        for m, column in enumerate(self.continuous):
            below, at_most = (
                np.searchsorted(self.edges[m], rows.numbers[:, m], side=side) for side in ("left", "right")
            )
            codes[:, column] = np.where(rows.codes[:, column] == _MISSING, BINS, below + (at_most - below > 1))
        return codes
