"""Tiles: windows that cover the finer grid, weights that sum to one, and pictures cut where the cells are."""

import numpy as np
import pytest
from PIL import Image

from segqc.data.grid import image_to_grid
from segqc.data.options import MOST_TILES
from segqc.data.tiles import Tiling, tile_pictures


@pytest.mark.parametrize("cells", [5, 16, 64])
@pytest.mark.parametrize("count", [1, 2, 3, MOST_TILES])
def test_windows_cover_the_grid_and_their_weights_sum_to_one(count: int, cells: int):
    tiling = Tiling(count, cells)
    total, windows = np.zeros((tiling.side, tiling.side)), tiling.windows
    for window in windows:
        weights = tiling.weights(window)
        assert weights.shape == (cells, cells)
        assert weights.min() > 0
        total[window] += weights
    assert len(windows) == count**2
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_weights_fall_to_shared_edges_and_not_to_those_of_the_picture():
    tiling = Tiling(2, 16)
    first = tiling.weights(tiling.windows[0])
    assert first[0, 0] == 1
    assert list(first[0, 11:]) == pytest.approx([1, 0.875, 0.625, 0.375, 0.125])
    assert np.array_equal(tiling.weights(tiling.windows[3]), first[::-1, ::-1])


@pytest.mark.parametrize("count", [0, MOST_TILES + 1])
def test_other_numbers_of_tiles_are_refused(count: int):
    with pytest.raises(ValueError, match=f"1 to {MOST_TILES} tiles"):
        Tiling(count, 64)


def test_one_tile_is_the_picture():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8))
    (tile,) = tile_pictures(image, Tiling(1, 16), 32)
    assert np.array_equal(tile, image_to_grid(image, 32))


def test_a_tile_shows_the_pixels_of_its_cells():
    tiling = Tiling(3, 16)
    pixels = np.random.default_rng(1).integers(0, 256, (tiling.side, 2 * tiling.side, 3), dtype=np.uint8)
    tiles = tile_pictures(Image.fromarray(pixels), tiling, 16)
    for tile, (rows, columns) in zip(tiles, tiling.windows, strict=True):
        cut = pixels[rows, 2 * columns.start : 2 * columns.stop]
        alone = image_to_grid(Image.fromarray(cut), 16)
        # at a shared edge the filter also reads the neighbour's pixels
        assert np.array_equal(tile[:, 1:-1, 1:-1], alone[:, 1:-1, 1:-1])


@pytest.mark.parametrize("size", [(1, 1), (7, 1000), (1001, 333)])
def test_pictures_of_any_size_are_cut(size: tuple[int, int]):
    tiles = tile_pictures(Image.new("RGB", size, (9, 8, 7)), Tiling(MOST_TILES, 64), 24)
    assert tiles.shape == (MOST_TILES**2, 3, 24, 24)
    assert (tiles == np.array([9, 8, 7])[None, :, None, None]).all()
