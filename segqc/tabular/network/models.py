"""The two models of a row: losses per cell in training, features per cell at scoring.

`PaperModel` is the paper's: all columns of a row share one temperature, the network predicts eps, and at scoring it
reads the clean row. `MixingModel` is ours: every column has its own noise level t. At t = 0 the column is hidden, at t
near 1 it is seen clearly, and the network predicts the clean value of every column. It thereby learns all conditionals
p(column | any other columns) at once.

Continuous columns have Gaussian noise of sigma 0.1 to 1, as in the paper, and go through the same losses; in
`MixingModel` t chooses sigma, and t = 0 hides the number.
"""

import math
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
_KNOWN = math.log(1 / 1e-4 - 1)  # logit t of a column that is seen clearly
_MISSING = 1  # code of a missing number
_MIN_LOG_VARIANCE = math.log(SIGMA_LOW**2 / 10)
_LOG_2PI = math.log(2 * math.pi)
_NEVER = -1e30  # logit of a padded outcome
DIMMED = 0.25  # share of the training rows whose seen columns are dimmed


@dataclass(frozen=True)
class Batch:
    """Rows on the device: codes `[N, C]` int64 and scaled numbers `[N, M]` float32."""

    codes: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.codes)


class TableModel(nn.Module, ABC):
    """Base of both models: the layout of the columns and the network.

    Parameters
    ----------
    sizes : ndarray `[C]`
        Outcomes of every column.
    continuous : ndarray `[M]`
        Indices of columns that also have a number.
    width, blocks, dropout
        Size of the `TabResNet`.
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
        """Which numbers are present, bool `[N, M]`."""
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


class MixingModel(TableModel):
    """The posterior of every column given all columns, each at its own location."""

    def _network(self, width: int, blocks: int, dropout: float) -> TabResNet:
        slots = self.layout.slots
        return TabResNet(slots + self.numbers, slots + 2 * self.numbers, self.layout.columns, width, blocks, dropout)

    @torch.no_grad()
    def set_marginals(self, marginals: np.ndarray) -> None:
        """Make the untrained network predict the marginals `[S]` for every input."""
        self.network.head.bias[: self.layout.slots] = torch.as_tensor(np.log(marginals), dtype=torch.float32)

    def _sample_locations(self, rows: int, dimmed: int, generator: torch.Generator) -> Tensor:
        """logit t of every cell, `[N, C]`: a random number of columns hidden, one to all; the others clear, or dim in
        the first `dimmed` rows.
        """
        columns = self.layout.columns
        hidden = 1 + (self._random(rows, 1, generator=generator) * columns).long()
        order = self._random(rows, columns, generator=generator).argsort(1).argsort(1)
        dim = (
            8 * self._random(dimmed, 1, generator=generator)
            - 4
            + 2 * self._random(dimmed, columns, generator=generator)
            - 1
        )
        seen = torch.cat([dim, dim.new_full((rows - dimmed, columns), _KNOWN)])
        return torch.where(order < hidden, -math.inf, seen)

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Mean surprise of the columns that are hidden or dimmed, `[N]`."""
        dimmed = int(DIMMED * len(batch))
        logit_keep = self._sample_locations(len(batch), dimmed, generator)
        levels = self.layout.levels(logit_keep[:dimmed])
        log_a = gumbel.log_location(self.layout.one_hot(batch.codes[:dimmed]), levels)
        x_tilde = gumbel.sample_expconcrete(log_a, levels, self._exponential(dimmed, generator))
        likelihood = gumbel.log_class_likelihood(x_tilde, levels)
        clear = self.layout.clean_evidence(batch.codes[dimmed:]) * self.layout.per_slot(logit_keep[dimmed:] > -math.inf)
        evidence = torch.cat([self.layout.evidence(likelihood), clear])
        noisy = batch.numbers + self._sigma(logit_keep) * self._normal(len(batch), generator)
        surprise = self._surprise(batch, evidence, noisy, logit_keep, likelihood)
        return gumbel.masked_mean(surprise, logit_keep < _KNOWN)

    def _sigma(self, logit_keep: Tensor) -> Tensor:
        """sigma of the numbers, `[N, M]`: 1 at t = 0, 0.1 at t = 1."""
        return SIGMA_HIGH * (SIGMA_LOW / SIGMA_HIGH) ** torch.sigmoid(logit_keep[:, self.continuous])

    def _surprise(
        self, batch: Batch, evidence: Tensor, noisy: Tensor, logit_keep: Tensor, likelihood: Tensor | None = None
    ) -> Tensor:
        """Surprise of every cell, `[N, C]`; `logit_keep` is `[N or 1, C]`, `likelihood` `[n, K]` what the first rows'
        cells say of themselves.
        """
        shown = noisy * (logit_keep[:, self.continuous] > -math.inf) / (1 + self._sigma(logit_keep).square()).sqrt()
        condition = logit_keep.clamp_min(gumbel.logit(1e-4)) / 4
        out = self.network(torch.cat([evidence, shown * self._present(batch)], dim=1), condition)
        logits = self.layout.padded(out[:, : self.layout.slots], _NEVER)
        if likelihood is not None:
            logits = torch.cat([logits[: len(likelihood)] + likelihood, logits[len(likelihood) :]])
        log_p = torch.log_softmax(logits, dim=1)
        surprise = -log_p.gather(1, batch.codes.reshape(-1, 1)).reshape(len(batch), -1)
        if self.numbers:
            mean, log_variance = out[:, self.layout.slots :].chunk(2, dim=1)
            log_variance = log_variance.clamp(_MIN_LOG_VARIANCE, 10)
            nll = 0.5 * ((batch.numbers - mean).square() * (-log_variance).exp() + log_variance + _LOG_2PI)
            surprise = surprise.index_add(1, self.continuous, nll * self._present(batch))
        return surprise

    def view_surprise(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Surprise of the hidden columns given the others as they are, `[N, C]`; meaningless in columns that are seen.

        Parameters
        ----------
        batch : Batch
        hidden : Tensor, `[C]` bool
        """
        logit_keep = torch.where(hidden, -math.inf, _KNOWN)[None]
        evidence = self.layout.clean_evidence(batch.codes) * self.layout.per_slot(~hidden[None])
        return self._surprise(batch, evidence, batch.numbers, logit_keep)
