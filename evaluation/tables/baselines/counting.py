"""Plain counting: densities that need no network, and rank about as well as most of them.

All work on integer codes (`evaluation.tables.encoding`): n(k) is how often code k of a column occurs in N training
rows, and p(k) = (n(k) + 1)/(N + K) its smoothed frequency among the K codes of the column, "missing" and "unseen"
included.
"""

from abc import abstractmethod
from itertools import combinations

import numpy as np
import pyarrow
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from evaluation.tables.baselines.base import TableBaseline
from evaluation.tables.encoding import BaselineEncoder


class CountingBaseline(TableBaseline):
    """Counts rows of codes; a subclass says what it counts and how a row of codes is scored."""

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "CountingBaseline":
        self.encoder_ = BaselineEncoder().fit(X)
        codes = self.encoder_.codes(X)
        self.marginals_ = [
            (np.bincount(c, minlength=size) + 1) / (len(c) + size)
            for c, size in zip(codes.T, self.encoder_.sizes_, strict=True)
        ]
        self._count(codes)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return self._surprise(self.encoder_.codes(X))

    @abstractmethod
    def _count(self, codes: np.ndarray) -> None:
        """Learn from int64 `[N, C]`."""

    @abstractmethod
    def _surprise(self, codes: np.ndarray) -> np.ndarray:
        """Score int64 `[n, C]`: float64 `[n]`."""

    def _pair_counts(self, codes: np.ndarray, first: int, second: int) -> np.ndarray:
        """How often two codes occur together, `[K_first, K_second]`."""
        rows, columns = self.encoder_.sizes_[[first, second]]
        return np.bincount(codes[:, first] * columns + codes[:, second], minlength=rows * columns).reshape(
            rows, columns
        )


class IndependentFrequencies(CountingBaseline):
    """-sum over columns of log p(k): as if columns had nothing to do with each other."""

    def _count(self, codes: np.ndarray) -> None:
        pass  # the marginals are all there is

    def _surprise(self, codes: np.ndarray) -> np.ndarray:
        return -sum(np.log(p)[c] for p, c in zip(self.marginals_, codes.T, strict=True))


class PairFrequencies(CountingBaseline):
    """-sum over pairs of columns of log p(k, m), smoothed towards independence: p = (n(k, m) + p(k) p(m))/(N + 1)."""

    def _count(self, codes: np.ndarray) -> None:
        self.pairs_ = {}
        for i, j in combinations(range(codes.shape[1]), 2):
            prior = np.outer(self.marginals_[i], self.marginals_[j])
            self.pairs_[i, j] = np.log((self._pair_counts(codes, i, j) + prior) / (len(codes) + 1))

    def _surprise(self, codes: np.ndarray) -> np.ndarray:
        total = np.zeros(len(codes))
        for (i, j), log_p in self.pairs_.items():
            total -= log_p[codes[:, i], codes[:, j]]
        return total


class ChowLiuTree(CountingBaseline):
    """-log p of the tree of pairs with the largest mutual information (Chow and Liu 1968): p(root) times p(child |
    parent) along its edges.

    Conditionals are smoothed towards the marginal: p(k | m) = (n(k, m) + p(k))/(n(m) + 1).
    """

    def _count(self, codes: np.ndarray) -> None:
        width = codes.shape[1]
        information = np.zeros((width, width))
        for i, j in combinations(range(width), 2):
            together = self._pair_counts(codes, i, j) / len(codes)
            apart = np.outer(together.sum(1), together.sum(0))
            present = together > 0
            information[i, j] = (together[present] * np.log(together[present] / apart[present])).sum()
        # The solver takes a zero for "no edge"; subtracting from a bound turns the largest information into the
        # smallest positive weight.
        weights = np.where(np.triu(np.ones((width, width)), 1) > 0, 1 + information.max() - information, 0)
        tree = minimum_spanning_tree(weights)
        order, parents = breadth_first_order(tree, 0, directed=False)
        self.root_ = int(order[0])
        self.conditionals_ = {}
        for child in order[1:]:
            parent = int(parents[child])
            counts = self._pair_counts(codes, parent, child)
            self.conditionals_[parent, int(child)] = np.log(
                (counts + self.marginals_[child]) / (counts.sum(1, keepdims=True) + 1)
            )

    def _surprise(self, codes: np.ndarray) -> np.ndarray:
        total = -np.log(self.marginals_[self.root_])[codes[:, self.root_]]
        for (parent, child), log_p in self.conditionals_.items():
            total -= log_p[codes[:, parent], codes[:, child]]
        return total


class RowFrequency(CountingBaseline):
    """-log of how often the whole row occurs in training. All rows that do not occur tie at the top."""

    def _count(self, codes: np.ndarray) -> None:
        rows, counts = np.unique(codes, axis=0, return_counts=True)
        self.rows_ = {row.tobytes(): int(count) for row, count in zip(rows, counts, strict=True)}

    def _surprise(self, codes: np.ndarray) -> np.ndarray:
        codes = np.ascontiguousarray(codes)
        return -np.log(np.array([self.rows_.get(row.tobytes(), 0) for row in codes]) + 0.5)
