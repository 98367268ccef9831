"""What the other cells of a row say of a cell: for every column a small forest of extremely randomised trees.

A tree (Geurts, Ernst and Wehenkel 2006) splits the training rows by the other columns until few are left that differ in
this one. At a node at depth k, k questions about the other cells are answered. Its probability of outcome m is smoothed
towards the node above, as in context trees:

    p_k(m) = (n(m) + a p_(k-1)(m)) / (n + a),    p_(-1) = the column's frequencies

The surprise of a cell is the mean of -log p_k over the depths of a tree and over the trees: how unlikely it is when
nothing, little, much and all is known of the others, as in a density that adds cells up in any order (Uria, Murray and
Larochelle 2014). At the leaf alone, several odd cells explain each other away. A node of fewer than 30 rows repeats
what the node above says: training rows are rarely all inliers, and a handful of anomalies that are alike would vouch
for each other there.

a is chosen for every column by the likelihood of held-out rows. That each column is predicted from all others, and the
surprises are added up, is the idea of attribute-wise outlier detection (Paulheim and Meusel 2015).

All trees are arrays: scoring walks them side by side (`segqc.tabular.counting.walk`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from segqc.tabular.counting.tree import Tree
from segqc.tabular.counting.walk import Walk

MOST_TREES, FEWEST_TREES = 8, 3  # of a column
SMOOTHING = (0.5, 2.0, 8.0, 30.0, 100.0)  # candidates for a
_USUAL_SMOOTHING = 2.0  # where there are too few held-out rows to choose
_ENOUGH = 30  # held-out rows
_HALF = 0.5  # of a row, added to every outcome of a column
_NEVER = np.finfo(np.float32).min  # threshold of a leaf: no value goes left


@dataclass(frozen=True)
class ConditionalForests:
    """-log p(column | other columns).

    Attributes
    ----------
    sizes : ndarray `[C]` int64
        K of every column.
    start : ndarray `[S]` float32
        -log of the frequencies of all outcomes: all that is known of a column without trees.
    target : ndarray `[T]` int64
        The column that each tree predicts, ascending.
    root : ndarray `[T]` int64
        Its first node.
    feature, threshold, right : ndarray `[N]`
        A node sends values up to `threshold` of column `feature` to the node that follows it, and others to `right`; a
        leaf is its own `right`.
    leaf : ndarray `[N]` int64
        Where the outcomes of a leaf begin in `table`; 0 elsewhere.
    table : ndarray float32
        Surprise of every outcome at every leaf.
    """

    sizes: np.ndarray
    start: np.ndarray
    target: np.ndarray
    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    table: np.ndarray

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        codes: np.ndarray,
        held_out: tuple[np.ndarray, np.ndarray],
        sizes: np.ndarray,
        trees: int,
        seed: int,
    ) -> "ConditionalForests":
        """Grow and count.

        Parameters
        ----------
        values : ndarray `[n, C]` float32
            What trees split by: numbers, and categories in some order.
        codes : ndarray `[n, C]` int64
            What they predict.
        held_out : (values, codes)
            Rows that choose a.
        sizes : ndarray `[C]`
            K of every column.
        trees : int
            In all, about: every column has from 3 to 8.
        seed : int
        """
        rng = np.random.default_rng(seed)
        sizes = np.asarray(sizes, np.int64)
        count = int(np.clip(trees // len(sizes), FEWEST_TREES, MOST_TREES))
        starts = [frequencies(codes[:, j], size) for j, size in enumerate(sizes)]
        grown: list[tuple[int, Tree, np.ndarray]] = []
        for j, start in enumerate(starts):
            if len(sizes) > 1 and np.ptp(codes[:, j]):
                found = _surprises(values, codes, j, start, count, held_out, rng)
                grown += [(j, tree, surprise) for tree, surprise in found]
        return cls(sizes, -np.log(np.concatenate(starts)).astype(np.float32), *_flattened(grown))

    def surprise(self, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Surprise of every cell, float64 `[n, C]`."""
        found = self.start[codes + np.cumsum(self.sizes) - self.sizes].astype(np.float64)
        if len(self.target):
            columns, first = np.unique(self.target, return_index=True)
            trees = np.diff(np.append(first, len(self.target)))
            for block in self._walk.blocks(len(codes)):
                leaf = self.leaf.take(self._walk.leaves(values[block]))
                said = self.table.take(leaf + codes[block][:, self.target])
                found[block, columns] = np.add.reduceat(said, first, axis=1, dtype=np.float64) / trees
        return found

    @cached_property
    def _walk(self) -> Walk:
        return Walk(self.root, self.feature, self.threshold, self.right)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named arrays, which the constructor takes back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _surprises(
    values: np.ndarray,
    codes: np.ndarray,
    column: int,
    start: np.ndarray,
    count: int,
    held_out: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> list[tuple[Tree, np.ndarray]]:
    """Trees of a column with the surprise `[N, K]` of every outcome at every node."""
    target, size = codes[:, column], len(start)
    grown = [Tree.grow(values, target, column, rng) for _ in range(count)]
    trees = [tree for tree, _ in grown]
    counts = [tree.counts(leaves, target, size) for tree, leaves in grown]
    smoothing = choose_smoothing(trees, counts, held_out[0], held_out[1][:, column], start)
    return [
        (tree, tree.mean_surprise(tree.probabilities(found, start, smoothing), found.sum(1)))
        for tree, found in zip(trees, counts, strict=True)
    ]


def frequencies(codes: np.ndarray, size: int) -> np.ndarray:
    """Smoothed frequencies of the outcomes of a column, float64 `[K]`."""
    found = np.bincount(codes, minlength=size) + _HALF
    return found / found.sum()


def choose_smoothing(
    trees: Sequence[Tree], counts: Sequence[np.ndarray], values: np.ndarray, codes: np.ndarray, start: np.ndarray
) -> float:
    """The a under which held-out rows are likeliest at their leaves."""
    if len(codes) < _ENOUGH:
        return _USUAL_SMOOTHING
    leaves = [tree.leaves(values) for tree in trees]
    likelihood = []
    for a in SMOOTHING:
        parts = zip(trees, counts, leaves, strict=True)
        chances = [tree.probabilities(count, start, a)[leaf, codes] for tree, count, leaf in parts]
        likelihood.append(np.log(np.mean(chances, axis=0)).mean())
    return SMOOTHING[int(np.argmax(likelihood))]


def _flattened(grown: list[tuple[int, Tree, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """target, root, feature, threshold, right, leaf and table of all trees."""
    target = np.array([j for j, _, _ in grown], np.int64)
    nodes = np.array([len(tree.left) for _, tree, _ in grown], np.int64)
    root = np.cumsum(nodes) - nodes
    features, thresholds, rights, leaves, tables = [], [], [], [], []
    begin = 0
    for (_, tree, surprise), first in zip(grown, root, strict=True):
        is_leaf = tree.left < 0
        features.append(np.where(is_leaf, 0, tree.feature))
        thresholds.append(np.where(is_leaf, _NEVER, tree.threshold))
        rights.append(first + np.where(is_leaf, np.arange(len(tree.left)), tree.right))
        place = np.zeros(len(tree.left), np.int64)
        place[is_leaf] = begin + np.arange(is_leaf.sum()) * surprise.shape[1]
        leaves.append(place)
        tables.append(surprise[is_leaf].reshape(-1))
        begin += tables[-1].size

    def joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
        return np.concatenate([*parts, np.empty(0)]).astype(kind)

    return (
        target,
        root,
        joined(features, np.int32),
        joined(thresholds, np.float32),
        joined(rights, np.int32),
        joined(leaves, np.int64),
        joined(tables, np.float32),
    )
