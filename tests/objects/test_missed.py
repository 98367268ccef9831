"""Objects that are expected and not drawn."""

import numpy as np
import pytest

from segqc.data.labels import VOID, LabelSpace
from segqc.data.runs import find_runs
from segqc.objects.missed import MissedObject, find_missed

LABELS = LabelSpace(("background", "cat", "dog", "cow"))
SIDE = 16


def missed_in(belief: np.ndarray, mask: np.ndarray) -> list[MissedObject]:
    return find_missed(belief, mask, find_runs(mask, side=SIDE), LABELS)


def belief_of(classes: np.ndarray, share: float) -> np.ndarray:
    """`share` on the given class of each cell, the rest on the background."""
    belief = np.zeros((4, *classes.shape))
    belief[0] = 1
    for c in (1, 2, 3):
        belief[c][classes == c], belief[0][classes == c] = share, 1 - share
    return belief


def scene(*objects: tuple[int, slice, slice]) -> np.ndarray:
    grid = np.zeros((SIDE, SIDE), np.uint8)
    for c, rows, columns in objects:
        grid[rows, columns] = c
    return grid


CAT, DOG = (1, slice(2, 5), slice(3, 6)), (2, slice(10, 12), slice(8, 12))


def test_what_the_mask_lacks_is_missed_with_its_box_in_pixels_and_its_probability():
    truth = scene(CAT, DOG)
    mask = np.kron(scene(CAT), np.ones((4, 2), np.uint8))  # 64 x 32 pixels
    (missed,) = missed_in(belief_of(truth, 0.6), mask)
    assert (missed.observed, missed.expected, missed.box, missed.area) == (0, 2, (16, 40, 24, 48), 64)
    assert missed.probability == pytest.approx(0.6)


def test_a_fringe_of_a_cell_around_an_object_is_its_outline_and_not_missed():
    truth = scene((1, slice(1, 6), slice(2, 7)))  # a cell larger on every side
    assert missed_in(belief_of(truth, 0.9), np.kron(scene(CAT), np.ones((4, 4), np.uint8))) == []


def test_a_neighbour_that_is_not_drawn_is_missed_by_its_far_side():
    truth = scene(CAT, (1, slice(2, 5), slice(6, 9)))  # it touches the cat
    (missed,) = missed_in(belief_of(truth, 0.6), np.kron(scene(CAT), np.ones((4, 4), np.uint8)))
    assert missed.probability == pytest.approx(0.6 * 2 / 3)  # the cells beside the cat say nothing
    assert missed.box == (24, 8, 36, 20)


def test_a_part_that_an_object_lacks_is_less_probable_than_an_object():
    truth, drawn = scene((1, slice(2, 5), slice(3, 9))), np.zeros((SIDE * 4, SIDE * 4), np.uint8)
    drawn[8:20, 12:25] = 1  # and a quarter of the cells beside
    (missed,) = missed_in(belief_of(truth, 0.8), drawn)
    assert missed.probability == pytest.approx(0.8 * (0 + 0.75 + 1) / 3)
    assert missed.area == 12 * (3 + 4 + 4)


def test_nothing_is_missed_where_the_mask_is_void():
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[9:13, 7:13] = VOID
    assert missed_in(belief_of(scene(DOG), 0.9), mask) == []


def test_what_is_hardly_believed_is_not_listed():
    belief = np.zeros((4, SIDE, SIDE))
    belief[0] = 1
    belief[:, 10, 8] = [0.7, 0.0, 0.09, 0.21]  # a cow, though the background is likelier
    mask = np.zeros((SIDE, SIDE), np.uint8)
    (missed,) = missed_in(belief, mask)
    assert (missed.expected, missed.observed) == (3, 0)
    assert missed.probability == pytest.approx(0.21)
    mask[10, 9] = 3  # one is drawn beside it
    assert missed_in(belief, mask) == []
