"""Training of Deep SVDD on (picture, mask) pairs, rebuilt from Ruff et al. 2018, "Deep One-Class Classification"
(ICML).

A network phi without biases is trained to map pairs with ground-truth masks near a fixed centre c; the squared distance
to it is the score:

    one-class       mean ||phi(x) - c||^2 + lambda/2 sum ||W||^2                                        (equation 4)
    soft-boundary   R^2 + 1/(nu n) sum max(0, ||phi(x) - c||^2 - R^2) + lambda/2 sum ||W||^2            (equation 3)

c is the mean embedding before the first step. R is solved for, not learned by gradient: the 1 - nu quantile of recent
distances from the end of a warm-up on, and 0 until then, which makes it the one-class objective times 1/nu. Two
learning rates, one after the other. One thing of the paper's recipe is left out: its pretraining as an autoencoder.

The running statistics of batch normalisation (see `svdd_networks`) are measured afresh, as averages over training
pairs, at both ends of the fit: before the first step they are 0 and 1, and c would belong to another network; after the
last they trail behind the weights.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, Dataset

from evaluation.baselines.svdd.networks import Inputs, NetworkName, encode
from segqc.base.devices import bfloat16_is_native
from segqc.base.fingerprints import stable_seed
from segqc.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state
from segqc.training.samples import SampleSource

Objective = Literal["one-class", "soft-boundary"]

# the zero embedding, which a network without biases can always give to everything, must not be the centre
_CENTRE_MARGIN = 0.1
# last share of the steps, at a tenth of the learning rate (the paper's 250 + 100 epochs on CIFAR-10)
_FINE_TUNING = 2 / 7
_RECENT = 512  # distances whose quantile is R: those of one batch would make a noisy one
# training pairs that running statistics, first and last loss, final R and the collapse report are measured on
_MEASURED = 512


@dataclass(frozen=True)
class SVDDConfig:
    """How Deep SVDD is trained; `PRESETS` has one for each network.

    Attributes
    ----------
    network : str
        See `svdd_networks.make_networks`.
    objective : str
        one-class or soft-boundary.
    size : int
        Side of the squashed picture (and of the mask, but for frozen_lite: an eighth), a multiple of 32.
    steps, batch_size : int
        A batch is at least 2 pairs: normalisation takes its statistics.
    learning_rate : float
        Learning rate of Adam; a tenth of it in the last 2/7 of the steps.
    weight_decay : float
        lambda.
    nu : float
        Share of the training pairs outside of the soft boundary, in (0, 1).
    warmup : float
        Share of the steps before R is first solved for, in [0, 1). The paper: 10 of 150 epochs.
    embedding : int
        Dimensions of phi(x).
    seed : int
        Random seed for initial weights and batches.
    checkpoint_every : int
        Steps that a killed fit loses at most.
    cache_gib : float
        Inputs of training pairs are kept in a memory-mapped file up to this size; beyond it they are read anew at every
        use.
    workers : int
        Processes that then read them.
    device : str or None
        None: what there is.
    """

    network: NetworkName = "v2_b0"
    objective: Objective = "one-class"
    size: int = 128
    steps: int = 300
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    nu: float = 0.1
    warmup: float = 0.1
    embedding: int = 64
    seed: int = 0
    checkpoint_every: int = 100
    cache_gib: float = 8.0
    workers: int = 4
    device: str | None = None

    def __post_init__(self) -> None:
        if self.network not in get_args(NetworkName) or self.objective not in get_args(Objective):
            raise ValueError(
                f"Expected a network of {get_args(NetworkName)} and an objective of {get_args(Objective)}, "
                f"but got {self}"
            )
        if self.size < 32 or self.size % 32:
            raise ValueError(f"Expected `size` to be a multiple of 32, but got {self.size}")
        if self.steps < 1 or self.batch_size < 2 or self.embedding < 1 or self.checkpoint_every < 1:
            raise ValueError(
                "Expected `batch_size` to be at least 2, steps, embedding and checkpoint_every at least 1, "
                f"but got {self}"
            )
        if not (0 < self.nu < 1 and 0 <= self.warmup < 1):
            raise ValueError(f"Expected `nu` in (0, 1) and `warmup` in [0, 1), but got {self.nu} and {self.warmup}")


PRESETS: dict[NetworkName, SVDDConfig] = {
    "v2_b0": SVDDConfig(),
    "frozen_lite": SVDDConfig("frozen_lite", size=256, steps=500, batch_size=32),
    "v2_s": SVDDConfig("v2_s", size=256, steps=20_000, batch_size=64, learning_rate=1e-4),
    "v2_m": SVDDConfig("v2_m", size=256, steps=20_000, batch_size=64, learning_rate=1e-4),
}
"""The first two for one CPU core and a few thousand pairs, the others for a GPU."""


def squared_distances(embeddings: Tensor, centre: Tensor) -> Tensor:
    """||phi(x) - c||^2 of embeddings `[N, D]`: float32 `[N]`."""
    return (embeddings.float() - centre).square().sum(dim=1)


def objective_value(distances: Tensor, radius: float, weights: Iterable[Tensor], config: SVDDConfig) -> Tensor:
    """The objective of a batch, equation (4) or (3), from squared distances `[N]` and R."""
    penalty = config.weight_decay / 2 * torch.stack([weight.square().sum() for weight in weights]).sum()
    if config.objective == "one-class":
        return distances.mean() + penalty
    return radius**2 + (distances - radius**2).clamp_min(0).mean() / config.nu + penalty


def centre_of(embeddings: Tensor) -> Tensor:
    """Mean of embeddings `[N, D]`, coordinates within 0.1 of 0 moved to -0.1 or, from 0 on, to 0.1: float32 `[D]`."""
    mean = embeddings.double().mean(dim=0).float()
    edge = torch.where(mean < 0, -_CENTRE_MARGIN, _CENTRE_MARGIN)
    return torch.where(mean.abs() < _CENTRE_MARGIN, edge, mean)


def radius_of(distances: Tensor, nu: float) -> float:
    """R that leaves a share nu of squared distances `[N]` outside: the 1 - nu quantile of their roots."""
    return float(np.quantile(distances.double().sqrt().cpu().numpy(), 1 - nu))


def batch_indices(items: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Pairs of a step, int64 `[batch_size]`: a fresh permutation each epoch, its incomplete last batch left out.

    A function of (seed, step) alone.
    """
    epoch, place = divmod(step, items // batch_size)
    permutation = np.random.default_rng(stable_seed(seed, "epoch", epoch)).permutation(items)
    return permutation[place * batch_size : (place + 1) * batch_size]


class SVDDTraining:
    """One fit, from wherever its folder says it stands. Attributes are the state, which `_save` writes down."""

    def __init__(
        self,
        config: SVDDConfig,
        encoder: nn.Module,
        network: nn.Module,
        source: SampleSource,
        items: int,
        folder: Path,
        header: dict,
    ) -> None:
        self.config, self.encoder, self.network, self.source = config, encoder, network, source
        self.items, self.batch_size = items, min(config.batch_size, items)
        self.path, self.header = folder / "training.safetensors", header
        self.device = next(network.parameters()).device
        # Without its own, decoupled decay AdamW is the paper's Adam; lambda is in the objective.
        self.optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=0.0)
        self.measured = np.random.default_rng(stable_seed(config.seed, "measured")).permutation(items)[:_MEASURED]
        self.centre = torch.zeros(config.embedding, device=self.device)
        self.recent = torch.zeros(max(self.batch_size, min(_RECENT, items)), device=self.device)
        self.step, self.radius, self.loss_first = 0, 0.0, math.nan

    def run(self, progress: Progress) -> tuple[dict[str, float], Tensor]:
        """Take the remaining steps.

        Returns
        -------
        report : dict
            radius: R of the trained network; loss_first, loss_last: mean squared distance before and after; all of at
            most 512 training pairs.
        embeddings : Tensor
            Float32 `[n, D]`, of the same pairs.

        Raises
        ------
        FloatingPointError
            When the loss is no longer finite.
        """
        config = self.config
        task = progress.add_task("Deep SVDD", total=config.steps, note="first pass over the pairs")
        if not self._resume():
            self._measure_normalisation()
            self.centre = centre_of(self._embed(np.arange(self.items)))
            self.loss_first = float(squared_distances(self._embed(self.measured), self.centre).mean())
            self._save()
        progress.update(task, completed=self.step)
        self.network.train()
        steps = range(self.step, config.steps)
        for inputs in self._batches(batch_indices(self.items, self.batch_size, config.seed, step) for step in steps):
            loss = self._take_step(inputs)
            progress.update(task, completed=self.step, note=f"loss {loss:.4f}")
            if self.step % config.checkpoint_every == 0 or self.step == config.steps:
                self._save()
        self._measure_normalisation()
        embeddings = self._embed(self.measured)
        distances = squared_distances(embeddings, self.centre)
        report = {
            "radius": radius_of(distances, config.nu),
            "loss_first": self.loss_first,
            "loss_last": float(distances.mean()),
        }
        return report, embeddings

    def _take_step(self, inputs: Inputs) -> float:
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * (0.1 if self.step >= (1 - _FINE_TUNING) * config.steps else 1.0)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16_is_native(self.device)):
            embeddings = self.network(inputs)
        distances = squared_distances(embeddings, self.centre)
        loss = objective_value(distances, self.radius, self.network.parameters(), config)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        place = self.step * self.batch_size + torch.arange(self.batch_size, device=self.device)
        self.recent[place % len(self.recent)] = distances.detach()
        self.step += 1
        if config.objective == "soft-boundary" and self.step > config.warmup * config.steps:
            self.radius = radius_of(self.recent[: self.step * self.batch_size], config.nu)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"The loss became {value} at step {self.step}; lower the learning rate")
        return value

    def _batches(self, batches: Iterable[np.ndarray]) -> Iterator[Inputs]:
        keys = ([(int(index), None) for index in batch] for batch in batches)
        workers = self.config.workers if self.source.decodes else 0
        for batch in DataLoader(cast(Dataset, self.source), batch_sampler=keys, num_workers=workers):
            if "features" in batch:
                maps = [features.to(self.device, torch.float32) for features in batch["features"]]
            else:
                maps = encode(self.encoder, batch["image"].to(self.device))
            yield maps, batch["mask"].to(self.device)

    def _split(self, indices: np.ndarray) -> list[np.ndarray]:
        return [indices[start : start + self.batch_size] for start in range(0, len(indices), self.batch_size)]

    @torch.no_grad()
    def _embed(self, indices: np.ndarray) -> Tensor:
        """Embeddings `[N, D]` in evaluation mode."""
        self.network.eval()
        return torch.cat([self.network(inputs) for inputs in self._batches(self._split(indices))])

    @torch.no_grad()
    def _measure_normalisation(self) -> None:
        """Running statistics as averages over full batches."""
        full = [
            batch
            for batch in self._split(self.measured)
            if len(batch) == self.batch_size or len(self.measured) < self.batch_size
        ]
        update_bn(([inputs] for inputs in self._batches(full)), self.network)

    def _save(self) -> None:
        tensors = training_state(self.network, {}, self.optimizer) | {"centre": self.centre, "recent": self.recent}
        save_tensors(
            self.path,
            tensors,
            {"header": self.header, "step": self.step, "radius": self.radius, "loss_first": self.loss_first},
        )

    def _resume(self) -> bool:
        if not self.path.is_file():
            return False
        tensors, meta = load_tensors(self.path)
        if meta["header"] != self.header:
            return False
        self.step, self.radius, self.loss_first = meta["step"], meta["radius"], meta["loss_first"]
        self.centre, self.recent = tensors.pop("centre").to(self.device), tensors.pop("recent").to(self.device)
        restore_training_state(tensors, self.step, self.network, {}, self.optimizer)
        return True
