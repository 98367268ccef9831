"""Density of a number within its bin, which counting the bins leaves out.

    p(x | known cells) = p(bin | known cells) p(x | bin)

p(x | bin) is even over an inner bin, and beyond the outer edges falls as a generalised Pareto density, as tails do far
out (Pickands 1975). Its scale and shape come from the mean and variance of the training numbers there: from exponential
(shape 0) to tails whose variance is all but infinite (1/2). Its -log is added to a number's surprise at every level of
counting. Without it all numbers would have nearly the same surprise, since quantile bins are equally frequent, and a
level's scale (`segqc.tabular.counting.oddest_level`) would be meaningless.

A frequent value, which has a bin to itself, adds nothing, and neither does a missing one. From the others the mean over
training rows is subtracted, so that the unit of the column does not matter.
"""

from dataclasses import dataclass

import numpy as np

from segqc.tabular.counting.bins import BINS, NumberBins
from segqc.tabular.encoding import Encoded

_NARROWEST = 1e-6  # standard deviations
_HEAVIEST = 0.5


@dataclass(frozen=True)
class NumberSpread:
    """Densities of numbers within their bins.

    Attributes
    ----------
    bins : NumberBins
        Bins of the M continuous columns.
    scale, shape : ndarray `[M, 2]` float64
        Scale and shape of the Pareto density below the first edge and above the last; one standard deviation and 0
        where no training number lies there.
    usual : ndarray `[M]` float64
        Mean of -log p(x | bin) over training numbers that are in no bin of their own.
    """

    bins: NumberBins
    scale: np.ndarray
    shape: np.ndarray
    usual: np.ndarray

    @classmethod
    def fit(cls, rows: Encoded, bins: NumberBins) -> "NumberSpread":
        """Learn from training rows."""
        width = len(bins.continuous)
        scale, shape = np.ones((width, 2)), np.zeros((width, 2))
        codes = bins.codes(rows)
        for m, column in enumerate(bins.continuous):
            for side in (0, 1):
                beyond = _beyond(rows.numbers[codes[:, column] == side * (BINS - 1), m], bins.edges[m], side)
                if len(beyond):
                    mean, variance = max(beyond.mean(), _NARROWEST), max(beyond.var(), _NARROWEST**2)
                    shape[m, side] = np.clip((1 - mean**2 / variance) / 2, 0, _HEAVIEST)
                    scale[m, side] = mean * (1 - shape[m, side])
        raw = cls(bins, scale, shape, np.zeros(width))
        surprise, spacious = raw.surprise(rows, codes), np.diff(bins.edges, axis=1, prepend=-np.inf, append=np.inf) > 0
        usual = np.zeros(width)
        for m, column in enumerate(bins.continuous):
            spread = (codes[:, column] < BINS) & spacious[m, np.minimum(codes[:, column], BINS - 1)]
            if spread.any():
                usual[m] = surprise[spread, m].mean()
        return cls(bins, scale, shape, usual)

    def outcomes(self) -> np.ndarray:
        """Mean addition to the surprise of a number, by bin, missing and unseen, float64 `[M, BINS + 2]`."""
        width, usual = np.diff(self.bins.edges, axis=1), self.usual[:, None]
        inner = np.where(width > 0, np.log(np.maximum(width, _NARROWEST)) - usual, 0)
        tails = np.log(self.scale) + 1 + self.shape - usual
        return np.concatenate([tails[:, :1], inner, tails[:, 1:], np.zeros((len(inner), 2))], axis=1)

    def added(self, sizes: np.ndarray) -> np.ndarray:
        """`outcomes` for all columns, column by column, `[S]`: 0 for categories.

        `sizes` are those of `NumberBins.sizes`.
        """
        found = [np.zeros(size) for size in sizes]
        for column, outcomes in zip(self.bins.continuous, self.outcomes(), strict=True):
            found[column] = outcomes
        return np.concatenate(found)

    def surprise(self, rows: Encoded, codes: np.ndarray) -> np.ndarray:
        """Addition to the surprise of the numbers, float64 `[n, M]`, for rows and their `NumberBins.codes`."""
        outcomes, binned = self.outcomes(), codes[:, self.bins.continuous]
        found = outcomes[np.arange(len(outcomes)), binned]
        for m in range(len(outcomes)):
            for side in (0, 1):
                there = binned[:, m] == side * (BINS - 1)
                z = _beyond(rows.numbers[there, m], self.bins.edges[m], side) / self.scale[m, side]
                shape = max(self.shape[m, side], 1e-9)  # the limit at 0 is z
                found[there, m] = np.log(self.scale[m, side]) + (1 + 1 / shape) * np.log1p(shape * z) - self.usual[m]
        return found


def _beyond(numbers: np.ndarray, edges: np.ndarray, side: int) -> np.ndarray:
    """How far numbers lie below the first edge (side 0) or above the last (1)."""
    values = numbers.astype(np.float64)
    return edges[0] - values if side == 0 else values - edges[-1]
