"""Columns with different numbers of outcomes in one tensor.

A network reads and writes one slot per outcome, S in all: `[N, S]`, flat. The losses of `segqc.gumbel` want one item a
cell with all its outcomes along an axis: `[N * C, K]`, padded to the largest K. One gather goes from one to the other,
whatever the number of columns.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segqc.gumbel import Levels


class RaggedLayout(nn.Module):
    """Where the outcomes of C columns lie among S slots.

    Parameters
    ----------
    sizes : ndarray `[C]`
        Outcomes of every column.
    """

    sizes: Tensor
    _slot_of_padded: Tensor
    _padded_of_slot: Tensor

    def __init__(self, sizes: np.ndarray) -> None:
        super().__init__()
        self.columns, self.slots, self.largest = len(sizes), int(sizes.sum()), int(sizes.max())
        real = np.arange(self.largest) < np.asarray(sizes)[:, None]
        padded_to_slot = np.where(real, np.cumsum(real).reshape(real.shape) - 1, self.slots)
        self.register_buffer("sizes", torch.as_tensor(np.asarray(sizes, np.int64)), persistent=False)
        self.register_buffer("_slot_of_padded", torch.as_tensor(padded_to_slot.reshape(-1)), persistent=False)
        self.register_buffer("_padded_of_slot", torch.as_tensor(np.flatnonzero(real)), persistent=False)

    def padded(self, flat: Tensor, filling: float = 0.0) -> Tensor:
        """`[N, S]` to `[N * C, K]`; padded outcomes get `filling`."""
        return F.pad(flat, (0, 1), value=filling)[:, self._slot_of_padded].reshape(-1, self.largest)

    def flat(self, padded: Tensor) -> Tensor:
        """`[N * C, K]` to `[N, S]`."""
        return padded.reshape(-1, self.columns * self.largest)[:, self._padded_of_slot]

    def one_hot(self, codes: Tensor) -> Tensor:
        """Codes `[N, C]` to one-hot cells `[N * C, K]` float32."""
        return F.one_hot(codes.reshape(-1), self.largest).float()

    def levels(self, logit_keep: Tensor, temperature: Tensor | None = None) -> Levels:
        """Levels of N * C cells from log(t/(1 - t)) and l (by default 1), both `[N, C]`."""
        temperature = torch.ones_like(logit_keep) if temperature is None else temperature
        return Levels(logit_keep.reshape(-1), temperature.reshape(-1), self.sizes.repeat(len(logit_keep)))
