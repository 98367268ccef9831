"""The worst region of heat maps drawn by hand."""

import numpy as np
import pytest

from segqc.model.regions import Region, worst_region


def drawing(rows: list[str]) -> np.ndarray:
    """Digits are tenths of heat; "." is none, "X" is 1."""
    return np.array(
        [[{".": 0.0, "X": 1.0}.get(c) if c in ".X" else int(c) / 10 for c in row] for row in rows], np.float32
    )


def labels(rows: list[str]) -> np.ndarray:
    """Digits are class indices, "v" is void."""
    return np.array([[255 if c == "v" else int(c) for c in row] for row in rows], np.uint8)


def one_hot(classes: np.ndarray, share: float = 1.0, classes_count: int = 4) -> np.ndarray:
    """A posterior with `share` on the given classes and the rest spread evenly."""
    posterior = np.full((classes_count, *classes.shape), (1 - share) / classes_count, np.float32)
    for c in range(classes_count):
        posterior[c][classes == c] += share
    return posterior


ZEROS = np.zeros((4, 5), np.uint8)


def test_box_covers_the_region_half_open_and_x_first():
    heat = drawing([".....", "..99.", "..9..", "....."])
    mask = labels(["00000", "00220", "00200", "00000"])
    assert worst_region(heat, mask) == Region((2, 1, 4, 3), 2, None)


def test_most_heat_wins_over_the_hottest_cell():
    heat = drawing(["X...6", "....6", ".....", "....."])
    assert worst_region(heat, ZEROS).box == (4, 0, 5, 2)


def test_cells_below_half_of_the_peak_do_not_join():
    heat = drawing(["84...", "83...", ".....", "....."])  # 0.4 is exactly half of 0.8
    assert worst_region(heat, ZEROS).box == (0, 0, 2, 2)
    assert worst_region(drawing(["83...", "83...", ".....", "....."]), ZEROS).box == (0, 0, 1, 2)


def test_cool_regions_add_nothing_however_large():
    heat = drawing(["X....", ".....", "44444", "44444"])
    assert worst_region(heat, ZEROS).box == (0, 0, 1, 1)


def test_corners_connect():
    assert worst_region(drawing(["9....", ".9...", "..9..", "....."]), ZEROS).box == (0, 0, 3, 3)
    assert worst_region(drawing(["99...", "....9", "99...", "....."]), ZEROS).box == (0, 0, 2, 1)


@pytest.mark.parametrize("place", [(0, 0), (0, 4), (3, 0), (3, 4), (2, 2)])
def test_a_single_cell_anywhere(place):
    heat = np.zeros((4, 5), np.float32)
    heat[place] = 1e-4
    y, x = place
    assert worst_region(heat, ZEROS).box == (x, y, x + 1, y + 1)


def test_a_grid_of_one_cell():
    assert worst_region(np.array([[0.3]], np.float32), np.array([[2]], np.uint8)) == Region((0, 0, 1, 1), 2, None)


def test_the_whole_grid():
    region = worst_region(np.full((4, 5), 0.7, np.float32), ZEROS)
    assert region.box == (0, 0, 5, 4)


def test_border_regions_on_opposite_sides_are_two():
    assert worst_region(drawing(["9...9", "9...9", "9....", "....."]), ZEROS).box == (0, 0, 1, 3)


def test_no_heat_no_region():
    assert worst_region(np.zeros((4, 5), np.float32), ZEROS) is None
    assert worst_region(np.zeros((4, 5), np.float32), np.full((4, 5), 255, np.uint8), one_hot(ZEROS)) is None


def test_ties_go_to_the_first_in_reading_order():
    assert worst_region(drawing(["....9", ".....", "9....", "....."]), ZEROS).box == (4, 0, 5, 1)
    mask = labels(["33111", "33111", "00000", "00000"])
    heat = drawing([".99..", ".99..", ".....", "....."])
    assert worst_region(heat, mask).observed == 1  # equal heat on 3 and 1: the smaller index
    posterior = np.full((4, 4, 5), 0.25, np.float32)
    assert worst_region(heat, mask, posterior).expected == 0


def test_observed_class_has_most_heat_not_most_cells():
    heat = drawing(["X55..", ".....", ".....", "....."])
    mask = labels(["12200", "00000", "00000", "00000"])
    assert worst_region(heat, mask).observed == 1  # 1.0 against 2 * 0.5: a tie; the smaller index
    assert worst_region(drawing(["X65..", ".....", ".....", "....."]), mask).observed == 2


def test_missing_object_shows_background_with_the_expected_class():
    heat = drawing([".....", ".99..", ".99..", "....."])
    truth = labels(["00000", "03300", "03300", "00000"])
    assert worst_region(heat, ZEROS, one_hot(truth, 0.9)) == Region((1, 1, 3, 3), 0, 3)


def test_spurious_object_is_expected_to_be_background():
    heat = drawing([".....", ".99..", ".99..", "....."])
    mask = labels(["00000", "02200", "02200", "00000"])
    assert worst_region(heat, mask, one_hot(ZEROS, 0.9)) == Region((1, 1, 3, 3), 2, 0)


def test_expectation_is_read_under_the_observed_class_inside_the_region_only():
    heat = drawing(["999..", ".....", ".....", "....."])
    mask = labels(["22100", "22220", "22220", "22220"])
    posterior = one_hot(np.ones((4, 5), np.uint8))  # outside the region, class 1 is expected under class 2 ...
    posterior[:, 0, :2] = np.array([[0.35, 0.0, 0.2, 0.45]] * 2).T
    posterior[:, 0, 2] = [1, 0, 0, 0]  # ... and class 0 under the region's cell of class 1: neither may vote
    assert worst_region(heat, mask, posterior) == Region((0, 0, 3, 1), 2, 3)


def test_expectation_sums_probabilities_instead_of_counting_winners():
    heat = drawing(["999..", ".....", ".....", "....."])
    posterior = np.zeros((4, 4, 5), np.float32)
    posterior[:, 0, :3] = np.array([[0, 0.0, 0.4, 0.6], [0, 0.0, 0.4, 0.6], [0, 0.0, 1.0, 0.0]]).T
    assert worst_region(heat, ZEROS, posterior).expected == 2


def test_no_better_proposal_is_none():
    heat = drawing([".9...", ".....", ".....", "....."])
    mask = np.full((4, 5), 2, np.uint8)
    assert worst_region(heat, mask, one_hot(mask, 0.1)) == Region((1, 0, 2, 1), 2, None)


def test_void_parts_a_region_and_is_never_observed():
    heat = drawing(["99.9.", ".....", ".....", "....."])
    mask = labels(["11v10", "vvvvv", "vvvvv", "vvvvv"])
    region = worst_region(heat, mask, one_hot(labels(["22222", "33333", "33333", "33333"])))
    assert region == Region((0, 0, 2, 1), 1, 2)


def test_result_holds_plain_integers():
    region = worst_region(drawing(["9....", ".....", ".....", "....."]), ZEROS, one_hot(ZEROS + 1))
    assert all(type(value) is int for value in (*region.box, region.observed, region.expected))
