"""`segqc train`: pairs of pictures and masks in, a model folder out.

The run folder holds `training/` (checkpoints, feature cache, journals, TensorBoard log) while it grows; `model.safetensors` and `config.json` appear
when it is done. Every state is written whole, and what a step sees depends on (seed, step, sample) alone, so the same command continues a killed run
and ends, on a CPU, with the same bits.
"""

import dataclasses
import math
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from rich.console import Console
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

import ncsnpp
from ncsnpp import NCSNppConfig
from segqc import __version__
from segqc.artifact import CONFIG, best_device, save_model
from segqc.checkpoint import load_tensors, restore_training_state, save_tensors, training_state
from segqc.config import ModelConfig, TrainConfig, make_ladder, resolve, to_json
from segqc.console import make_progress
from segqc.dataset import AugmentConfig, PairDataset
from segqc.feature_cache import FeatureCache
from segqc.files import BadInput, read_json, write_json
from segqc.inliers import fit_density
from segqc.journal import Journal
from segqc.labels import LabelSpace
from segqc.pairs import Pair, split_validation
from segqc.quality_model import QualityModel, stable_seed
from segqc.training_data import (
    Batch,
    Samples,
    Schedule,
    cache_keys,
    check_pairs,
    dataset_fingerprint,
    make_loader,
    training_labels,
    training_pairs,
    validation_draws,
)

_NOT_PART_OF_A_RUN = ("out", "device", "workers", "compile", "download")  # settings that may change between two starts of one run


def build_model_config(config: TrainConfig, labels: LabelSpace, context_channels: tuple[int, ...] = (), reductions: tuple[int, ...] = ()) -> ModelConfig:
    """The model that a resolved `TrainConfig` describes."""
    return ModelConfig(
        method=config.method,
        labels=labels.to_dict(),
        image_size=config.image_size,
        grid_size=config.grid_size,
        encoder=config.encoder,
        network=network_config(config, labels.num_classes, context_channels, reductions),
        ladder=make_ladder(config.method, labels.num_classes),
        draws=0 if config.method == "paper" else 1,
        noise_seed=0,
    )


def network_config(config: TrainConfig, num_classes: int, context_channels: tuple[int, ...], reductions: tuple[int, ...]) -> NCSNppConfig:
    """The preset's network, at the sizes asked for."""
    if config.encoder is None:
        return dataclasses.replace(ncsnpp.voc256(num_classes), grid_size=config.grid_size)
    build = ncsnpp.cpu if config.preset == "cpu" else ncsnpp.voc128
    return build(num_classes, context_channels, reductions, config.image_size, config.grid_size)


def new_model(config: TrainConfig, labels: LabelSpace, pretrained: bool = True) -> QualityModel:
    """A model with fresh network weights, the same for every run with this seed."""
    channels: tuple[int, ...] = ()
    reductions: tuple[int, ...] = ()
    if config.encoder is not None:
        with torch.device("meta"):
            probe = ncsnpp.ImageEncoder(config.encoder, pretrained=False)
        channels, reductions = probe.channels, probe.reductions
    torch.manual_seed(stable_seed(config.seed, "init"))
    return QualityModel(build_model_config(config, labels, channels, reductions), pretrained=pretrained)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine from `learning_rate` to `final_learning_rate`."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final_learning_rate + 0.5 * (config.learning_rate - config.final_learning_rate) * (1 + math.cos(math.pi * share))


def train(config: TrainConfig, console: Console | None = None) -> Path:
    """Train a model, or continue where the same run was stopped.

    Parameters
    ----------
    config : TrainConfig
    console : Console, optional
        Where progress goes; None is silent.

    Returns
    -------
    Path
        The model folder, `config.out`.

    Raises
    ------
    BadInput
        Nothing to train on, or the folder holds a run with other settings.
    """
    config = resolve(config)
    labels = training_labels(config)
    device = config.device or best_device()
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=_precision(config, device))
    if config.batch_size % accelerator.num_processes:
        raise BadInput("--batch-size", f"{config.batch_size} cannot be shared by {accelerator.num_processes} processes", "give a multiple")
    console = console if accelerator.is_main_process else None
    folder = config.out / "training"
    if accelerator.is_main_process:
        _claim(folder, config)
    accelerator.wait_for_everyone()
    if (config.out / CONFIG).is_file():
        if console:
            console.print(f"{config.out} already holds the finished model of this run.")
        return config.out

    train_pairs, validation_pairs = _usable_pairs(config, labels, accelerator, console)
    dataset = PairDataset(train_pairs + validation_pairs, labels, config.image_size, config.grid_size, AugmentConfig(), config.seed)
    model = new_model(config, labels).to(accelerator.device)
    source: FeatureCache | PairDataset = dataset
    if config.views:
        source = _filled_cache(config, model, dataset, len(train_pairs), len(validation_pairs), accelerator, console)

    trainer = Trainer(config, model, source, len(train_pairs), len(validation_pairs), accelerator, console)
    report = trainer.run()
    validation_loss, best = trainer.best_network()
    model.network.load_state_dict(best)
    model.eval()
    fit_density(model, config, train_pairs, validation_pairs, accelerator, console)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        report |= {"validation_loss": validation_loss, "train_pairs": len(train_pairs), "validation_pairs": len(validation_pairs)}
        report |= {"segqc": __version__, "torch": torch.__version__, "config": to_json(config)}
        model.config = dataclasses.replace(model.config, training=report)
        save_model(config.out, model)
        shutil.rmtree(folder / "cache", ignore_errors=True)
    accelerator.wait_for_everyone()
    return config.out


