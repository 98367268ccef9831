"""From a trained model to numbers per row: each distinct row once, in blocks of one size.

Matrix products round differently for different numbers of rows. All blocks have the same shape (the last is filled up), so that no score depends on
how many rows it was scored with.
"""

from collections.abc import Callable

import numpy as np
import torch

from segqc.tabular.encoding import Encoded
from segqc.tabular.model import Batch, MixingModel, PaperModel

BLOCK = 512  # rows


@torch.inference_mode()
def in_blocks(rows: Encoded, device: torch.device, compute: Callable[[Batch], torch.Tensor]) -> np.ndarray:
    """`compute` of every row, float64 `[n, ...]`, repeated rows computed once."""
    distinct, inverse, _ = rows.distinct()
    out = []
    for start in range(0, len(distinct), BLOCK):
        index = np.arange(start, start + BLOCK) % len(distinct)
        block = distinct.take(index)
        batch = Batch(torch.as_tensor(block.codes, device=device), torch.as_tensor(block.numbers, device=device))
        out.append(compute(batch).double().cpu().numpy()[: len(distinct) - start])
    return np.concatenate(out)[inverse]


def cell_surprise(model: MixingModel, rows: Encoded, hidden: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted surprise of every cell over the views, float64 `[n, C]`; a row's score is their sum.

    Parameters
    ----------
    model : MixingModel
    rows : Encoded
    hidden, weights : ndarray `[V, C]`
        From `segqc.tabular.views.scoring_views`.
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


def level_norms(model: PaperModel, rows: Encoded) -> np.ndarray:
    """Squared score norms per level and column of the clean rows, float64 `[n, L, C]`."""
    return in_blocks(rows, model.continuous.device, model.norms)
