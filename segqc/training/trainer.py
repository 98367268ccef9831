"""The optimisation loop of `segqc train`: state, one step, validation, checkpoints."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from segqc.base.console import make_progress
from segqc.base.devices import peak_memory_gib, wants_bfloat16
from segqc.base.fingerprints import stable_seed
from segqc.data.dataset import PairDataset
from segqc.model.quality_model import QualityModel
from segqc.model.segment_noise import SegmentNoise
from segqc.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state
from segqc.training.config import TrainConfig
from segqc.training.feature_cache import FeatureCache
from segqc.training.schedule import Batch, Samples, Schedule, make_loader, validation_draws

Guess = Callable[[Sequence[Tensor], Sequence[int]], np.ndarray]


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine from `learning_rate` to `final_learning_rate`."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final_learning_rate + 0.5 * (config.learning_rate - config.final_learning_rate) * (
        1 + math.cos(math.pi * share)
    )


class Trainer:
    """Takes a fresh model to its last step, from wherever the run folder says it stands.

    Parameters
    ----------
    config : TrainConfig
        Resolved.
    model : QualityModel
        On the accelerator's device.
    source : FeatureCache or PairDataset
    train_rows, validation_rows : sequence of int
        Its pairs to train on and to validate on.
    accelerator : Accelerator
    console : Console or None
    segment_noise : SegmentNoise, optional
        What the masks of levels above t = 0 are drawn from (method `structured`), together with ...
    guess : callable, optional
        ... log p(class | picture) `[M, K, S, S]` of M pictures, given by `image_features` and rows; by networks that have not seen them.
    task : str
        What the progress bar calls it.
    """

    def __init__(
        self, config: TrainConfig, model: QualityModel, source: FeatureCache | PairDataset, train_rows: Sequence[int],
        validation_rows: Sequence[int], accelerator: Accelerator, console: Console | None, segment_noise: SegmentNoise | None = None,
        guess: Guess | None = None, task: str = "training",
    ) -> None:  # fmt: skip
        self.config, self.model, self.source, self.task = config, model, source, task
        self.train_rows, self.validation_rows = train_rows, validation_rows[: config.validation_items]
        self.accelerator, self.console, self.segment_noise, self.guess = accelerator, console, segment_noise, guess
        self.folder = config.out / "training"
        self.levels = len(model.config.ladder)
        self.network = model.network
        self.parameters = dict(self.network.named_parameters())
        self.ema = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.bfloat16 = wants_bfloat16(config.precision, accelerator.device)
        self.step, self.best_loss = 0, math.inf
        self._resume()
        if config.compile:
            model.network.compile()
        self.wrapped, self.prepared_optimizer = accelerator.prepare(model, self.optimizer)

    def run(self) -> dict[str, float]:
        """Take the remaining steps; returns speed and memory of this start."""
        config, accelerator = self.config, self.accelerator
        schedule = Schedule(len(self.train_rows), self.levels, config.batch_size, config.views, config.seed)
        rank, world = accelerator.process_index, accelerator.num_processes
        batches = (schedule.batch(step)[rank::world] for step in range(self.step, config.steps))
        workers = config.workers if config.workers is not None else (0 if isinstance(self.source, FeatureCache) else 4)
        loader = make_loader(
            Samples(self.source, self.train_rows, others=self.segment_noise is not None), batches, workers
        )
        log = (
            SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step)
            if accelerator.is_main_process
            else None
        )
        first, started = self.step, time.monotonic()
        with make_progress(self.console, "note") as progress:
            task = progress.add_task(self.task, total=config.steps, completed=self.step, note="")
            for batch in loader:
                loss, norm = self._step(batch)
                self.step += 1
                speed = (self.step - first) * config.batch_size / (time.monotonic() - started)
                progress.update(
                    task, completed=self.step, note=f"loss {loss:.3f} (best {self.best_loss:.3f}) {speed:.0f} images/s"
                )
                if log is not None:
                    for name, value in {
                        "loss/train": loss,
                        "gradient_norm": norm,
                        "learning_rate": learning_rate(config, self.step - 1),
                    }.items():
                        log.add_scalar(name, value, self.step)
                last = self.step == config.steps
                if last or self.step % config.validate_every == 0:
                    validation = self._validate()
                    if log is not None:
                        log.add_scalar("loss/validation", validation, self.step)
                if last or self.step % config.checkpoint_every == 0:
                    self._save()
        if log is not None:
            log.close()
        seconds = time.monotonic() - started
        return {
            "steps": config.steps,
            "images_per_second": round((self.step - first) * config.batch_size / seconds, 2)
            if self.step > first
            else None,
            "seconds_of_last_start": round(seconds, 1),
            "peak_memory_gib": peak_memory_gib(self.accelerator.device),
        }

    def _step(self, batch: Batch) -> tuple[float, float]:
        """One optimizer step; returns loss and gradient norm."""
        config, accelerator = self.config, self.accelerator
        self.model.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        # Dropout is the only user of the global generator.
        torch.manual_seed(stable_seed(config.seed, "step", self.step, accelerator.process_index))
        loss = self._loss(batch)
        accelerator.backward(loss)
        norm = accelerator.clip_grad_norm_(self.parameters.values(), config.gradient_clip)
        self.prepared_optimizer.step()
        self.prepared_optimizer.zero_grad(set_to_none=True)
        # The average follows closely at first, so that short runs are not dominated by the initial weights.
        decay = min(config.ema_decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.values()), [p.detach() for p in self.parameters.values()], 1 - decay)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"The loss became {value} at step {self.step}; lower --learning-rate, or use --precision fp32"
            )
        return value, float(norm)

    def _loss(self, batch: Batch) -> Tensor:
        """The model's loss of a batch, through the wrapper that shares gradients between processes."""
        device = self.accelerator.device
        features = (
            self.model.image_features(batch.images.to(device))
            if batch.images is not None
            else [f.to(device) for f in batch.features]
        )
        features = [f.contiguous(memory_format=torch.channels_last) for f in features]
        levels = self.model.config.ladder.at([draw.level for draw in batch.draws]).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            observed = (
                None if self.segment_noise is None else self._observed(features, batch, self.segment_noise).to(device)
            )
            return self.wrapped(
                features, batch.masks.to(device), levels, batch.noise(self.model.config.num_classes, device), observed
            )

    def _observed(self, features: list[Tensor], batch: Batch, noise: SegmentNoise) -> Tensor:
        """The batch's masks with segment noise, `[N, S, S]` uint8.

        At t = 0 nothing of it is seen, so nothing is drawn.
        """
        keep = self.model.config.ladder.keep
        noisy = [n for n, draw in enumerate(batch.draws) if keep[draw.level] > 0]
        guessed = [n for n in noisy if noise.needs_guess(batch.draws[n].noise_seed)]
        beliefs = {}
        if guessed and self.guess is not None:
            beliefs = dict(
                zip(guessed, self.guess([f[guessed] for f in features], [batch.rows[n] for n in guessed]), strict=True)
            )
        masks = batch.masks.numpy().copy()
        for n in noisy:
            masks[n] = noise.draw(
                batch.masks[n].numpy(), batch.others[n].numpy(), beliefs.get(n), batch.draws[n].noise_seed
            )
        return torch.from_numpy(masks)

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss of the moving average on the validation pairs, levels and noise fixed; keeps the best."""
        draws = validation_draws(len(self.validation_rows), self.levels, self.config.seed)
        own = draws[self.accelerator.process_index :: self.accelerator.num_processes]
        size = max(1, self.config.batch_size // self.accelerator.num_processes)
        batches = [own[i : i + size] for i in range(0, len(own), size)]
        self.model.network.eval()
        total = torch.zeros(2, dtype=torch.float64)
        with self._averaged():
            for batch in make_loader(
                Samples(self.source, self.validation_rows, self.segment_noise is not None), batches, 0
            ):
                total += torch.tensor(
                    [float(self._loss(batch)) * len(batch.draws), len(batch.draws)], dtype=torch.float64
                )
            total = self.accelerator.reduce(total.to(self.accelerator.device, torch.float32), "sum")
            loss = float(total[0] / total[1].clamp_min(1))
            if loss < self.best_loss:
                self.best_loss = loss
                if self.accelerator.is_main_process:
                    save_tensors(
                        self.folder / "best.safetensors", self.network.state_dict(), {"step": self.step, "loss": loss}
                    )
        return loss

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The moving average in place of the weights."""
        kept = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            parameter.data.copy_(self.ema[name])
        try:
            yield
        finally:
            for name, parameter in self.parameters.items():
                parameter.data.copy_(kept[name])

    def _save(self) -> None:
        """Everything that the next step depends on."""
        if self.accelerator.is_main_process:
            tensors = training_state(self.network, self.ema, self.optimizer)
            save_tensors(self.folder / "last.safetensors", tensors, {"step": self.step, "best_loss": self.best_loss})
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        path = self.folder / "last.safetensors"
        if not path.is_file():
            return
        tensors, meta = load_tensors(path)
        self.step, self.best_loss = meta["step"], meta["best_loss"]
        restore_training_state(tensors, self.step, self.network, self.ema, self.optimizer)
        if self.console and self.step < self.config.steps:
            self.console.print(f"Continuing from step {self.step} of {self.config.steps}.")

    def best_network(self) -> tuple[float, dict[str, Tensor]]:
        """Validation loss and state of the best moving average."""
        self.accelerator.wait_for_everyone()
        tensors, meta = load_tensors(self.folder / "best.safetensors")
        return meta["loss"], tensors
