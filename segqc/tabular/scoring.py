"""From a trained model to numbers per row: each distinct row once, the network in blocks of one size.

Matrix products round differently for different numbers of rows. All blocks have the same shape (the last is filled up),
so that no score depends on how many rows it was scored with. Counting only gathers, and takes any number.
"""

from collections.abc import Callable

import numpy as np
import torch

from segqc.tabular.counting.tails import NumberSpread
from segqc.tabular.counting.trees import ContextTrees
from segqc.tabular.encoding import Encoded
from segqc.tabular.network.models import Batch, MixingModel, PaperModel

BLOCK = 512  # rows of a matrix product
CHUNK = 4096  # rows in memory at all levels


def by_distinct(rows: Encoded, compute: Callable[[Encoded], np.ndarray]) -> np.ndarray:
    """`compute` of every row, `[n, ...]`, in chunks, repeated rows computed once."""
    distinct, inverse, _ = rows.distinct()
    parts = [
        compute(distinct.take(np.arange(start, min(start + CHUNK, len(distinct)))))
        for start in range(0, len(distinct), CHUNK)
    ]
    return np.concatenate(parts)[inverse]


@torch.inference_mode()
def in_blocks(rows: Encoded, device: torch.device, compute: Callable[[Batch], torch.Tensor]) -> np.ndarray:
    """`compute` of every row by the network, float64 `[n, ...]`."""
    out = []
    for start in range(0, len(rows), BLOCK):
        block = rows.take(np.arange(start, start + BLOCK) % len(rows))
        batch = Batch(torch.as_tensor(block.codes, device=device), torch.as_tensor(block.numbers, device=device))
        out.append(compute(batch).double().cpu().numpy()[: len(rows) - start])
    return np.concatenate(out)


def network_surprise(model: MixingModel, rows: Encoded, hidden: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted surprise of every cell over the views, float64 `[n, C]`.

    Parameters
    ----------
    model : MixingModel
    rows : Encoded
    hidden, weights : ndarray `[V, C]`
        From `segqc.tabular.network.views.half_views`.
    """
    device = model.continuous.device
    views = torch.as_tensor(hidden, device=device)
    shares = torch.as_tensor(weights, device=device)

    def compute(batch: Batch) -> torch.Tensor:
        total = torch.zeros(batch.codes.shape, dtype=torch.float64, device=device)
        for view, share in zip(views, shares, strict=True):
            total += model.view_surprise(batch, view).double() * share
        return total

    return in_blocks(rows, device, compute)


def level_surprise(
    trees: ContextTrees,
    spread: NumberSpread,
    model: MixingModel,
    rows: Encoded,
    hidden: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Surprise of every cell at every level, float64 `[n, L, C]`: the trees' levels, then the network's."""
    codes = spread.bins.codes(rows)
    counted = trees.surprise(codes)
    counted[:, :, spread.bins.continuous] += spread.surprise(rows, codes)[:, None]
    return np.concatenate([counted, network_surprise(model, rows, hidden, weights)[:, None]], axis=1)


def level_norms(model: PaperModel, rows: Encoded) -> np.ndarray:
    """Squared score norms per level and column of the clean rows, float64 `[n, L, C]`."""
    return by_distinct(rows, lambda part: in_blocks(part, model.continuous.device, model.norms))
