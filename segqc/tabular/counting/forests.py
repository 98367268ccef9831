"""What the other cells of a row say of a cell: for every column a small forest of extremely randomised trees.

A tree (Geurts, Ernst and Wehenkel 2006) splits the training rows by the other columns until few are left that differ in
this one. Its probability of outcome m is smoothed along the path from the root, as in context trees:

    p_node(m) = (n(m) + a p_parent(m)) / (n + a),    p_root's parent = the column's frequencies

A forest's probability is the mean over its trees, with a trace of the column's frequencies, so that it is never 0. The
rows of a node are also its parents', which makes p very small where an outcome never occurs: a cell that contradicts
what always holds outweighs many that are merely rare. (With a larger share of the frequencies planted contradictions
were found less often: average precision 69 with a trace, 59 with a millionth, 52 with a thousandth on the loans.)

a is chosen for every column by the likelihood of held-out rows. That each column is predicted from all others, and the
surprises are added up, is the idea of attribute-wise outlier detection (Paulheim and Meusel 2015).

All trees are arrays: scoring walks them side by side.
"""

import warnings
from dataclasses import dataclass, fields

import numpy as np
from sklearn.tree import ExtraTreeClassifier

from segqc.tabular.counting.trees import marginals

MOST_TREES, FEWEST_TREES = 8, 3  # of a column
SMOOTHING = (0.5, 2.0, 8.0, 30.0, 100.0)  # candidates for a
_USUAL_SMOOTHING = 2.0  # where there are too few held-out rows to choose
_ENOUGH = 30  # held-out rows
_DEPTH = 14  # of a tree, at most
_LEAST_ROWS = 2  # of a leaf, of those that a tree is grown from
_GROWN_FROM = 4000  # rows, at most
_SAMPLE = 0.7  # share of the rows that a tree is grown from
_CONSIDERED = 0.5  # share of the other columns among which a split is chosen
_BLOCK = 256  # rows that walk side by side: what they touch stays in the processor's cache
_DOUBT = 1e-12  # share of the frequencies: no surprise is endless
_NEVER = np.finfo(np.float32).min  # threshold of a leaf: no value goes left


