"""Overlapping tiles of a picture, and the finer grid that their cells make together.

A picture in N x N tiles is a picture on a grid of G = N S - (N - 1) S // 4 cells a side: each tile is a window of S
cells, and neighbours share a quarter of a tile. A tile has the shape of the picture, as the crops of a training's
augmentation have (`segqc.data.dataset.augment`), so that the network is shown what it knows, squashed in the same
proportion, and rows and columns have as many cells in the finer grid as well.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from segqc.data.options import MOST_TILES

_SHARED = 4  # neighbours share one part in so many


@dataclass(frozen=True)
class Tiling:
    """The windows of N x N tiles, in reading order.

    Attributes
    ----------
    count : int
        N, tiles along a side; 1: the picture as a whole.
    cells : int
        S, cells along the side of a tile.
    """

    count: int
    cells: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_TILES:
            raise ValueError(f"Expected 1 to {MOST_TILES} tiles along a side, but got {self.count}")

    @property
    def side(self) -> int:
        """G, cells along the side of the picture."""
        return self.count * self.cells - (self.count - 1) * (self.cells // _SHARED)

    @property
    def share(self) -> float:
        """Side of a tile as a fraction of the picture's."""
        return self.cells / self.side

    @property
    def windows(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each tile in the grid of G x G cells."""
        step = self.cells - self.cells // _SHARED
        spans = [slice(start, start + self.cells) for start in range(0, self.count * step, step)]
        return [(rows, columns) for rows in spans for columns in spans]

    def weights(self, window: tuple[slice, slice]) -> np.ndarray:
        """How much each cell of a tile counts, float32 `[S, S]` in (0, 1]: falls to the edges that it shares, where the
        tile lacks context, and not to the picture's own. Those of all tiles sum to 1 in every cell.
        """
        rows, columns = (self._ramp(span) for span in window)
        return np.outer(rows, columns).astype(np.float32)

    def _ramp(self, span: slice) -> np.ndarray:
        shared, weights = self.cells // _SHARED, np.ones(self.cells)
        rising = (np.arange(shared) + 0.5) / max(1, shared)
        if span.start > 0:
            weights[:shared] = rising
        if span.stop < self.side:
            weights[self.cells - shared :] = rising[::-1]
        return weights


def tile_pictures(image: Image.Image, tiling: Tiling, size: int) -> np.ndarray:
    """The tiles of an RGB image, each squashed to uint8 `[3, size, size]` (`segqc.data.grid.image_to_grid`): uint8 `[N
    N, 3, size, size]`.
    """
    across, down = image.width / tiling.side, image.height / tiling.side
    tiles = np.empty((tiling.count**2, 3, size, size), np.uint8)
    for place, (rows, columns) in enumerate(tiling.windows):
        box = (columns.start * across, rows.start * down, columns.stop * across, rows.stop * down)
        # rounding must not push the box over the picture's edge
        inside = (*box[:2], min(box[2], image.width), min(box[3], image.height))
        shrunk = image.resize((size, size), Image.Resampling.BILINEAR, box=inside)
        tiles[place] = np.asarray(shrunk).transpose(2, 0, 1)
    return tiles
