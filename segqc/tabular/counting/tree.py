"""One extremely randomised tree that predicts a column from the others, and what is counted at its nodes."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.tree import ExtraTreeClassifier

LEAST_ROWS = 30  # of a node that is listened to
_DEPTH = 14  # at most
_LEAF_ROWS = 2  # of a leaf, of those that a tree is grown from
_GROWN_FROM = 4000  # rows, at most
_SAMPLE = 0.7  # share of the rows that a tree is grown from
_CONSIDERED = 0.5  # share of the other columns among which a split is chosen
_FEWEST_CONSIDERED = 2  # a split that looks at one column is chance, and wastes the rows of small tables


@dataclass(frozen=True)
class Tree:
    """Nodes, and which of them a row passes.

    Attributes
    ----------
    feature, threshold, left, right, parent : ndarray `[N]`
        -1 for no child and no parent.
    levels : list of ndarray
        Nodes by their depth.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    parent: np.ndarray
    levels: list[np.ndarray]

    @classmethod
    def grow(
        cls, values: np.ndarray, codes: np.ndarray, column: int, rng: np.random.Generator
    ) -> tuple["Tree", np.ndarray]:
        """Grow from some of the rows, drawn at random.

        Parameters
        ----------
        values : ndarray `[n, C]` float32
        codes : ndarray `[n]` int64
            Outcomes of the column.
        column : int
            The one that is not seen.
        rng : Generator

        Returns
        -------
        Tree
        ndarray `[n]` int64
            The leaf of every row.
        """
        others = np.delete(np.arange(values.shape[1]), column)
        seen = np.ascontiguousarray(values[:, others])
        rows = rng.permutation(len(codes))[: min(_GROWN_FROM, max(2, int(_SAMPLE * len(codes))))]
        found = ExtraTreeClassifier(
            criterion="entropy",
            max_features=min(max(_FEWEST_CONSIDERED, int(_CONSIDERED * len(others))), len(others)),
            max_depth=_DEPTH,
            min_samples_leaf=_LEAF_ROWS,
            random_state=int(rng.integers(2**31 - 1)),
        )
        with warnings.catch_warnings():
            # of many outcomes among few rows, which scikit-learn would rather see predicted as a number
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            tree = found.fit(seen[rows], codes[rows]).tree_
        left, right = tree.children_left.astype(np.int64), tree.children_right.astype(np.int64)
        parent = np.full(tree.node_count, -1)
        inner = np.flatnonzero(left >= 0)
        parent[left[inner]] = parent[right[inner]] = inner
        levels = [np.zeros(1, np.int64)]
        while len(deeper := levels[-1][left[levels[-1]] >= 0]):
            levels.append(np.concatenate([left[deeper], right[deeper]]))
        feature, threshold = others[np.maximum(tree.feature, 0)], tree.threshold.astype(np.float32)
        return cls(feature, threshold, left, right, parent, levels), tree.apply(seen)

    def leaves(self, values: np.ndarray) -> np.ndarray:
        """The leaf of every row, `[n]`."""
        node = np.zeros(len(values), np.int64)
        for _ in self.levels[1:]:
            below = values[np.arange(len(values)), self.feature[node]] <= self.threshold[node]
            following = np.where(below, self.left[node], self.right[node])
            node = np.where(self.left[node] >= 0, following, node)
        return node

    def counts(self, leaves: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
        """How often each of `size` outcomes occurs below a node among rows `[n]` of these leaves, float64 `[N, K]`."""
        found = np.bincount(leaves * size + codes, minlength=len(self.left) * size).astype(np.float64)
        found = found.reshape(-1, size)
        for nodes in self.levels[:0:-1]:
            np.add.at(found, self.parent[nodes], found[nodes])
        return found

    def probabilities(self, counts: np.ndarray, start: np.ndarray, smoothing: float) -> np.ndarray:
        """p of every outcome at every node, smoothed towards the node above and at the root towards `start`."""
        rows, found = counts.sum(1, keepdims=True), np.empty_like(counts)
        found[0] = (counts[0] + smoothing * start) / (rows[0] + smoothing)
        for nodes in self.levels[1:]:
            found[nodes] = (counts[nodes] + smoothing * found[self.parent[nodes]]) / (rows[nodes] + smoothing)
        return found

    def mean_surprise(self, probabilities: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """-log p of every outcome, the mean over the depths of the tree on the way to a node, `[N, K]`.

        A node of fewer than `LEAST_ROWS` rows `[N]` repeats what the node above says, and what a leaf says stands for
        the depths that it does not reach.
        """
        found = -np.log(probabilities)
        depth = np.zeros(len(self.left), np.int64)
        for k, nodes in enumerate(self.levels[1:], start=1):
            depth[nodes] = k
            few = nodes[rows[nodes] < LEAST_ROWS]
            found[few] = found[self.parent[few]]
        below = np.where(self.left < 0, len(self.levels) - 1 - depth, 0)[:, None]  # depths that a leaf stands for
        rest = below * found
        for nodes in self.levels[1:]:
            found[nodes] += found[self.parent[nodes]]
        return (found + rest) / (depth[:, None] + 1 + below)