class Trainer:
    """The optimisation loop: state, one step, validation, checkpoints.

    Parameters
    ----------
    config : TrainConfig
        Resolved.
    model : QualityModel
        On the accelerator's device.
    source : FeatureCache or PairDataset
        Training pairs first, then validation pairs.
    train_items, validation_items : int
    accelerator : Accelerator
    console : Console or None
    """

    def __init__(
        self, config: TrainConfig, model: QualityModel, source: FeatureCache | PairDataset, train_items: int, validation_items: int,
        accelerator: Accelerator, console: Console | None,
    ) -> None:  # fmt: skip
        self.config, self.model, self.source = config, model, source
        self.train_items, self.validation_items = train_items, min(validation_items, config.validation_items)
        self.validation_offset = train_items
        self.accelerator, self.console = accelerator, console
        self.folder = config.out / "training"
        self.levels = len(model.config.ladder)
        self.network = model.network.to(memory_format=torch.channels_last)
        self.parameters = dict(self.network.named_parameters())
        self.ema = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.step, self.best_loss = 0, math.inf
        self._resume()
        if config.compile:
            model.network.compile()
        self.wrapped, self.prepared_optimizer = accelerator.prepare(model, self.optimizer)

    def run(self) -> dict[str, float]:
        """Take the remaining steps; returns speed and memory of this start."""
        config, accelerator = self.config, self.accelerator
        schedule = Schedule(self.train_items, self.levels, config.batch_size, config.views, config.seed)
        rank, world = accelerator.process_index, accelerator.num_processes
        batches = (schedule.batch(step)[rank::world] for step in range(self.step, config.steps))
        workers = config.workers if config.workers is not None else (0 if isinstance(self.source, FeatureCache) else 4)
        loader = make_loader(Samples(self.source), batches, workers)
        log = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step) if accelerator.is_main_process else None
        first, started = self.step, time.monotonic()
        with make_progress(self.console, "note") as progress:
            task = progress.add_task("training", total=config.steps, completed=self.step, note="")
            for batch in loader:
                loss, norm = self._step(batch)
                self.step += 1
                speed = (self.step - first) * config.batch_size / (time.monotonic() - started)
                progress.update(task, completed=self.step, note=f"loss {loss:.4f}  {speed:.0f} images/s  best validation {self.best_loss:.4f}")
                if log is not None:
                    for name, value in {"loss/train": loss, "gradient_norm": norm, "learning_rate": learning_rate(config, self.step - 1)}.items():
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
            "images_per_second": round((self.step - first) * config.batch_size / seconds, 2) if self.step > first else None,
            "seconds_of_last_start": round(seconds, 1),
            "peak_memory_gib": round(_peak_memory_gib(self.accelerator.device), 2),
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
            raise FloatingPointError(f"The loss became {value} at step {self.step}; lower --learning-rate, or use --precision fp32")
        return value, float(norm)

    def _loss(self, batch: Batch) -> Tensor:
        """The model's loss of a batch, through the wrapper that shares gradients between processes."""
        device = self.accelerator.device
        features = self.model.image_features(batch.images.to(device)) if batch.images is not None else [f.to(device) for f in batch.features]
        features = [f.contiguous(memory_format=torch.channels_last) for f in features]
        levels = self.model.config.ladder.at([draw.level for draw in batch.draws]).to(device)
        return self.wrapped(features, batch.masks.to(device), levels, batch.noise(self.model.config.num_classes, device))

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss of the moving average on the validation pairs, levels and noise fixed; keeps the best."""
        draws = validation_draws(self.validation_items, self.levels, self.config.seed)
        own = draws[self.accelerator.process_index :: self.accelerator.num_processes]
        size = max(1, self.config.batch_size // self.accelerator.num_processes)
        batches = [own[i : i + size] for i in range(0, len(own), size)]
        self.model.network.eval()
        total = torch.zeros(2, dtype=torch.float64)
        with self._averaged():
            for batch in make_loader(Samples(self.source, self.validation_offset), batches, 0):
                total += torch.tensor([float(self._loss(batch)) * len(batch.draws), len(batch.draws)], dtype=torch.float64)
            total = self.accelerator.reduce(total.to(self.accelerator.device, torch.float32), "sum")
            loss = float(total[0] / total[1].clamp_min(1))
            if loss < self.best_loss:
                self.best_loss = loss
                if self.accelerator.is_main_process:
                    save_tensors(self.folder / "best.safetensors", self.network.state_dict(), {"step": self.step, "loss": loss})
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


def _claim(folder: Path, config: TrainConfig) -> None:
    """Write the run's settings, or check that they are those of the run that is there."""
    settings = {name: value for name, value in to_json(config).items() if name not in _NOT_PART_OF_A_RUN}
    path = folder / "run.json"
    if not path.is_file():
        write_json(path, settings)
        return
    there = read_json(path)
    changed = sorted(name for name in settings.keys() | there.keys() if settings.get(name) != there.get(name))
    if changed:
        differences = ", ".join(f"{name} was {there.get(name)!r}, now {settings.get(name)!r}" for name in changed)
        raise BadInput(config.out, f"holds a run with other settings: {differences}", "choose another --out, or delete the folder")