@dataclass(frozen=True)
class ConditionalForests:
    """p(column | all other columns).

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
        Where the outcomes of a leaf begin in `probability`; 0 elsewhere.
    probability : ndarray float32
    """

    sizes: np.ndarray
    start: np.ndarray
    target: np.ndarray
    root: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    probability: np.ndarray

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
        start, sizes = marginals(codes, sizes), np.asarray(sizes, np.int64)
        parts = np.split(start, np.cumsum(sizes)[:-1])
        count = int(np.clip(trees // len(sizes), FEWEST_TREES, MOST_TREES))
        grown: list[tuple[int, _Tree, np.ndarray]] = []
        for j, size in enumerate(sizes):
            if len(sizes) == 1 or (codes[:, j] == codes[0, j]).all():
                continue
            forest = [_Tree.grow(values, codes[:, j], j, size, rng) for _ in range(count)]
            smoothing = _choose(forest, held_out[0], held_out[1][:, j], parts[j])
            grown += [(j, tree, tree.probabilities(parts[j], smoothing)) for tree in forest]
        return cls(sizes, -np.log(start).astype(np.float32), *_flattened(grown))

    def surprise(self, values: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """-log p of every cell given all others, float64 `[n, C]`."""
        found = self.alone(codes)
        if len(self.target):
            columns, first = np.unique(self.target, return_index=True)
            trees = np.diff(np.append(first, len(self.target)))
            for start in range(0, len(codes), _BLOCK):
                block = slice(start, start + _BLOCK)
                leaf = self.leaf[self._walk(np.ascontiguousarray(values[block]))]
                chance = self.probability[leaf + codes[block][:, self.target]]
                chance = np.add.reduceat(chance, first, axis=1, dtype=np.float64) / trees
                alone = np.exp(-found[block, columns])
                found[block, columns] = -np.log((1 - _DOUBT) * chance + _DOUBT * alone)
        return found

    def _walk(self, values: np.ndarray) -> np.ndarray:
        """The leaf that each row reaches in each tree, int32 `[n, T]`."""
        flat, rows = values.reshape(-1), np.arange(len(values), dtype=np.int32)[:, None] * np.int32(values.shape[1])
        node = np.repeat(self.root.astype(np.int32)[None], len(values), axis=0)
        while True:
            left = flat.take(self.feature.take(node) + rows) <= self.threshold.take(node)
            following = np.where(left, node + np.int32(1), self.right.take(node))
            if np.array_equal(following, node):
                return node
            node = following

    def alone(self, codes: np.ndarray) -> np.ndarray:
        """-log of the frequency of every cell in its column, float64 `[n, C]`."""
        return self.start[codes + np.cumsum(self.sizes) - self.sizes].astype(np.float64)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named arrays, which the constructor takes back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class _Tree:
    """A tree of one column.

    Attributes
    ----------
    feature, threshold, left, right, parent : ndarray `[N]`
    levels : list of ndarray
        Nodes by their depth.
    counts : ndarray `[N, K]` float64
        How often each outcome occurs among the training rows below a node.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    parent: np.ndarray
    levels: list[np.ndarray]
    counts: np.ndarray

    @classmethod
    def grow(cls, values: np.ndarray, codes: np.ndarray, column: int, size: int, rng: np.random.Generator) -> "_Tree":
        others = np.delete(np.arange(values.shape[1]), column)
        seen = np.ascontiguousarray(values[:, others])
        rows = rng.permutation(len(codes))[: min(_GROWN_FROM, max(2, int(_SAMPLE * len(codes))))]
        found = ExtraTreeClassifier(
            criterion="entropy",
            max_features=_CONSIDERED,
            max_depth=_DEPTH,
            min_samples_leaf=_LEAST_ROWS,
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
        while len(deeper := inner_nodes(levels[-1], left)):
            levels.append(np.concatenate([left[deeper], right[deeper]]))
        counts = np.bincount(tree.apply(seen) * size + codes, minlength=tree.node_count * size).astype(np.float64)
        counts = counts.reshape(-1, size)
        for nodes in levels[:0:-1]:
            np.add.at(counts, parent[nodes], counts[nodes])
        feature = others[np.maximum(tree.feature, 0)]
        return cls(feature, tree.threshold.astype(np.float32), left, right, parent, levels, counts)

    def probabilities(self, start: np.ndarray, smoothing: float) -> np.ndarray:
        """p of every outcome at every node, float64 `[N, K]`."""
        rows, found = self.counts.sum(1, keepdims=True), np.empty_like(self.counts)
        found[0] = (self.counts[0] + smoothing * start) / (rows[0] + smoothing)
        for nodes in self.levels[1:]:
            found[nodes] = (self.counts[nodes] + smoothing * found[self.parent[nodes]]) / (rows[nodes] + smoothing)
        return found

    def leaves(self, values: np.ndarray) -> np.ndarray:
        """The leaf of every row, `[n]`."""
        node = np.zeros(len(values), np.int64)
        for _ in self.levels[1:]:
            below = values[np.arange(len(values)), self.feature[node]] <= self.threshold[node]
            following = np.where(below, self.left[node], self.right[node])
            node = np.where(self.left[node] >= 0, following, node)
        return node


def inner_nodes(nodes: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Those of the nodes that have children."""
    return nodes[left[nodes] >= 0]


def _choose(forest: list[_Tree], values: np.ndarray, codes: np.ndarray, start: np.ndarray) -> float:
    """The a under which held-out rows are likeliest."""
    if len(codes) < _ENOUGH:
        return _USUAL_SMOOTHING
    leaves = [tree.leaves(values) for tree in forest]
    likelihood = []
    for a in SMOOTHING:
        chances = [tree.probabilities(start, a)[leaf, codes] for tree, leaf in zip(forest, leaves, strict=True)]
        likelihood.append(np.log(np.mean(chances, axis=0)).mean())
    return SMOOTHING[int(np.argmax(likelihood))]


def _flattened(grown: list[tuple[int, _Tree, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """target, root, feature, threshold, right, leaf and probability of all trees."""
    target = np.array([j for j, _, _ in grown], np.int64)
    nodes = np.array([len(tree.left) for _, tree, _ in grown], np.int64)
    root = np.cumsum(nodes) - nodes
    features, thresholds, rights, leaves, tables = [], [], [], [], []
    begin = 0
    for (_, tree, probability), first in zip(grown, root, strict=True):
        is_leaf = tree.left < 0
        features.append(np.where(is_leaf, 0, tree.feature))
        thresholds.append(np.where(is_leaf, _NEVER, tree.threshold))
        rights.append(first + np.where(is_leaf, np.arange(len(tree.left)), tree.right))
        place = np.zeros(len(tree.left), np.int64)
        place[is_leaf] = begin + np.arange(is_leaf.sum()) * probability.shape[1]
        leaves.append(place)
        tables.append(probability[is_leaf].reshape(-1))
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
