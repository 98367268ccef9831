"""Many rows on their way down many trees at once, by NumPy's gathers.

Per step, row and tree three values are fetched: the node's column and threshold together, the row's value, the child.
Children stand side by side, so that the comparison itself is the index, and leaves lead to themselves, so that nobody
asks who has arrived: the number of steps is the depth of the deepest tree.
"""

import numpy as np

_BLOCK = 256
"""Rows that walk side by side: what they touch stays in the processor's cache."""


class Walk:
    """The trees of a forest, laid out to be walked.

    Parameters
    ----------
    root : ndarray `[T]`
        First node of each tree.
    feature, threshold, right : ndarray `[N]`
        A node sends values up to `threshold` of column `feature` to the node that follows it, others (NaN too) to
        `right`; a leaf is its own `right`.
    """

    def __init__(self, root: np.ndarray, feature: np.ndarray, threshold: np.ndarray, right: np.ndarray) -> None:
        nodes = np.arange(len(feature))
        inner = right != nodes
        self._root = root.astype(np.int32)
        self._question = np.empty((len(nodes), 2), np.int32)
        self._question[:, 0], self._question[:, 1] = feature, threshold.astype(np.float32).view(np.int32)
        self._children = np.stack([right, np.where(inner, nodes + 1, nodes)], 1).astype(np.int32).reshape(-1)
        self._steps = 0
        reached = np.asarray(root)
        while len(reached := reached[inner[reached]]):
            reached = np.concatenate([reached + 1, right[reached]])
            self._steps += 1

    def blocks(self, rows: int) -> list[slice]:
        """Slices of so many rows, which `leaves` takes well."""
        return [slice(first, first + _BLOCK) for first in range(0, rows, _BLOCK)]

    def leaves(self, values: np.ndarray) -> np.ndarray:
        """The leaf that each row reaches in each tree, int32 `[n, T]`, of values `[n, C]` float32."""
        shape, flat = (len(values), len(self._root)), np.ascontiguousarray(values, np.float32).reshape(-1)
        starts = np.arange(len(values), dtype=np.int32)[:, None] * np.int32(values.shape[1])
        node = np.repeat(self._root[None], len(values), axis=0)
        question, index = np.empty(shape, np.int64), np.empty(shape, np.int32)
        feature, bits = np.moveaxis(question.view(np.int32).reshape(*shape, 2), 2, 0)
        value, is_left = np.empty(shape, np.float32), np.empty(shape, bool)
        questions = self._question.view(np.int64)[:, 0]
        for _ in range(self._steps):
            # mode: no index is out of range, and NumPy copies the output of a take that might raise
            questions.take(node, out=question, mode="clip")
            np.add(feature, starts, out=index)
            flat.take(index, out=value, mode="clip")
            np.less_equal(value, bits.view(np.float32), out=is_left)
            np.add(node, node, out=index)
            np.add(index, is_left, out=index)
            self._children.take(index, out=node, mode="clip")
        return node
