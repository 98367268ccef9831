"""The paper's model of a row: losses per cell in training, score norms per cell at scoring.

All columns of a row share one temperature, the network predicts eps, and what it is fed at scoring is the clean row.
Continuous columns have Gaussian noise of sigma 0.1 to 1, and go through the same losses.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from segqc import gumbel
from segqc.gumbel import Levels
from segqc.tabular.network.ragged import RaggedLayout
from segqc.tabular.network.tab_resnet import TabResNet

SIGMA_LOW, SIGMA_HIGH = 0.1, 1.0
_MISSING = 1  # code of a missing number


@dataclass(frozen=True)
class Batch:
    """Rows on the device: codes `[N, C]` int64 and scaled numbers `[N, M]` float32."""

    codes: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.codes)


class TableModel(nn.Module, ABC):
    """What both models share: the layout of the columns and the network.

    Parameters
    ----------
    sizes : ndarray `[C]`
        Outcomes of every column.
    continuous : ndarray `[M]`
        Indices of columns that also have a number.
    width, blocks, dropout
        Sizes and dropout rate of the TabResNet.
    """

    continuous: Tensor

    def __init__(self, sizes: np.ndarray, continuous: np.ndarray, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.layout = RaggedLayout(sizes)
        self.register_buffer("continuous", torch.as_tensor(continuous), persistent=False)
        self.numbers = len(continuous)
        self.network = self._network(width, blocks, dropout)

    @abstractmethod
    def _network(self, width: int, blocks: int, dropout: float) -> TabResNet:
        """The network for the slots that the model reads and writes."""

    @abstractmethod
    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Loss of every row at a random noise level, `[N]`."""

    def _random(self, *shape: int, generator: torch.Generator) -> Tensor:
        # Drawn on the CPU wherever the model is: the same seed gives the same noise on every device.
        return torch.rand(shape, generator=generator).to(self.continuous.device)

    def _exponential(self, rows: int, generator: torch.Generator) -> Tensor:
        shape = (rows * self.layout.columns, self.layout.largest)
        return gumbel.sample_exponential(shape, generator).to(self.continuous.device)

    def _normal(self, rows: int, generator: torch.Generator) -> Tensor:
        return torch.randn(rows, self.numbers, generator=generator).to(self.continuous.device)

    def _present(self, batch: Batch) -> Tensor:
        """Which numbers are there, bool `[N, M]`."""
        return batch.codes[:, self.continuous] != _MISSING


class PaperModel(TableModel):
    """Gumbel noise score matching as in the paper: 20 temperatures from 2 to 20, one location x + 1e-5.

    Parameters
    ----------
    weighted : bool
        The KL with its weight l^2 K^2, as printed in equation (17); the reference implementation drops it.
    """

    def __init__(
        self, sizes: np.ndarray, continuous: np.ndarray, width: int, blocks: int, dropout: float, weighted: bool = False
    ) -> None:
        super().__init__(sizes, continuous, width, blocks, dropout)
        self.weighted = weighted
        self.ladder = gumbel.paper_ladder(num_classes=2)  # its temperatures alone; t depends on the column's K

    def _network(self, width: int, blocks: int, dropout: float) -> TabResNet:
        slots = self.layout.slots + self.numbers
        return TabResNet(slots, slots, 1, width, blocks, dropout)

    def _levels(self, index: Tensor) -> tuple[Levels, Tensor, Tensor]:
        """Levels of the cells of N rows, log l `[N, 1]`, and sigma `[N, 1]` of the numbers."""
        temperature = self.ladder.all().temperature.to(index.device)[index][:, None]
        logit_keep = -(self.layout.sizes * gumbel.PAPER_DELTA).log().expand(len(index), -1)
        share = index[:, None] / (len(self.ladder) - 1)
        return (
            self.layout.levels(logit_keep, temperature.expand_as(logit_keep)),
            temperature.log(),
            SIGMA_LOW * (SIGMA_HIGH / SIGMA_LOW) ** share,
        )

    def _predict(self, x_tilde: Tensor, numbers: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """eps of the cells `[N * C, K]`, and of the numbers `[N, M]`."""
        rows = torch.cat([self.layout.flat(gumbel.log_input(x_tilde)), numbers], dim=1)
        out = self.network(rows, condition)
        return self.layout.padded(out[:, : self.layout.slots]), out[:, self.layout.slots :]

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """KL (17) of the cells plus || eps - z ||^2 of the numbers, summed over the columns, `[N]`."""
        index = (self._random(len(batch), generator=generator) * len(self.ladder)).long()
        levels, condition, sigma = self._levels(index)
        log_a = gumbel.log_location(self.layout.one_hot(batch.codes), levels)
        x_tilde = gumbel.sample_expconcrete(log_a, levels, self._exponential(len(batch), generator))
        z = self._normal(len(batch), generator)
        eps, eps_numbers = self._predict(x_tilde, batch.numbers + sigma * z, condition)
        target = gumbel.eps_target(x_tilde, log_a, levels)
        kl = gumbel.kl_loss(gumbel.log_softmax_from_eps(eps, levels), target, levels, weighted=self.weighted)
        squares = (eps_numbers - z).square() * self._present(batch)
        return kl.reshape(len(batch), -1).sum(1) + squares.sum(1)

    def norms(self, batch: Batch) -> Tensor:
        """Squared score norms of the clean row per level and column, `[N, L, C]`, equation (7)."""
        onehot, out = self.layout.one_hot(batch.codes), []
        for i in range(len(self.ladder)):
            levels, condition, sigma = self._levels(torch.full((len(batch),), i, device=batch.codes.device))
            eps, eps_numbers = self._predict(gumbel.log_location(onehot, levels), batch.numbers, condition)
            score = gumbel.score_from_log_softmax(gumbel.log_softmax_from_eps(eps, levels), levels)
            norm = gumbel.score_norm(score).reshape(len(batch), -1)
            out.append(norm.index_add(1, self.continuous, (eps_numbers / sigma).square() * self._present(batch)))
        return torch.stack(out, dim=1)
