"""Walks down a forest, against one row and one step at a time."""

import numpy as np
import pytest

from segqc.tabular.counting.walk import Walk

Nodes = tuple[np.ndarray, np.ndarray, np.ndarray]


def grown(rng: np.random.Generator, columns: int, depth: int, first: int) -> Nodes:
    """A tree of random shape: column, threshold and right child of its nodes, in the order of a walk to the left."""
    if depth == 0 or rng.random() < 0.2:
        return np.array([0]), np.array([np.finfo(np.float32).min], np.float32), np.array([first])
    left = grown(rng, columns, depth - 1, first + 1)
    right = grown(rng, columns, depth - 1, first + 1 + len(left[0]))
    own = ([rng.integers(columns)], [rng.integers(4)], [first + 1 + len(left[0])])
    feature, threshold, child = (np.concatenate(parts) for parts in zip(own, left, right, strict=True))
    return feature, threshold.astype(np.float32), child


def forest(rng: np.random.Generator, columns: int, depths: list[int]) -> tuple[np.ndarray, *Nodes]:
    trees: list[Nodes] = []
    root = []
    for depth in depths:
        root.append(sum(len(tree[0]) for tree in trees))
        trees.append(grown(rng, columns, depth, root[-1]))
    feature, threshold, right = (np.concatenate(parts) for parts in zip(*trees, strict=True))
    return np.array(root), feature, threshold, right


def leaf_of(row: np.ndarray, node: int, feature: np.ndarray, threshold: np.ndarray, right: np.ndarray) -> int:
    while right[node] != node:
        node = node + 1 if row[feature[node]] <= threshold[node] else right[node]
    return node


@pytest.mark.parametrize("depths", [[0], [0, 0, 3], [1, 9, 4], [6] * 5])
def test_every_row_reaches_the_leaf_of_every_tree(depths: list[int]) -> None:
    rng = np.random.default_rng(len(depths))
    root, *nodes = forest(rng, 3, depths)
    values = rng.integers(-1, 5, (300, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:3, 0] = -np.inf, np.inf, np.finfo(np.float32).min
    walk = Walk(root, *nodes)
    expected = [[leaf_of(row, tree, *nodes) for tree in root] for row in values]
    np.testing.assert_array_equal(walk.leaves(values), expected)
    np.testing.assert_array_equal(walk.leaves(np.asfortranarray(values)), expected)
    assert walk.leaves(values[:0]).shape == (0, len(root))


def test_blocks_are_all_rows_once() -> None:
    walk = Walk(*forest(np.random.default_rng(0), 2, [2]))
    for rows in (0, 1, 256, 700):
        seen = np.concatenate([np.arange(rows)[block] for block in walk.blocks(rows)] or [np.arange(0)])
        np.testing.assert_array_equal(seen, np.arange(rows))
