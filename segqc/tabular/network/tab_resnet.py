"""TabResNet: a residual network over the columns of a row, every block modulated by the noise level (FiLM; Perez et al.
2018).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FiLMBlock(nn.Module):
    """h + W2 SiLU(W1 (norm(h) (1 + gamma(c)) + beta(c))). It starts as the identity."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.film = nn.Linear(width, 2 * width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.film, self.second):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        gamma, beta = self.film(condition).chunk(2, dim=1)
        return h + self.second(self.dropout(F.silu(self.first(torch.addcmul(beta, self.norm(h), 1 + gamma)))))


class TabResNet(nn.Module):
    """Rows in, one output per slot out.

    Parameters
    ----------
    inputs, outputs : int
        Slots read and written.
    conditions : int
        Length of the noise level: 1, or one value a column.
    width, blocks : int
        Size of the network; the paper's has 20 blocks of width 1024.
    dropout : float
        Dropout rate inside the blocks.

    Untrained, its output is `head.bias` for every input.
    """

    def __init__(self, inputs: int, outputs: int, conditions: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(conditions, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(FiLMBlock(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, rows: Tensor, condition: Tensor) -> Tensor:
        """`[N, inputs]` and `[N or 1, conditions]` to `[N, outputs]`, float32."""
        c = self.embed(condition)
        h = self.stem(rows)
        for block in self.blocks:
            h = block(h, c)
        return self.head(self.norm(h))
