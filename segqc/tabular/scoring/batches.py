"""Computing something for every row: each distinct row once, the network in blocks of one size.

Matrix products round differently for different numbers of rows. All blocks have the same shape (the last is filled up),
so that no score depends on how many rows it was scored with. Counting only gathers, and takes any number.
"""

from collections.abc import Callable

import numpy as np
import torch

from segqc.tabular.encoding import Encoded
from segqc.tabular.network.models import Batch

BLOCK = 512  # rows of a matrix product
CHUNK = 1024  # rows in memory at all levels
_SAMPLE = 20_000  # rows from which a threshold, or what is usual at every level, is estimated, at most


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


def sample_rows(rows: Encoded, seed: int) -> Encoded:
    """All rows, or a random 20,000 of them where there are more, in their order."""
    return rows.take(np.sort(np.random.default_rng(seed).permutation(len(rows))[:_SAMPLE]))
