"""The squash between pixels and cells, against loops written from the rules in words."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from segqc.data.cells import cell_of_pixel, nearest_grid, pixel_of_cell
from segqc.data.grid import (
    box_to_pixels,
    image_to_grid,
    majority_grid,
    map_to_pixels,
    mask_to_grid,
    surprise_of_pixels,
)
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import read_mask

SHAPES = [(375, 500), (64, 64), (37, 91), (16, 300), (300, 16), (20, 9), (1, 1), (1, 200), (33, 33)]
VOTES = ["nearest", "majority"]


def scene(rng, height, width, blobs=12, void=0.02):
    """A mask of rectangles of all sizes, some tiny, with a sprinkle of void."""
    mask = np.zeros((height, width), np.uint8)
    for _ in range(blobs):
        h, w = (1 + int(length ** rng.random()) for length in (height, width))
        y, x = rng.integers(height), rng.integers(width)
        mask[y : y + h, x : x + w] = rng.integers(0, 21)
    mask[rng.random(mask.shape) < void] = 255
    return mask


def votes_by_loop(mask, size):
    """Labels and their votes in every cell: pixels whose centre falls in the cell, or the pixel under the cell's centre
    on a short axis.
    """

    def members(length, cell):
        if length < size:
            return [int((cell + 0.5) * length / size)]
        return [p for p in range(length) if cell * 2 * length <= (2 * p + 1) * size < (cell + 1) * 2 * length]

    rows = [members(mask.shape[0], cell) for cell in range(size)]
    columns = [members(mask.shape[1], cell) for cell in range(size)]
    return [[Counter(int(mask[y, x]) for y in ys for x in xs) for xs in columns] for ys in rows]


def majority_by_loop(mask, size):
    grid = np.full((size, size), 255, np.uint8)
    for i, row in enumerate(votes_by_loop(mask, size)):
        for j, votes in enumerate(row):
            votes.pop(255, None)
            if votes:
                most = max(votes.values())
                grid[i, j] = min(
                    (label for label in votes if votes[label] == most), key=lambda label: (label == 0, label)
                )
    return grid


def objects_by_loop(mask):
    """8-connected components of foreground classes by flood fill: lists of (y, x)."""
    todo = {(y, x) for y, x in np.argwhere((mask > 0) & (mask < 255)).tolist()}
    objects = []
    while todo:
        stack, found = [todo.pop()], []
        while stack:
            y, x = stack.pop()
            found.append((y, x))
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in todo and mask[near] == mask[y, x]:
                    todo.remove(near)
                    stack.append(near)
        objects.append(found)
    return objects


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 16, 33])
def test_majority_is_that_of_the_loop(shape, size):
    mask = scene(np.random.default_rng(sum(shape) + size), *shape)
    np.testing.assert_array_equal(majority_grid(mask, size, VOC_LABELS), majority_by_loop(mask, size))


def test_majority_of_noise_with_many_ties_is_that_of_the_loop():
    for seed in range(20):
        mask = np.random.default_rng(seed).choice([0, 1, 2, 20, 255], (31, 47)).astype(np.uint8)
        np.testing.assert_array_equal(majority_grid(mask, 16, VOC_LABELS), majority_by_loop(mask, 16))


def test_ties_go_to_foreground_then_to_the_lower_index():
    mask = np.array([[0, 5, 7, 5], [0, 5, 7, 5], [9, 9, 0, 0], [0, 0, 2, 0]], np.uint8)
    assert majority_grid(mask, 2, VOC_LABELS).tolist() == [[5, 5], [9, 0]]
    other = LabelSpace(tuple("abcdefghij"), background=5)
    assert majority_grid(mask, 2, other).tolist() == [[0, 7], [0, 0]]


def test_void_does_not_vote_and_a_cell_of_void_is_void():
    mask = np.full((8, 8), 255, np.uint8)
    mask[0, 0] = 3
    mask[5, 5] = 0
    assert mask_to_grid(mask, 2, VOC_LABELS, "majority").tolist() == [[3, 255], [255, 0]]


@pytest.mark.parametrize("vote", VOTES)
def test_a_mask_of_void_is_a_grid_of_void(vote):
    assert (mask_to_grid(np.full((5, 9), 255, np.uint8), 4, VOC_LABELS, vote) == 255).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 16, 33])
def test_nearest_is_that_of_the_loop(shape, size):
    mask = scene(np.random.default_rng(sum(shape) + size), *shape)
    rows, columns = ([int((cell + 0.5) * length / size) for cell in range(size)] for length in shape)
    np.testing.assert_array_equal(nearest_grid(mask, size), [[mask[y, x] for x in columns] for y in rows])


def check_rule(mask, size, vote):
    """What `mask_to_grid` promises, checked for every object and class."""
    grid = mask_to_grid(mask, size, VOC_LABELS, vote)
    assert grid.dtype == np.uint8
    assert grid.shape == (size, size)
    np.testing.assert_array_equal(grid, mask_to_grid(mask, size, VOC_LABELS, vote))
    rows, columns = cell_of_pixel(mask.shape[0], size), cell_of_pixel(mask.shape[1], size)
    for pixels in objects_by_loop(mask):
        if len(pixels) >= 10:
            label = mask[pixels[0]]
            near = {
                (int(rows[y]) + dy, int(columns[x]) + dx) for y, x in pixels for dy in (-1, 0, 1) for dx in (-1, 0, 1)
            }
            assert any(grid[cell] == label for cell in near if min(cell) >= 0 and max(cell) < size), (
                label,
                len(pixels),
            )
    assert set(np.unique(mask)) - {0, 255} == set(np.unique(grid)) - {0, 255}
    return grid


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("seed", range(15))
def test_no_object_of_ten_pixels_and_no_class_is_lost(seed, vote):
    rng = np.random.default_rng(seed)
    mask = scene(rng, 150 + seed, 200, blobs=30)
    grid = check_rule(mask, 32, vote)
    first = majority_grid(mask, 32, VOC_LABELS) if vote == "majority" else nearest_grid(mask, 32)
    rows, columns = cell_of_pixel(mask.shape[0], 32), cell_of_pixel(mask.shape[1], 32)
    lost = [
        o for o in objects_by_loop(mask) if len(o) >= 10 and all(first[rows[y], columns[x]] != mask[y, x] for y, x in o)
    ]
    gone = set(np.unique(mask)) - set(np.unique(first)) - {0, 255}
    assert np.count_nonzero(grid != first) <= len(lost) + len(gone)  # a cell each and no more


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("place", [(0, 0), (374 - 1, 499 - 4), (188, 247), (5, 3), (100, 499 - 4)])
def test_a_ten_pixel_object_anywhere_in_a_voc_mask_has_exactly_the_cell_it_fills_most(place, vote):
    mask = np.zeros((375, 500), np.uint8)
    y, x = place
    mask[y : y + 2, x : x + 5] = 15
    mask[300:320, 20:60] = 8  # and something that needs no help
    grid = mask_to_grid(mask, 64, VOC_LABELS, vote)
    votes = votes_by_loop(mask, 64)
    best = max(((i, j) for i in range(64) for j in range(64)), key=lambda cell: votes[cell[0]][cell[1]][15])
    assert [tuple(cell) for cell in np.argwhere(grid == 15).tolist()] == [best]
    assert (majority_grid(mask, 64, VOC_LABELS) != 15).all()
    assert (nearest_grid(mask, 64) != 15).all()


def test_nine_pixels_of_a_class_that_is_elsewhere_too_are_noise_but_alone_they_are_kept():
    mask = np.zeros((256, 256), np.uint8)
    mask[100:103, 100:103] = 4
    assert np.count_nonzero(mask_to_grid(mask, 16, VOC_LABELS) == 4) == 1
    mask[0:64, 0:64] = 4
    np.testing.assert_array_equal(np.argwhere(mask_to_grid(mask, 16, VOC_LABELS) == 4).max(axis=0), [3, 3])


def test_one_pixel_of_a_class_keeps_a_cell_and_an_object_may_be_diagonal():
    mask = np.zeros((256, 256), np.uint8)
    mask[200, 40] = 7
    for i in range(10):
        mask[64 + i, 128 + i] = 9  # 10 pixels, joined by corners only
    mask[0:40, 0:40] = 9
    grid = mask_to_grid(mask, 16, VOC_LABELS)
    assert np.argwhere(grid == 7).tolist() == [[12, 2]]
    assert grid[4, 8] == 9


@pytest.mark.parametrize("vote", VOTES)
def test_objects_that_share_one_cell_are_all_kept(vote):
    mask = np.zeros((256, 256), np.uint8)
    mask[64:66, 64:72] = 1
    mask[68:70, 64:71] = 2
    mask[72:74, 64:70] = 3
    mask[76, 64:66] = 4  # two pixels, but the only ones of their class
    grid = check_rule(mask, 16, vote)
    assert grid[4, 4] == 1  # the largest has the cell itself, the others its neighbours
    assert {label: np.count_nonzero(grid == label) for label in (1, 2, 3, 4)} == {1: 1, 2: 1, 3: 1, 4: 1}


@pytest.mark.parametrize("vote", VOTES)
def test_a_small_object_does_not_take_the_last_cell_of_another(vote):
    mask = np.zeros((64, 64), np.uint8)
    mask[16:32, 16:32] = 1  # fills cell (1, 1) of 4 x 4
    mask[20:22, 20:28] = 2
    grid = check_rule(mask, 4, vote)
    assert grid[1, 1] == 1
    assert np.count_nonzero(grid == 2) == 1


def test_two_objects_of_one_class_in_one_cell_need_one_cell():
    mask = np.zeros((64, 64), np.uint8)
    mask[0:2, 0:6] = 5
    mask[8:10, 0:6] = 5
    assert np.argwhere(mask_to_grid(mask, 4, VOC_LABELS) == 5).tolist() == [[0, 0]]


@pytest.mark.parametrize("shape", [(10, 400), (400, 10)])
def test_on_an_axis_shorter_than_the_grid_objects_are_measured_in_pixels(shape):
    mask = np.zeros(shape, np.uint8)
    mask[2:5, 2:5] = 6  # 9 pixels, stretched to far more
    mask[-9:, -40:] = 6
    if shape[0] > shape[1]:
        mask[:] = 0
        mask[2:5, 2:5] = 6
        mask[-40:, -9:] = 6
    np.testing.assert_array_equal(mask_to_grid(mask, 40, VOC_LABELS, "majority"), majority_by_loop(mask, 40))
    np.testing.assert_array_equal(mask_to_grid(mask, 40, VOC_LABELS), nearest_grid(mask, 40))


@pytest.mark.parametrize("vote", VOTES)
@pytest.mark.parametrize("shape", [(20, 9), (1, 1), (33, 33), (33, 7)])
def test_a_mask_no_larger_than_the_grid_is_enlarged_by_nearest(shape, vote):
    mask = scene(np.random.default_rng(3), *shape)
    np.testing.assert_array_equal(mask_to_grid(mask, 33, VOC_LABELS, vote), nearest_grid(mask, 33))
    if shape == (33, 33):
        np.testing.assert_array_equal(mask_to_grid(mask, 33, VOC_LABELS, vote), mask)


@pytest.mark.parametrize("vote", VOTES)
def test_the_memory_layout_of_a_mask_changes_nothing(vote):
    mask = scene(np.random.default_rng(1), 120, 160, blobs=30)
    for same in (np.asfortranarray(mask), np.repeat(mask, 2, axis=1)[:, ::2], mask[::-1][::-1]):
        np.testing.assert_array_equal(
            mask_to_grid(same, 16, VOC_LABELS, vote), mask_to_grid(mask, 16, VOC_LABELS, vote)
        )


def test_without_background_every_class_is_an_object():
    labels = LabelSpace(("a", "b"), background=None)
    mask = np.ones((64, 64), np.uint8)
    mask[0, 0] = 0
    assert mask_to_grid(mask, 4, labels)[0, 0] == 0
    assert mask_to_grid(mask, 4, LabelSpace(("a", "b")))[0, 0] == 1


@pytest.mark.parametrize(
    ("mask", "size"), [(np.zeros((3, 3), int), 4), (np.zeros((0, 3), np.uint8), 4), (np.zeros((3, 3), np.uint8), 0)]
)
def test_wrong_arguments(mask, size):
    with pytest.raises(ValueError, match="Expected"):
        mask_to_grid(mask, size, VOC_LABELS)
    with pytest.raises(ValueError, match="median"):
        mask_to_grid(np.zeros((3, 3), np.uint8), 4, VOC_LABELS, "median")


def test_cells_and_pixels_are_each_others_inverse():
    for length in (1, 5, 64, 375, 500):
        for cells in (1, 5, 64, 100):
            cell, pixel = cell_of_pixel(length, cells), pixel_of_cell(length, cells)
            assert cell.tolist() == [int((p + 0.5) * cells / length) for p in range(length)]
            assert pixel.tolist() == [int((c + 0.5) * length / cells) for c in range(cells)]
            if length >= cells:
                np.testing.assert_array_equal(cell[pixel], np.arange(cells))
            else:
                np.testing.assert_array_equal(pixel[cell], np.arange(length))


def test_real_masks_lose_no_class(voc_root):
    for path in sorted((voc_root / "VOC2012" / "SegmentationClass").glob("*.png"))[:60]:
        mask = read_mask(path, VOC_LABELS)
        assert set(np.unique(mask)) - {0, 255} == set(np.unique(mask_to_grid(mask, 32, VOC_LABELS))) - {0, 255}


def test_image_is_squashed_whole_and_antialiased():
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = (200, 100, 50)
    grid = image_to_grid(Image.fromarray(pixels), 8)
    assert grid.shape == (3, 8, 8)
    assert grid.dtype == np.uint8
    assert grid[:, :, 0].max() == 0
    assert grid[:, 4, 7].tolist() == [200, 100, 50]
    stripes = np.tile(np.array([0, 255], np.uint8), 512)[None, :, None].repeat(64, 0).repeat(3, 2)
    # no aliasing of one-pixel stripes
    assert abs(image_to_grid(Image.fromarray(stripes), 32).astype(int) - 127).max() <= 2


def test_image_and_mask_are_squashed_alike():
    mask = np.zeros((90, 130), np.uint8)
    mask[20:50, 60:110] = 1
    image = Image.fromarray((mask * 255)[..., None].repeat(3, 2))
    grid, squashed = mask_to_grid(mask, 16, VOC_LABELS), image_to_grid(image, 16)[0]
    assert (grid[squashed > 190] == 1).all()
    assert (grid[squashed < 65] == 0).all()


def test_map_is_bilinear_between_centres_and_stays_in_range():
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    grown = map_to_pixels(values, (40, 24))
    assert grown.shape == (24, 40)
    assert grown.dtype == np.float32

    def at(y, x):  # interpolation written out: cell centres at c + 0.5, constant beyond the outermost
        v, u = (min(max((p + 0.5) * 8 / n - 0.5, 0), 7) for p, n in ((y, 24), (x, 40)))
        i, j = min(int(v), 6), min(int(u), 6)
        rows = values[i : i + 2, j : j + 2].astype(float)
        return np.array([1 - (v - i), v - i]) @ rows @ np.array([1 - (u - j), u - j])

    np.testing.assert_allclose(grown, [[at(y, x) for x in range(40)] for y in range(24)], atol=1e-6)
    assert grown.min() >= values.min()
    assert grown.max() <= values.max()


@pytest.mark.parametrize("size", [(500, 375), (64, 64), (13, 700), (1, 1)])
def test_map_keeps_a_constant_and_has_the_images_size(size):
    grown = map_to_pixels(np.full((64, 64), 0.3, np.float32), size)
    assert grown.shape == size[::-1]
    assert (grown == np.float32(0.3)).all()


def test_surprise_is_read_from_the_map_of_each_pixels_own_class():
    rng = np.random.default_rng(0)
    posterior = rng.dirichlet((1, 1, 1), (8, 8)).transpose(2, 0, 1).astype(np.float32)
    mask = rng.integers(0, 3, (24, 40)).astype(np.uint8)
    mask[:5, 7:] = 255
    surprise = surprise_of_pixels(posterior, mask)
    assert surprise.dtype == np.float32
    grown = [map_to_pixels(posterior[c], (40, 24)) for c in range(3)]
    expected = [[0 if c == 255 else 1 - grown[c][y, x] for x, c in enumerate(row)] for y, row in enumerate(mask)]
    np.testing.assert_allclose(surprise, expected, atol=1e-6)


def test_surprise_keeps_an_outline_that_is_finer_than_the_grid():
    """The mask of a class that the network saw everywhere: what is missing of it is surprising to the last pixel, and
    nothing else.
    """
    posterior = np.stack([np.zeros((8, 8)), np.ones((8, 8))]).astype(np.float32)
    mask = np.ones((160, 160), np.uint8)
    mask[33:78, 51:52] = 0
    np.testing.assert_array_equal(surprise_of_pixels(posterior, mask), (mask == 0).astype(np.float32))


@pytest.mark.parametrize("size", [(500, 375), (64, 64), (1000, 70)])
def test_box_holds_exactly_the_pixels_of_its_cells(size):
    rng = np.random.default_rng(0)
    columns, rows = (cell_of_pixel(length, 64) for length in size)
    for _ in range(50):
        x0, y0 = rng.integers(0, 64, 2)
        x1, y1 = rng.integers(x0 + 1, 65), rng.integers(y0 + 1, 65)
        left, top, right, bottom = box_to_pixels((x0, y0, x1, y1), 64, size)
        assert all(isinstance(edge, int) for edge in (left, top, right, bottom))
        assert np.flatnonzero((columns >= x0) & (columns < x1)).tolist() == list(range(left, right))
        assert np.flatnonzero((rows >= y0) & (rows < y1)).tolist() == list(range(top, bottom))


def test_box_has_a_pixel_even_where_cells_are_finer_than_pixels():
    for x in range(64):
        left, top, right, bottom = box_to_pixels((x, 63, x + 1, 64), 64, (10, 3))
        assert 0 <= left < right <= 10
        assert (top, bottom) == (2, 3)
        assert left == min(int((x + 0.5) * 10 / 64), 9)
    assert box_to_pixels((0, 0, 64, 64), 64, (10, 3)) == (0, 0, 10, 3)
    assert box_to_pixels((-5, 60, 70, 90), 64, (100, 100)) == (0, 94, 100, 100)
