"""A pair read as a whole or in tiles: each tile alone, like a picture of its own, and their posteriors merged on the
finer grid.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from segqc.data.tiles import Tiling
from segqc.model.batches import pairs_at_once, read_batch
from segqc.model.quality_model import QualityModel
from segqc.model.reading import Reading


def read_pair(
    model: QualityModel,
    picture: np.ndarray,
    grid: np.ndarray,
    levels: Sequence[int] | None = None,
    with_features: bool = True,
) -> Reading:
    """`QualityModel.read` of a picture, uint8 `[3, I, I]`, or `read_tiles` of its tiles, `[T, 3, I, I]`."""
    if picture.ndim == 4:
        return read_tiles(model, picture, grid, levels)
    return model.read(picture, grid, levels, with_features)


def encode_picture(model: QualityModel, picture: np.ndarray) -> object:
    """What `read_encoded` needs of a picture, or of its tiles: computed once for all masks."""
    return [model.encode(tile) for tile in picture] if picture.ndim == 4 else model.encode(picture)


def read_encoded(
    model: QualityModel, context: object, grid: np.ndarray, levels: Sequence[int] | None = None
) -> Reading:
    """`read_pair` of a mask in what `encode_picture` made of its picture, without features."""
    if isinstance(context, list):
        return read_tiles(model, context, grid, levels)
    return model.read_mask(context, grid, levels, with_features=False)


def read_tiles(
    model: QualityModel, tiles: np.ndarray | Sequence[object], grid: np.ndarray, levels: Sequence[int] | None = None
) -> Reading:
    """What the model reads from a pair in tiles, as of a picture on the grid of all tiles.

    Posteriors are merged as means with the weights of `Tiling`; heat is that of the merged posterior. One tile gives
    what `QualityModel.read` gives, to the last bit, without features: means over tiles are not what the density knows.

    Parameters
    ----------
    model : QualityModel
        Model of a method with a class posterior.
    tiles : ndarray uint8 `[T, 3, I, I]`, or the T contexts of `encode_picture`
    grid : ndarray uint8 `[G, G]`
        The mask.
    levels : sequence of int, optional
        As for `QualityModel.read`.
    """
    tiling = Tiling(round(len(tiles) ** 0.5), model.config.grid_size)
    merged = np.zeros((model.config.num_classes, *grid.shape), np.float32)
    chosen = model.config.score_levels if levels is None else tuple(levels)
    masks = [np.ascontiguousarray(grid[window]) for window in tiling.windows]
    posteriors = _posteriors(model, tiles, masks, chosen)
    for window, posterior in zip(tiling.windows, posteriors, strict=True):
        merged[:, *window] += posterior * tiling.weights(window)
    valid = grid < len(merged)
    observed = np.take_along_axis(merged, np.where(valid, grid, 0)[None].astype(np.int64), axis=0)[0]
    heat = np.where(valid, np.float32(1) - observed, np.float32(0)).clip(0, 1)
    return Reading(np.empty((len(chosen), 0)), heat, merged, chosen)


def _posteriors(
    model: QualityModel, tiles: np.ndarray | Sequence[object], masks: Sequence[np.ndarray], levels: Sequence[int]
) -> Iterator[np.ndarray]:
    """The posterior `[K, S, S]` float32 of each tile, in order."""
    for reading in _read_each(model, tiles, masks, levels):
        assert reading.posterior is not None, "the method has a class posterior"
        yield reading.posterior


def _read_each(
    model: QualityModel, tiles: np.ndarray | Sequence[object], masks: Sequence[np.ndarray], levels: Sequence[int]
) -> Iterator[Reading]:
    """What the model reads of each tile alone."""
    size = pairs_at_once(model, levels)
    if isinstance(tiles, np.ndarray) and size > 1:
        for first in range(0, len(tiles), size):
            part = slice(first, first + size)
            yield from read_batch(model, tiles[part], np.stack(masks[part]), levels, with_features=False)
        return
    for tile, mask in zip(tiles, masks, strict=True):
        context = model.encode(tile) if isinstance(tile, np.ndarray) else tile
        yield model.read_mask(context, mask, levels, with_features=False)