def _usable_pairs(config: TrainConfig, labels: LabelSpace, accelerator: Accelerator, console: Console | None) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs that can be read; the others are listed in `training/problems.json` and counted on screen."""
    with accelerator.main_process_first():
        pairs, problems = training_pairs(config)
        header = {"data": dataset_fingerprint(pairs)}
        with make_progress(console) as progress, Journal(config.out / "training" / "checked.jsonl", header) as journal:
            unseen = sum(pair.id not in journal for pair in pairs)
            task = progress.add_task("checking files", total=unseen, visible=unseen > 0)
            usable, unreadable = check_pairs(pairs, labels, journal, lambda n: progress.advance(task, n))
    problems = problems + unreadable
    if accelerator.is_main_process:
        write_json(config.out / "training" / "problems.json", [dataclasses.asdict(problem) for problem in problems])
    if console and problems:
        console.print(f"[yellow]{len(problems)} pairs cannot be used[/yellow], listed with reasons in {config.out / 'training' / 'problems.json'}")
    train_ids, validation_ids = split_validation([pair.id for pair in usable], config.validation_fraction)
    train_set, validation_set = set(train_ids), set(validation_ids)
    parts = [pair for pair in usable if pair.id in train_set], [pair for pair in usable if pair.id in validation_set]
    if not all(parts):
        raise BadInput(config.voc_root or config.images, f"has {len(usable)} usable pairs: too few to train and validate on", "see training/problems.json")
    if console:
        console.print(f"{len(parts[0])} pairs to train on, {len(parts[1])} to validate, {len(problems)} unusable.")
    return parts


def _filled_cache(
    config: TrainConfig, model: QualityModel, dataset: PairDataset, train_items: int, validation_items: int, accelerator: Accelerator, console: Console | None
) -> FeatureCache:
    """The frozen features of all views, computed where they are missing; processes share the blocks."""
    keys = cache_keys(train_items, config.views, validation_items)
    shapes = [tuple(m.shape[1:]) for m in model.image_features(torch.zeros(1, 3, config.image_size, config.image_size, dtype=torch.uint8, device=model.device))]
    fingerprint = f"{stable_seed(dataset_fingerprint(dataset.pairs), config.encoder, config.image_size, config.seed, dataset.labels.to_dict()):016x}"
    arguments = (config.out / "training" / "cache", keys, shapes, config.grid_size, fingerprint)
    with accelerator.main_process_first():
        cache = FeatureCache(*arguments, create=accelerator.is_main_process)
    missing = cache.missing
    accelerator.wait_for_everyone()  # before anyone marks a block, so that all see the same list
    with make_progress(console) as progress:
        task = progress.add_task("image features", total=len(keys), completed=len(keys) - len(missing) * 16, visible=bool(missing))
        own = missing[accelerator.process_index :: accelerator.num_processes]
        cache.fill(own, model, dataset, lambda rows: progress.advance(task, rows * accelerator.num_processes))
    accelerator.wait_for_everyone()
    return cache


def _precision(config: TrainConfig, device: str) -> str:
    """Accelerate's name for the precision."""
    if config.precision == "auto":
        return "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "no"
    return "bf16" if config.precision == "bf16" else "no"


def _peak_memory_gib(device: torch.device) -> float:
    """Peak memory of this process: the accelerator's if there is one, else resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
