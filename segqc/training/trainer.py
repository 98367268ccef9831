"""The optimisation loop of `segqc train`: state, one step, validation, checkpoints."""

import math
import statistics
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from segqc.base.console import make_progress
from segqc.base.devices import peak_memory_gib, wants_bfloat16
from segqc.base.errors import BadInput
from segqc.base.fingerprints import stable_seed
from segqc.base.tracking import Tracking
from segqc.model.quality_model import QualityModel
from segqc.training.checkpoint import load_tensors, restore_training_state, save_tensors, training_state
from segqc.training.gradients import BatchGradient
from segqc.training.resolved import ResolvedTrainConfig
from segqc.training.samples import Batch, Samples, TrainingData, make_loader
from segqc.training.schedule import Schedule, validation_draws
from segqc.training.wrong_masks import WrongMasks

_CHECKPOINTS = ("last.safetensors", "before.safetensors")
_TRACK_EVERY = 10
"""Steps between what trackers get: each call is a request to a server."""


def learning_rate(config: ResolvedTrainConfig, step: int) -> float:
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
    config : ResolvedTrainConfig
    model : QualityModel
        On the accelerator's device.
    data : TrainingData
    accelerator : Accelerator
    console : Console or None
        Where progress goes; None is silent.
    wrong_masks : WrongMasks, optional
        What the noise of levels above t = 0 is laid over; the true masks by default.
    task : str
        What the progress bar calls it.
    """

    def __init__(
        self,
        config: ResolvedTrainConfig,
        model: QualityModel,
        data: TrainingData,
        accelerator: Accelerator,
        console: Console | None,
        wrong_masks: WrongMasks | None = None,
        task: str = "training",
    ) -> None:
        self.config, self.model, self.data, self.task = config, model, data, task
        self.validation_rows = data.validation_rows[: config.validation_items]
        self.accelerator, self.console, self.wrong_masks = accelerator, console, wrong_masks
        self.folder = config.out / "training"
        self.levels = len(model.config.ladder)
        self.network = model.network
        self.parameters = dict(self.network.named_parameters())
        self.ema = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.bfloat16 = wants_bfloat16(config.precision, accelerator.device)
        self.step, self.best_loss = 0, math.inf
        self._resume()
        if config.compile:
            model.network.compile()
        self.wrapped, self.prepared_optimizer = accelerator.prepare(model, self.optimizer)
        self.gradient = BatchGradient(model.network, self._loss, accelerator, whole=config.compile)

    def run(self, trackers: Tracking | None = None) -> dict[str, Any]:
        """Take the remaining steps; returns speed and memory of this start.

        `trackers` get every tenth step and every validation, TensorBoard's log in the folder has all steps.
        """
        config = self.config
        first, started = self.step, time.monotonic()
        with self._log() as log, make_progress(self.console, "note") as progress:
            task = progress.add_task(self.task, total=config.steps, completed=self.step, note="")
            for batch in self._batches():
                loss, norm = self._step(batch)
                self.step += 1
                speed = (self.step - first) * config.batch_size / (time.monotonic() - started)
                note = f"loss {loss:.3f} (best {self.best_loss:.3f}) {speed:.0f} images/s"
                progress.update(task, completed=self.step, note=note)
                scalars = {"loss/train": loss, "gradient_norm": norm, "learning_rate": self._rate(self.step - 1)}
                last = self.step == config.steps
                if last or self.step % config.validate_every == 0:
                    scalars["loss/validation"] = self._validate()
                if log is not None:
                    for name, value in scalars.items():
                        log.add_scalar(name, value, self.step)
                if trackers is not None and ("loss/validation" in scalars or self.step % _TRACK_EVERY == 0):
                    trackers.log(scalars, self.step)
                if last or self.step % config.checkpoint_every == 0:
                    self._save()
        seconds, steps = time.monotonic() - started, self.step - first
        return {
            "steps": config.steps,
            "images_per_second": round(steps * config.batch_size / seconds, 2) if steps else None,
            "seconds_of_last_start": round(seconds, 1),
            "peak_memory_gib": peak_memory_gib(self.accelerator.device),
        }

    def seconds_per_step(self) -> float:
        """Median seconds of this trainer's steps but the first, which nothing is kept of: a trainer of its own."""
        seconds, started = [], time.perf_counter()
        for batch in self._batches():
            self._step(batch)
            self.step += 1
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
        return statistics.median(seconds[1:])

    def _batches(self) -> Iterable[Batch]:
        """This process's share of the batches of the remaining steps."""
        config, rank, world = self.config, self.accelerator.process_index, self.accelerator.num_processes
        rows, repeats = self.data.train_rows, self.data.repeats_of_rows
        schedule = Schedule(len(rows), self.levels, config.batch_size, config.views, config.seed, repeats)
        draws = (schedule.batch(step)[rank::world] for step in range(self.step, config.steps))
        return make_loader(self._samples(rows), draws, config.loader_workers)

    def _samples(self, rows: Sequence[int]) -> Samples:
        return Samples(self.data.source, rows, others=self.wrong_masks is not None)

    @contextmanager
    def _log(self) -> Iterator[SummaryWriter | None]:
        """TensorBoard's log of the main process; what an interrupted start wrote beyond its checkpoint is dropped."""
        if not self.accelerator.is_main_process:
            yield None
            return
        log = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step)
        yield log
        log.close()

    def _rate(self, step: int) -> float:
        return learning_rate(self.config, step)

    def _step(self, batch: Batch) -> tuple[float, float]:
        """One optimizer step; returns loss and gradient norm."""
        config, accelerator = self.config, self.accelerator
        self.model.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(self.step)
        # Dropout is the only user of the global generator.
        torch.manual_seed(stable_seed(config.seed, "step", self.step, accelerator.process_index))
        value = self.gradient.backward(batch)
        norm = accelerator.clip_grad_norm_(self.parameters.values(), config.gradient_clip)
        self.prepared_optimizer.step()
        self.prepared_optimizer.zero_grad(set_to_none=True)
        # The average follows closely at first, so that short runs are not dominated by the initial weights.
        decay = min(config.ema_decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.values()), [p.detach() for p in self.parameters.values()], 1 - decay)
        if not math.isfinite(value):
            raise FloatingPointError(
                f"The loss became {value} at step {self.step}; lower --learning-rate, or use --precision fp32"
            )
        return value, float(norm)

    def _loss(self, batch: Batch) -> Tensor:
        """The model's loss of a batch, through the wrapper that shares gradients between processes."""
        device = self.accelerator.device
        # Under autocast every first convolution would round them to bfloat16 by itself.
        dtype = torch.bfloat16 if self.bfloat16 else torch.float32
        maps = batch.image_features(self.model)
        features = [f.to(dtype, memory_format=torch.channels_last) for f in maps]
        ladder = self.model.config.ladder
        levels = ladder.at([draw.level for draw in batch.draws]).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            observed = None
            if self.wrong_masks is not None:
                observed = self.wrong_masks.draw(features, batch, ladder).to(device)
            noise = batch.noise(self.model.config.num_classes, ladder, device)
            return self.wrapped(features, batch.masks.to(device), levels, noise, observed)

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
            for batch in make_loader(self._samples(self.validation_rows), batches, 0):
                count = len(batch.draws)
                total += torch.tensor([self.gradient.value(batch) * count, count], dtype=torch.float64)
            total = self.accelerator.reduce(total.to(self.accelerator.device, torch.float32), "sum")
            loss = float(total[0] / total[1].clamp_min(1))
            if loss < self.best_loss:
                self.best_loss = loss
                if self.accelerator.is_main_process:
                    meta = {"step": self.step, "loss": loss}
                    save_tensors(self.folder / "best.safetensors", self.network.state_dict(), meta)
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
        """Everything that the next step depends on; the state before it is kept, should this one be damaged."""
        if self.accelerator.is_main_process:
            tensors = training_state(self.network, self.ema, self.optimizer)
            last, before = (self.folder / name for name in _CHECKPOINTS)
            if last.is_file():
                last.replace(before)
            save_tensors(last, tensors, {"step": self.step, "best_loss": self.best_loss})
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        """Continue from the last checkpoint that is whole, if there is one."""
        for path in (self.folder / name for name in _CHECKPOINTS):
            if not path.is_file():
                continue
            try:
                tensors, meta = load_tensors(path)
            except BadInput as error:
                warnings.warn(f"not used: {error}", stacklevel=2)
                continue
            self.step, self.best_loss = meta["step"], meta["best_loss"]
            restore_training_state(tensors, self.step, self.network, self.ema, self.optimizer)
            if self.console and self.step < self.config.steps:
                self.console.print(f"Continuing from step {self.step} of {self.config.steps}.")
            return

    def best_network(self) -> tuple[float, dict[str, Tensor]]:
        """Validation loss and state of the best moving average."""
        self.accelerator.wait_for_everyone()
        tensors, meta = load_tensors(self.folder / "best.safetensors")
        return meta["loss"], tensors
