"""Distance of a mask to the nearest ground-truth masks of the training set.

The score uses no picture, no network and no density: a mask is unsuspicious when its classes, places and shapes
resemble those of some training mask.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from safetensors.numpy import load_file, save_file

from evaluation.baselines.base import Baseline, Example, Group
from evaluation.baselines.heuristics import read_each, training_fingerprint
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.data.grid import mask_to_grid
from segqc.data.labels import VOID, LabelSpace

_CHUNK = 512  # training masks at a time: two one-hot planes of 32 x 32 take 4 MB


class MaskNeighbours(Baseline):
    """Mean distance to the k nearest training masks on a `side` x `side` grid, in [0, 1].

    The distance is 1 - mean foreground Dice (`evaluation.metrics.classes.mean_dice`, the training mask as truth).
    Counting cells that differ (Hamming) would call all masks of small objects alike, whatever and wherever the objects
    are, because the background agrees; under Dice a small object weighs as much as a large one. The grid keeps objects
    down to 10 pixels (`segqc.data.grid.mask_to_grid`). A mask without foreground is at distance 1 from all training
    masks that have some, and at 0 from the others.

    Parameters
    ----------
    k : int
        Neighbours; all of them when there are fewer training masks.
    side : int
        Cells on a side.
    """

    name = "nearest training masks"
    group: Group = "mask"
    needs = "the mask, and ground-truth masks of a training set"
    learns = True

    def __init__(self, k: int = 5, side: int = 32) -> None:
        if k < 1 or side < 1:
            raise ValueError(f"Expected `k` and `side` to be at least 1, but got {k} and {side}")
        self.k = k
        self.side = side

    def fit(self, training: Sequence[Example], folder: Path, console: Console | None = None) -> None:
        """Keep the training masks on the grid, in `neighbours.safetensors`; those that cannot be read are left out with
        a warning.

        Raises
        ------
        BadInput
            When no training mask can be read.
        """
        header = {"training": training_fingerprint(training), "side": self.side}
        marker, masks = Path(folder) / "neighbours.json", Path(folder) / "neighbours.safetensors"
        if not (marker.is_file() and read_json(marker) == header and masks.is_file()):
            marker.unlink(missing_ok=True)
            grids = [grid for grid in read_each(training, self._grid) if grid is not None]
            if not grids:
                raise BadInput(folder, "gets no training mask that can be read", "check the training pairs")
            with atomic_path(masks) as temporary:
                save_file({"masks": np.stack(grids)}, str(temporary))
            write_json(marker, header)
        self.masks_ = load_file(str(masks))["masks"]

    def score(self, audited: Sequence[Example]) -> np.ndarray:
        grids = read_each(audited, self._grid)
        scores = np.full(len(grids), np.nan)
        for labels in dict.fromkeys(example.labels for example in audited):
            mine = {row: grid for row, grid in enumerate(grids) if grid is not None and audited[row].labels == labels}
            if mine:
                distances = 1.0 - mean_dice_matrix(np.stack(list(mine.values())), self.masks_, labels)
                # Sorted, so that not even the rounding of the mean depends on the order of the training masks.
                nearest = np.sort(
                    np.partition(distances, min(self.k, distances.shape[1]) - 1, axis=1)[:, : self.k], axis=1
                )
                scores[list(mine)] = nearest.mean(axis=1)
        return scores

    def _grid(self, example: Example) -> np.ndarray:
        return mask_to_grid(example.mask(), self.side, example.labels)


def mean_dice_matrix(predictions: np.ndarray, truths: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """`evaluation.metrics.classes.mean_dice` of every prediction with every truth.

    Parameters
    ----------
    predictions, truths : ndarray
        uint8 `[n, ...]` and `[m, ...]`, the same grid of fewer than 2**24 cells, 255 where void.
    labels : LabelSpace

    Returns
    -------
    ndarray
        float64 `[n, m]` in [0, 1]. Counts come from matrix products of one-hot planes in float32, exact below 2**24: no
        entry depends on the others.
    """
    first, second = predictions.reshape(len(predictions), -1), truths.reshape(len(truths), -1)
    result = np.empty((len(first), len(second)))
    for start in range(0, len(second), _CHUNK):
        part = second[start : start + _CHUNK]
        known = (part != VOID).astype(np.float32)
        total, classes = np.zeros((len(first), len(part))), np.zeros((len(first), len(part)))
        for label in labels.foreground:
            in_truth = (part == label).astype(np.float32)
            sizes = np.zeros((len(first), len(part)))
            sizes += in_truth.sum(axis=1)
            rows = np.flatnonzero((first == label).any(axis=1))
            if rows.size:
                in_prediction = (first[rows] == label).astype(np.float32)
                sizes[rows] += in_prediction @ known.T
                total[rows] += 2.0 * (in_prediction @ in_truth.T) / np.maximum(sizes[rows], 1)
            classes += sizes > 0
        # No foreground in either: perfect agreement.
        result[:, start : start + _CHUNK] = np.where(classes > 0, total / np.maximum(classes, 1), 1.0)
    return result
