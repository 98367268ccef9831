"""How much of the true masks a grid keeps, and which grid the objects of a data set need."""

import contextlib
import dataclasses
from collections.abc import Sequence

import numpy as np
from rich.console import Console

import ncsnpp
from segqc.base.errors import BadInput
from segqc.data.grid import mask_to_grid
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import read_mask
from segqc.data.runs import find_runs
from segqc.data.tiles import Tiling
from segqc.training.config import TrainConfig
from segqc.training.pairs import TrainingSource
from segqc.training.resolved import resolve

GRIDS = (64, 96, 128)
"""Cells on a side."""

KEPT = 0.9
"""Mean Dice with themselves that true masks should keep on the grid."""

_LOOKED_AT = 40  # masks
_PIXELS = 3  # a cell: as was measured to rank street scenes well (docs/results-own-classes.md)
_ROUNDED = 32  # px: the coarsest map's stride


def kept_by_grid(masks: Sequence[np.ndarray], labels: LabelSpace, grid_size: int) -> np.ndarray:
    """Dice between true masks and what a grid leaves of them, by class: a bound on what any score on it can see.

    Parameters
    ----------
    masks : sequence of ndarray `[H, W]` uint8
        Class indices, 255 where void.
    labels : LabelSpace of K classes
    grid_size : int
        Cells on a side.

    Returns
    -------
    ndarray `[K]` float64
        Mean over the masks that have the class; NaN for classes that none has.
    """
    total, count = np.zeros(labels.num_classes), np.zeros(labels.num_classes)
    for mask in masks:
        runs = find_runs(mask, side=grid_size)
        true, seen = runs.values(mask), mask_to_grid(mask, grid_size, labels).reshape(-1)[runs.cells]
        seen = np.where(true == VOID, VOID, seen)
        both = runs.count(np.where(true == seen, true, VOID), 256)
        size = runs.count(true, 256) + runs.count(seen, 256)
        present = np.setdiff1d(true, [VOID])
        total[present] += 2 * both[present] / size[present]
        count[present] += 1
    return np.divide(total, count, out=np.full(labels.num_classes, np.nan), where=count > 0)


def fitted_to_objects(given: TrainConfig, source: TrainingSource, console: Console | None) -> TrainConfig:
    """The configuration with the grid, and with `given.detail` the sizes, that the objects of the true masks need.

    The grid is the smallest of `GRIDS` on which the true masks keep a mean Dice of `KEPT` with themselves over the
    foreground classes; pictures have three pixels a cell or the preset's size, but not more than they are large. Sizes
    that are given stay, and masks are reduced to the grid of all tiles of a picture. Without `given.detail` nothing
    changes, and a line says what it would do.
    """
    base = resolve(given)
    if given.grid_size is not None or base.encoder is None:
        return given
    masks = _some_masks(source)
    if not masks:
        return given
    foreground, side = list(source.labels.foreground), base.grid_size
    kept = kept_by_grid(masks, source.labels, Tiling(base.tiles, side).side)[foreground]
    if not np.isfinite(kept).any() or np.nanmean(kept) >= KEPT:
        return given
    grid = next(
        (
            size
            for size in GRIDS
            if size > side
            and np.nanmean(kept_by_grid(masks, source.labels, Tiling(base.tiles, size).side)[foreground]) >= KEPT
        ),
        GRIDS[-1],
    )
    if grid <= side:
        return given
    longest = max(max(mask.shape) for mask in masks)
    picture = max(base.image_size, min(_PIXELS * grid, -(-longest // _ROUNDED) * _ROUNDED))
    chosen = dataclasses.replace(given, grid_size=grid, image_size=given.image_size or picture)
    chosen = dataclasses.replace(chosen, image_size=ncsnpp.nearest_size(base.encoder, chosen.image_size or picture))
    if console is not None:
        worst, pixels = source.labels.name(foreground[int(np.nanargmin(kept))]), chosen.image_size or picture
        lost = f"a grid of {side} keeps Dice {np.nanmean(kept):.2f} of the true masks ({worst} {np.nanmin(kept):.2f})"
        sizes = f"--grid-size {grid} --image-size {pixels}"
        step, features = grid / side, (pixels / base.image_size) ** 2
        cost = f"a step takes about {step:.1f} times as long, a picture's features {features:.1f} times"
        what = f"chosen: {sizes} (--no-detail: the preset's)" if given.detail else f"--detail would choose {sizes}"
        console.print(f"detail: {lost}; {what}; {cost}", soft_wrap=True, highlight=False)
    return chosen if given.detail else given


def _some_masks(source: TrainingSource) -> list[np.ndarray]:
    """Masks that can be read, spread over all pairs."""
    masks = []
    for pair in source.pairs[:: max(1, len(source.pairs) // _LOOKED_AT)][:_LOOKED_AT]:
        if pair.mask is None:
            continue
        with contextlib.suppress(BadInput):
            masks.append(read_mask(pair.mask, source.labels))
    return masks
