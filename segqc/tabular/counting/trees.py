"""Context trees: how unlikely a cell is by counts, given some other cells of its row, as in compression by partial
matching.

An order of the columns makes a tree: the training rows branch by their outcome of its first column, then of its second,
and so on. A node at depth k holds the n rows that agree in k columns, and how often each outcome m of a further column
occurs among them, n(m). Smoothed towards the node above,

    p_k(m) = (n(m) + a_k p_(k-1)(m)) / (n + a_k),    p_0(m) = (n(m) + 1/2) / (N + K/2)

with a_k by the likelihood of training rows, each left out of the counts that judge it. A row walks down as far as there
are nodes; where its path ends, what was found there stays. Several orders, rotations of random circles, hide every
column at every level. All are tables: scoring gathers, and searches nothing.
"""

from dataclasses import dataclass

import numpy as np

ORDERS = 10  # at least, where a tree is cheap
NARROW = 12  # columns up to which every number of known columns is a level
MIN_ROWS = 5  # of a node
MAX_NODES = 1024  # of a depth: the most frequent
SMOOTHING = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # candidates for a_k
JUDGES = 20_000  # rows that choose among them, at most
_HALF = 0.5  # of a row, added to every outcome in p_0


def known_columns(columns: int) -> list[int]:
    """The levels: how many columns are known, ascending; all numbers in narrow tables, in wide ones half octaves with
    an eighth hidden.
    """
    if columns <= NARROW:
        return list(range(columns))
    steps = sorted({0, 1, *(2**i for i in range(1, 16)), *(3 * 2**i for i in range(15))})
    return [known for known in steps if columns - known >= columns / 8]


