"""Runs of a label map against loops over its pixels."""

import numpy as np
import pytest

from segqc.data.cells import cell_of_pixel
from segqc.data.runs import class_counts, find_runs

SHAPES = [(7, 19), (1, 9), (12, 1), (5, 4)]


def maps(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A mask of few values with void, and a map of large numbers."""
    rng = np.random.default_rng(shape[0])
    return rng.choice([0, 0, 0, 1, 255], size=shape).astype(np.uint8), rng.choice([0, 300, 70000], size=shape)


@pytest.mark.parametrize("side", [None, 4, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_runs_are_those_of_a_loop(shape, side):
    mask, numbers = maps(shape)
    column = cell_of_pixel(shape[1], side or 1)
    expected = []
    for y in range(shape[0]):
        for x in range(shape[1]):
            key = mask[y, x], numbers[y, x], column[x]
            if x and key == (mask[y, x - 1], numbers[y, x - 1], column[x - 1]):
                expected[-1][1] += 1
            else:
                expected.append([y * shape[1] + x, 1])
    runs = find_runs(mask, numbers, side=side)
    assert np.stack([runs.starts, runs.lengths], axis=1).tolist() == expected
    np.testing.assert_array_equal(runs.fill(runs.values(mask)), mask)
    np.testing.assert_array_equal(runs.fill(runs.values(numbers)), numbers)


@pytest.mark.parametrize("side", [1, 4, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_are_counted_by_cell(shape, side):
    _, numbers = maps(shape)
    numbers = np.unique(numbers, return_inverse=True)[1].reshape(shape)
    expected = np.zeros((2, side * side))
    row, column = cell_of_pixel(shape[0], side), cell_of_pixel(shape[1], side)
    for (y, x), number in np.ndenumerate(numbers):
        if number:
            expected[number - 1, row[y] * side + column[x]] += 1
    runs = find_runs(numbers, side=side)
    found = runs.count_by_cell(runs.values(numbers) - 1, 2)
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.has_sorted_indices
    assert runs.count(runs.cells, side * side).sum() == numbers.size


def test_whole_runs_have_no_cells():
    runs = find_runs(maps((5, 4))[0])
    with pytest.raises(ValueError, match="cut at the cells"):
        _ = runs.cells
    with pytest.raises(ValueError, match="cut at the cells"):
        runs.count_by_cell(np.zeros(len(runs.starts), int), 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_counts_of_values(shape):
    mask, _ = maps(shape)
    np.testing.assert_array_equal(class_counts(mask), np.bincount(mask.ravel(), minlength=256))
    np.testing.assert_array_equal(class_counts(mask.T), class_counts(mask))
