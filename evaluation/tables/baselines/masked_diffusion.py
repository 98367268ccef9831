"""MaskDiff-AD (Zhang, Liang and Xie 2026, arXiv 2605.30046), its parametric variant: hidden cells are predicted from
the visible ones, and a row is scored by how badly that goes.

    level t = 1..9: every cell is hidden with probability t/10
    p_j = softmax(W_j MLP[e_1, ..., e_C, e_t]),  e_j an embedding of the cell's outcome, or of "hidden"
    loss = mean of -log p_j over the hidden cells of a batch, each row at a random level
    score = mean over levels and views of the mean of -log p_j over the hidden cells of the row

Known from the paper and from its authors' settings: levels, 16 views a level, 20 epochs, embeddings of 256, three
hidden layers of 512 with ReLU and dropout 0.1, AdamW at 1e-3 with weight decay 1e-5, batches of 512, numbers as ten
quantile bins, and an outcome that no training row has for unseen values; a view that hides no cell of a row counts as
0. Assumed: "missing" is an outcome of its own, and no embedding of the column's number is added to those of its
outcomes, since it would be one constant more. The validation rows are not used.

Which cells are hidden is drawn for every row, so that equal rows get different scores: ties are broken at random, which
`scikit-learn`'s average precision rewards (`evaluation.tables.many.random_tie_precision` does not).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow
import torch
from torch import Tensor, nn

from evaluation.tables.baselines.base import CAP_SECONDS, CpuBudget, TableBaseline
from evaluation.tables.encoding import BaselineEncoder

LEVELS = 9


class MaskedCells(nn.Module):
    """Predicts hidden cells of a row of codes.

    Parameters
    ----------
    sizes : sequence of int
        Number of outcomes of every column.
    embedding, hidden, layers : int
        Size of an embedding, size and number of the hidden layers.
    dropout : float
    """

    def __init__(self, sizes: Sequence[int], embedding: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.cells = nn.ModuleList(nn.Embedding(size + 1, embedding) for size in sizes)  # the last code is "hidden"
        self.level = nn.Embedding(LEVELS + 1, embedding)
        self.first = nn.Linear((len(sizes) + 1) * embedding, hidden)
        rest: list[nn.Module] = [nn.ReLU(), nn.Dropout(dropout)]
        for _ in range(layers - 1):
            rest += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)]
        self.rest = nn.Sequential(*rest, nn.Linear(hidden, sum(sizes)))

    def forward(self, codes: Tensor, hidden: Tensor, level: Tensor) -> Tensor:
        """-log p of every cell `[n, C]`, of codes and bool `[n, C]` and levels `[n]`."""
        # The first layer's product with an embedding is made once per outcome instead of once per row.
        *weights, of_level = self.first.weight.split(self.level.embedding_dim, dim=1)
        total = self.first.bias + nn.functional.embedding(level, self.level.weight @ of_level.T)
        for j, (cell, weight) in enumerate(zip(self.cells, weights, strict=True)):
            shown = torch.where(hidden[:, j], self.sizes[j], codes[:, j])
            total = total + nn.functional.embedding(shown, cell.weight @ weight.T)
        logits = self.rest(total).split(self.sizes, dim=1)
        losses = [nn.functional.cross_entropy(part, codes[:, j], reduction="none") for j, part in enumerate(logits)]
        return torch.stack(losses, dim=1)


class MaskedDiffusion(TableBaseline):
    """The detector.

    Parameters
    ----------
    seed : int
        Random seed for weights, order of rows and hidden cells.
    epochs : int
        At most; training also ends when `cap_seconds` of CPU time are spent.
    views : int
        Views a level.
    embedding, hidden, layers, dropout, batch_size, learning_rate, weight_decay
        As published.
    cap_seconds : float
    """

    def __init__(
        self,
        seed: int = 0,
        epochs: int = 20,
        views: int = 16,
        embedding: int = 256,
        hidden: int = 512,
        layers: int = 3,
        dropout: float = 0.1,
        batch_size: int = 512,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-5,
        cap_seconds: float = CAP_SECONDS,
    ) -> None:
        self.seed = seed
        self.epochs = epochs
        self.views = views
        self.embedding = embedding
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.cap_seconds = cap_seconds

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "MaskedDiffusion":
        budget = CpuBudget(self.cap_seconds)
        self.encoder_ = BaselineEncoder().fit(X)
        codes = torch.from_numpy(self.encoder_.codes(X))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network_ = MaskedCells(
                self.encoder_.sizes_.tolist(), self.embedding, self.hidden, self.layers, self.dropout
            )
            epochs = self._train(codes, budget)
        cut = ", cut by the cap" if epochs < self.epochs else ""
        self.epochs_ = f"{epochs} epochs of {len(codes):,} rows, batches of {self.batch_size}{cut}"
        return self

    def _train(self, codes: Tensor, budget: CpuBudget) -> int:
        """Train, and return the number of epochs that there was time for."""
        optimizer = torch.optim.AdamW(self.network_.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        self.network_.train()
        for epoch in range(self.epochs):
            for rows in torch.randperm(len(codes)).split(self.batch_size):
                part, level = codes[rows], torch.randint(1, LEVELS + 1, (len(rows),))
                hidden = _hide(part, level)
                loss = (self.network_(part, hidden, level) * hidden).sum() / hidden.sum().clamp_min(1)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if budget.left() <= 0:
                return epoch + 1
        return self.epochs

    @torch.inference_mode()
    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        self.network_.eval()
        codes = torch.from_numpy(self.encoder_.codes(X))
        scores = torch.zeros(len(codes), dtype=torch.float64)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for rows in torch.arange(len(codes)).split(2 * self.batch_size):
                for level in range(1, LEVELS + 1):
                    for _ in range(self.views):
                        scores[rows] += self._view(codes[rows], torch.full((len(rows),), level))
        return (scores / (LEVELS * self.views)).numpy()

    def _view(self, codes: Tensor, level: Tensor) -> Tensor:
        """Mean surprise of the cells that one view hides, `[n]`."""
        hidden = _hide(codes, level)
        return (self.network_(codes, hidden, level) * hidden).sum(1) / hidden.sum(1).clamp_min(1)


def _hide(codes: Tensor, level: Tensor) -> Tensor:
    """Which cells are hidden at random, bool `[n, C]`."""
    return torch.rand(codes.shape) < level[:, None] / (LEVELS + 1)
