"""Numbers as outcomes that can be counted: p(x | other cells) = p(bin | other cells) p(x | bin).

A value that is frequent among the training rows has a bin of its own, an atom; all others share bins of about equal
counts. p(x | bin) is 1 on an atom and even in the other bins, but for the first and the last: from their inner border
on it falls as a generalised Pareto density, as tails do far out (Pickands 1975), of shape 1/2. Its scale comes from the
median of the training values there, which a few extreme ones do not move.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from segqc.tabular.encoding import Encoded

BINS = 20
"""Bins of a column, at most about."""

_FREQUENT = 0.75  # of the even share of a bin: as many equal values are an atom
_REPEATED = 3  # rows a value, on average, in a column of few values: all are atoms
_MEDIAN = 2 * (2**0.5 - 1)  # of a generalised Pareto density of shape 1/2 and scale 1
_NARROWEST = 1e-6  # width of a bin, and scale of a tail, in scales of the column
_MISSING = 1  # code of a missing number


@dataclass(frozen=True)
class NumberBins:
    """Bins of the M continuous columns, of scaled numbers.

    Attributes
    ----------
    continuous : ndarray `[M]` int64
        Indices of the columns.
    counts : ndarray `[M]` int64
        Number of bins of every column, at least 1.
    low, high : ndarray `[B]` float64
        Smallest and largest training value of every bin, column after column; equal for an atom.
    tails : ndarray `[M, 2]` float64
        Scales of the densities in the first bin and in the last, and beyond them.
    usual : ndarray `[M]` float64
        Mean of -log p(x | bin) over the training values that are on no atom; taken off, so that units do not matter.
    rows : ndarray `[M]` float64
        Training values of every column.
    """

    continuous: np.ndarray
    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    tails: np.ndarray
    usual: np.ndarray
    rows: np.ndarray

    @classmethod
    def fit(cls, rows: Encoded, continuous: np.ndarray) -> "NumberBins":
        """Learn from training rows; missing numbers have no share."""
        lows, highs, tails, seen = [], [], [], []
        for m, column in enumerate(continuous):
            values = rows.numbers[rows.codes[:, column] != _MISSING, m].astype(np.float64)
            low, high = _bins(values)
            lows.append(low)
            highs.append(high)
            tails.append(_tail_scales(values, low, high))
            seen.append(len(values))
        raw = cls(
            np.asarray(continuous, np.int64),
            np.array([len(low) for low in lows], np.int64),
            np.concatenate([*lows, np.empty(0)]),
            np.concatenate([*highs, np.empty(0)]),
            np.array(tails).reshape(-1, 2),
            np.zeros(len(continuous)),
            np.array(seen, np.float64),
        )
        return dataclasses.replace(raw, usual=raw._usual(rows))

    def _usual(self, rows: Encoded) -> np.ndarray:
        codes = self.codes(rows)
        surprise, usual = self.surprise(rows, codes), np.zeros(len(self.continuous))
        for m, (column, (low, high)) in enumerate(zip(self.continuous, self._columns(), strict=True)):
            spread = np.append(high > low, [False, False])[codes[:, column]]
            usual[m] = surprise[spread, m].mean() if spread.any() else 0.0
        return usual

    def sizes(self, sizes: np.ndarray) -> np.ndarray:
        """K of every column, `[C]`: those of the encoder, and of a continuous one its bins, missing and unseen."""
        binned = np.array(sizes)
        binned[self.continuous] = self.counts + 2
        return binned

    def codes(self, rows: Encoded) -> np.ndarray:
        """Codes `[n, C]` int64: of a continuous column the bin, or the number of bins where it is missing."""
        codes = rows.codes.copy()
        for m, (column, (low, high)) in enumerate(zip(self.continuous, self._columns(), strict=True)):
            found = np.searchsorted((high[:-1] + low[1:]) / 2, rows.numbers[:, m].astype(np.float64))
            codes[:, column] = np.where(rows.codes[:, column] == _MISSING, self.counts[m], found)
        return codes

    def surprise(self, rows: Encoded, codes: np.ndarray) -> np.ndarray:
        """-log p(x | bin) of the numbers less what is usual, float64 `[n, M]`; 0 on an atom and where missing.

        A value that is no training value but whose bin is an atom counts as one that occurs once in all training rows.
        """
        found = np.zeros((len(rows), len(self.continuous)))
        for m, (column, (low, high)) in enumerate(zip(self.continuous, self._columns(), strict=True)):
            there = codes[:, column] < self.counts[m]
            bins, values = codes[there, column], rows.numbers[there, m].astype(np.float64)
            found[there, m] = _in_bins(values, bins, low, high, self.tails[m], self.rows[m])
            found[there, m] -= np.where((high > low)[bins], self.usual[m], 0.0)
        return found

    def _columns(self) -> list[tuple[np.ndarray, np.ndarray]]:
        ends = np.cumsum(self.counts)
        return [(self.low[a:b], self.high[a:b]) for a, b in zip(ends - self.counts, ends, strict=True)]


def _bins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of every bin."""
    distinct, counts = np.unique(values, return_counts=True)
    if not len(distinct):
        return np.zeros(1), np.zeros(1)
    share = max(len(values) / BINS, 2)
    few = len(distinct) <= BINS and len(values) >= _REPEATED * len(distinct)
    atom = (counts >= max(_FREQUENT * share, 2)) | few
    first = np.zeros(len(distinct), bool)  # of a bin
    held = np.inf
    for i, (count, alone) in enumerate(zip(counts.tolist(), atom.tolist(), strict=True)):
        first[i] = alone or held >= share
        held = np.inf if alone else count if first[i] else held + count
    if len(distinct) > 1 and first[-1] and not atom[-2:].any():
        first[-1] = False  # one value is no bin
    starts = np.flatnonzero(first)
    return distinct[starts], distinct[np.append(starts[1:], len(distinct)) - 1]


def _in_bins(
    values: np.ndarray, bins: np.ndarray, low: np.ndarray, high: np.ndarray, scales: np.ndarray, rows: float
) -> np.ndarray:
    """-log p(x | bin) of values of one column, `[n]`."""
    borders, atom = (high[:-1] + low[1:]) / 2, high == low
    width = np.append(borders, high[-1]) - np.append(low[0], borders)
    found = np.where(atom, 0.0, np.log(np.maximum(width, _NARROWEST)))[bins]
    found[atom[bins] & (values != low[bins])] = np.log(rows + 1)
    lower, upper = _tail_edges(low, high)
    for end, scale, beyond in ((0, scales[0], lower - values), (len(low) - 1, scales[1], values - upper)):
        if not atom[end]:
            found[bins == end] = np.log(scale)
        found += 3 * np.log1p(np.maximum(beyond, 0) / scale / 2)
    return found


def _tail_edges(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Where the tails begin: at the inner borders of the outer bins, or at an atom."""
    lower = (high[0] + low[1]) / 2 if high[0] > low[0] and len(low) > 1 else low[0]
    if high[-1] == low[-1]:
        return lower, high[-1]
    return lower, (high[-2] + low[-1]) / 2 if len(low) > 1 else low[0]


def _tail_scales(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Scales of the tails; that of the column beyond an atom."""
    lower, upper = _tail_edges(low, high)
    found = []
    for atom, excess in ((high[0] == low[0], lower - values), (high[-1] == low[-1], values - upper)):
        excess = excess[excess > 0]
        found.append(1.0 if atom or not len(excess) else max(float(np.median(excess)) / _MEDIAN, _NARROWEST))
    return found[0], found[1]
