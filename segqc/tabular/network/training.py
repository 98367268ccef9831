"""Training of a table model: distinct rows by their counts, AdamW with a cosine, averaged weights, early stopping on
validation inliers.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from segqc.tabular.encoding import Encoded
from segqc.tabular.network.models import Batch, TableModel

CHECKS = 20  # evaluations on the validation rows in a full training
_MIN_STEPS = 50  # between two evaluations
_PATIENCE = 8  # evaluations without a better loss before training stops
_VALIDATION_ROWS = 2048  # noisy copies of validation rows, at least; at most so many distinct rows
_AVERAGING = 0.995


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how fast.

    Attributes
    ----------
    steps : int
        Largest number of training steps.
    batch_size : int
    learning_rate, weight_decay : float
        Learning rate and weight decay of AdamW; the rate falls to a hundredth along a cosine.
    """

    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training.

    Attributes
    ----------
    steps : int
        Number of steps made.
    best_step : int
        Step after which the validation loss was lowest; its weights are kept.
    validation_loss : list of float
        Validation loss at every evaluation.
    """

    steps: int
    best_step: int
    validation_loss: list[float]


class _Rows:
    """Distinct rows of a table on a device, drawn with their frequencies: the same distribution as drawing from all
    rows.
    """

    def __init__(self, rows: Encoded, device: torch.device) -> None:
        distinct, _, counts = rows.distinct()
        self.codes = torch.as_tensor(distinct.codes, device=device)
        self.numbers = torch.as_tensor(distinct.numbers, device=device)
        self.cumulative = torch.as_tensor(np.cumsum(counts) / counts.sum())
        self.frequency = torch.as_tensor(counts / counts.sum(), dtype=torch.float32, device=device)

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, index: torch.Tensor) -> Batch:
        index = index.to(self.codes.device)
        return Batch(self.codes[index], self.numbers[index])

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        u = torch.rand(count, generator=generator, dtype=torch.float64)
        return self.take(torch.searchsorted(self.cumulative, u).clamp_max(len(self) - 1))


def train(
    model: TableModel,
    rows: Encoded,
    validation: Encoded,
    config: TrainingConfig,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> TrainingResult:
    """Train `model` in place; it ends in evaluation mode with the averaged weights of the best evaluation.

    Parameters
    ----------
    model : TableModel
        On its device.
    rows, validation : Encoded
        Inliers; the loss on `validation`, with the same noise at every evaluation, decides when to stop.
    config : TrainingConfig
    seed : int
        Random seed for batches and noise.
    progress : callable of (step, validation loss), optional
        Called at every evaluation.
    """
    device = next(model.parameters()).device
    training_rows, validation_rows = _Rows(rows, device), _Rows(validation, device)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    averaged = copy.deepcopy(model).eval()
    parameters: list[torch.Tensor] = list(model.parameters())
    averages: list[torch.Tensor] = list(averaged.parameters())
    look_every = max(_MIN_STEPS, config.steps // CHECKS)
    losses: list[float] = []
    best, best_step, best_weights = math.inf, 0, copy.deepcopy(averaged.state_dict())
    step = 0
    for step in range(1, config.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step / config.steps)
        model.train()
        loss = model.loss(training_rows.draw(config.batch_size, generator), generator).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        decay = min(_AVERAGING, step / (step + 9))  # a short memory at first: the beginning is forgotten
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - decay)
        if step % look_every == 0 or step == config.steps:
            losses.append(_validation_loss(averaged, validation_rows))
            if progress is not None:
                progress(step, losses[-1])
            if losses[-1] < best:
                best, best_step, best_weights = losses[-1], step, copy.deepcopy(averaged.state_dict())
            elif step - best_step >= _PATIENCE * look_every:
                break
    model.load_state_dict(best_weights)
    model.eval()
    return TrainingResult(step, best_step, losses)


def _schedule(done: float) -> float:
    """Share of the learning rate: up in the first twentieth, then down to a hundredth along a cosine."""
    return min(1.0, done / 0.05) * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


@torch.no_grad()
def _validation_loss(model: TableModel, rows: _Rows) -> float:
    """Mean loss of the rows by their frequencies, always with the same noise."""
    generator = torch.Generator().manual_seed(0)
    chosen = (
        torch.arange(len(rows))
        if len(rows) <= _VALIDATION_ROWS
        else torch.randperm(len(rows), generator=generator)[:_VALIDATION_ROWS]
    )
    weight = rows.frequency[chosen.to(rows.frequency.device)]
    total, copies = 0.0, max(1, math.ceil(_VALIDATION_ROWS / len(chosen)))
    for _ in range(copies):
        total += float((model.loss(rows.take(chosen), generator) * weight).sum() / weight.sum())
    return total / copies