def column_orders(columns: int, seed: int) -> np.ndarray:
    """Rotations of random circles of the columns, `[O, C]`: at every level each column is hidden in some."""
    rng = np.random.default_rng(seed)
    hidden = columns - known_columns(columns)[-1]
    rotations = min(columns, max(4, -(-columns // hidden)))
    circles = -(-ORDERS // rotations) if columns <= NARROW else 1
    starts = np.arange(rotations) * columns // rotations
    return np.stack(
        [np.roll(circle, -start) for circle in (rng.permutation(columns) for _ in range(circles)) for start in starts]
    )


def marginals(codes: np.ndarray, sizes: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """p_0 of every outcome of every column, float64 `[S]`.

    Parameters
    ----------
    codes : ndarray `[n, C]` int64
    sizes : ndarray `[C]`
        K of every column.
    counts : ndarray `[n]`, optional
        How often each row occurs; once by default.
    """
    found = [np.bincount(codes[:, j], counts, minlength=size) + _HALF for j, size in enumerate(sizes)]
    return np.concatenate([count / count.sum() for count in found])


@dataclass(frozen=True)
class ContextTree:
    """One order's tree.

    Attributes
    ----------
    order : ndarray `[C]` int64
        Columns, first known first.
    children : list of ndarray `[nodes + 1, K]` int32
        Per depth: the node of the next depth by outcome of the next column, -1 where there is none. The last line, that
        of node -1, is all -1.
    surprise : dict of int to ndarray `[nodes, S']` float32
        Per level k > 0: -log p_k of the outcomes of the columns that are not known, in the tree's order.
    """

    order: np.ndarray
    children: list[np.ndarray]
    surprise: dict[int, np.ndarray]


@dataclass(frozen=True)
class ContextTrees:
    """Several orders' trees: the mean surprise of every cell by how many cells are known.

    Attributes
    ----------
    sizes : ndarray `[C]` int64
        K of every column.
    start : ndarray `[S]` float32
        -log p_0 of every outcome of every column.
    trees : list of ContextTree
    """

    sizes: np.ndarray
    start: np.ndarray
    trees: list[ContextTree]

    @classmethod
    def fit(cls, rows: np.ndarray, counts: np.ndarray, sizes: np.ndarray, seed: int) -> "ContextTrees":
        """Count distinct rows `[n, C]` of codes that occur `counts` times."""
        start = marginals(rows, sizes, counts)
        judges = np.sort(np.random.default_rng(seed).permutation(len(rows))[:JUDGES])
        growing = [_GrowingTree(order, rows, counts, sizes, start, judges) for order in column_orders(len(sizes), seed)]
        for known in known_columns(len(sizes))[1:]:
            likelihoods = []
            for tree in growing:
                tree.grow(known)
                likelihoods.append(tree.log_likelihoods())
            smoothing = SMOOTHING[int(np.argmax(np.sum(likelihoods, axis=0)))]
            for tree in growing:
                tree.smooth(smoothing)
        return cls(np.asarray(sizes), -np.log(start).astype(np.float32), [tree.tree for tree in growing])

    @property
    def levels(self) -> list[int]:
        """How many columns are known, ascending."""
        return known_columns(len(self.sizes))

    def alone(self, codes: np.ndarray) -> np.ndarray:
        """-log p_0 of every cell, float64 `[n, C]`: the first level of `surprise`."""
        return self.start[codes + np.cumsum(self.sizes) - self.sizes].astype(np.float64)

    def surprise(self, codes: np.ndarray) -> np.ndarray:
        """Mean over the trees that hide a column of -log p_k of its cell, float64 `[n, L, C]`, of codes `[n, C]`."""
        total = np.zeros((len(self.levels), len(codes), len(self.sizes)))
        total[0] = self.alone(codes)
        hidden = np.zeros(total.shape[::2])
        hidden[0] = 1
        for tree in self.trees:
            ordered, surprise, sizes = codes[:, tree.order], total[0][:, tree.order], self.sizes[tree.order]
            node, depth = np.zeros(len(codes), np.int64), 0
            for level, known in enumerate(self.levels[1:], start=1):
                while depth < known:
                    node = tree.children[depth][node, ordered[:, depth]]
                    depth += 1
                there = np.flatnonzero(node >= 0)
                table = tree.surprise[known]
                slots = np.cumsum(sizes[known:]) - sizes[known:] + ordered[there, known:]
                surprise[there, known:] = table.reshape(-1)[node[there, None] * table.shape[1] + slots]
                total[level][:, tree.order[known:]] += surprise[:, known:]
                hidden[level, tree.order[known:]] += 1
        return (total / hidden[:, None]).transpose(1, 0, 2)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Named arrays for `from_arrays`."""
        arrays = {"sizes": self.sizes, "start": self.start}
        for i, tree in enumerate(self.trees):
            arrays[f"{i}.order"] = tree.order
            arrays |= {f"{i}.children.{depth}": table for depth, table in enumerate(tree.children)}
            arrays |= {f"{i}.surprise.{known}": table for known, table in tree.surprise.items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "ContextTrees":
        """The trees that `to_arrays` described.

        Raises
        ------
        KeyError
            When an array is missing.
        """
        levels = known_columns(len(arrays["sizes"]))
        trees = [
            ContextTree(
                arrays[f"{i}.order"],
                [arrays[f"{i}.children.{depth}"] for depth in range(levels[-1])],
                {known: arrays[f"{i}.surprise.{known}"] for known in levels[1:]},
            )
            for i in range(sum(name.endswith(".order") for name in arrays))
        ]
        return cls(arrays["sizes"], arrays["start"], trees)


class _GrowingTree:
    """A tree while it is built, level by level: where the rows are in it, p of the level above, and what it says of
    rows that are left out of it.
    """

    def __init__(
        self,
        order: np.ndarray,
        rows: np.ndarray,
        counts: np.ndarray,
        sizes: np.ndarray,
        start: np.ndarray,
        judges: np.ndarray,
    ) -> None:
        self.tree = ContextTree(order, [], {})
        self._rows, self._counts, self._sizes = rows[:, order], counts, np.asarray(sizes)[order]
        self._node, self._known, self._judges = np.zeros(len(rows), np.int64), 0, judges
        parts = np.split(start, np.cumsum(sizes)[:-1])
        self._above = np.concatenate([parts[j] for j in order])[None]
        total = counts.sum() + _HALF * self._sizes
        self._left_out = np.maximum(self._above[0, self._slots(judges)] * total - 1, _HALF) / (total - 1)

    def _slots(self, rows: np.ndarray) -> np.ndarray:
        """Where the outcomes of hidden columns of these rows are in a line of this level's tables."""
        sizes = self._sizes[self._known :]
        return np.cumsum(sizes) - sizes + self._rows[rows, self._known :]

    def grow(self, known: int) -> None:
        """Branch until `known` columns are known, and count the others' outcomes at every node."""
        ancestor = np.arange(len(self._above))
        dropped = int(self._sizes[self._known : known].sum())
        for depth in range(self._known, known):
            size = self._sizes[depth]
            inside = self._node >= 0
            branch = self._node[inside] * size + self._rows[inside, depth]
            rows_of = np.bincount(branch, self._counts[inside], minlength=len(ancestor) * size)
            kept = np.argsort(-rows_of, kind="stable")[:MAX_NODES]
            kept = np.sort(kept[rows_of[kept] >= MIN_ROWS])
            children = np.full((len(ancestor) + 1, size), -1, np.int32)
            children.reshape(-1)[kept] = np.arange(len(kept))
            ancestor = ancestor[kept // size]
            self._node = children[self._node, self._rows[:, depth]]
            self.tree.children.append(children)
        inside = self._node >= 0
        node, rows, weights = self._node[inside].astype(np.int64), self._rows[inside], self._counts[inside]
        tables = [
            np.bincount(node * size + rows[:, j], weights, minlength=len(ancestor) * size).reshape(-1, size)
            for j, size in enumerate(self._sizes[known:], start=known)
        ]
        self._table, self._rows_of_node = (
            np.concatenate(tables, axis=1),
            np.bincount(node, weights, minlength=len(ancestor)),
        )
        self._above = self._above[ancestor][:, dropped:]
        self._left_out = self._left_out[:, known - self._known :]
        self._known = known

    def _judged(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which judges reach a node, and n(m) and n there without them."""
        inside = self._node[self._judges] >= 0
        rows = self._judges[inside]
        node = self._node[rows, None]
        return inside, self._table[node, self._slots(rows)] - 1, self._rows_of_node[node] - 1

    def log_likelihoods(self) -> np.ndarray:
        """Log-likelihood of the judges that reach a node, for every candidate for a_k."""
        inside, of_outcome, of_node = self._judged()
        weights, above = self._counts[self._judges[inside], None], self._left_out[inside]
        return np.array([(weights * np.log((of_outcome + a * above) / (of_node + a))).sum() for a in SMOOTHING])

    def smooth(self, smoothing: float) -> None:
        """Settle p of this level."""
        inside, of_outcome, of_node = self._judged()
        self._left_out[inside] = (of_outcome + smoothing * self._left_out[inside]) / (of_node + smoothing)
        self._above = (self._table + smoothing * self._above) / (self._rows_of_node[:, None] + smoothing)
        self.tree.surprise[self._known] = -np.log(self._above).astype(np.float32)
