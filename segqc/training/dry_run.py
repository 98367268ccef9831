"""`segqc train --dry-run`: what a configuration costs; measured on a batch of its data, or counted without data."""

import dataclasses
import json
import tempfile
from pathlib import Path

from rich.console import Console

import ncsnpp
from ncsnpp.complexity import Complexity
from segqc.base.devices import make_accelerator
from segqc.base.settings import to_json
from segqc.data.labels import LabelSpace
from segqc.model.config import ModelConfig
from segqc.training.config import TrainConfig
from segqc.training.design import model_config
from segqc.training.detail import fitted_to_objects
from segqc.training.first_look import look_first
from segqc.training.pairs import TrainingSource, training_labels, training_source
from segqc.training.plan import fitted, said
from segqc.training.resolved import ResolvedTrainConfig, resolve
from segqc.training.speed import measure_speed

_COPIES_IN_TRAINING = 5  # weights, gradients, AdamW's two moments, moving average


def print_dry_run(given: TrainConfig, console: Console) -> Complexity:
    """Print what a training costs, and its resolved configuration as JSON.

    Where the configuration names data, they are looked at and a batch of them is trained on for a few steps, in a
    temporary folder: time, memory and disk are measured. Without data they are counted, before any data, weights or
    output folder exist.

    Returns
    -------
    Complexity
        What was counted.
    """
    if given.images is None and given.data is None and given.voc_root is None:
        config, labels = resolve(given), training_labels(given)
        cost = _print_counted(config, labels, console, with_memory=True)
        console.print("Dry run: nothing was read, downloaded or written. Leave out --dry-run to train.")
        return cost
    with tempfile.TemporaryDirectory() as folder:
        there = dataclasses.replace(given, out=Path(folder), download=False)
        source = look_first(there, training_source(there, console=console), console)
        config, lines = _measured(fitted_to_objects(there, source, console), source)
    cost = _print_counted(dataclasses.replace(config, out=given.out), source.labels, console, with_memory=False)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    console.print("Dry run: nothing was trained or written. Leave out --dry-run to train.")
    return cost


def _measured(given: TrainConfig, source: TrainingSource) -> tuple[ResolvedTrainConfig, list[str]]:
    """The configuration, planned if minutes are given, and lines on what it takes."""
    accelerator, config = make_accelerator(given.device), resolve(given)
    if given.minutes is not None:
        config, speed = fitted(given, source, accelerator)
    else:
        speed = measure_speed(config, source, accelerator)
    return config, said(config, speed, len(source.pairs))


def _print_counted(config: ResolvedTrainConfig, labels: LabelSpace, console: Console, with_memory: bool) -> Complexity:
    """Print the configuration, parameters and work; `with_memory`: what the tensors of training take, too."""
    model = model_config(config, labels)
    cost = ncsnpp.complexity.count(
        model.network, config.encoder, config.image_size if config.encoder else None, config.grid_size
    )
    console.print_json(json.dumps(to_json(config)))
    passes = scoring_passes(model)
    encoder = cost.encoder.parameters if cost.encoder else 0
    lines = [("network", f"{cost.parameters / 1e6:.1f} M parameters")]
    if cost.encoder:
        lines.append(("frozen encoder", f"{encoder / 1e6:.1f} M parameters ({config.encoder})"))
    for name, count in (("one forward", 1), ("one audited image", passes)):
        macs = cost.macs_per_image(count) / 1e9
        plural = "denoising pass" if count == 1 else "denoising passes"
        lines.append((name, f"{macs:.2f} G multiply-accumulates ({2 * macs:.2f} GFLOPs): {count} {plural}"))
    if with_memory:
        context = cost.context.activation_bytes if cost.context else 0
        tensors = 4 * (_COPIES_IN_TRAINING * cost.parameters + encoder) + config.batch_size * (
            cost.denoiser.activation_bytes + context
        )
        held = f"about {tensors / 2**30:.1f} GiB of tensors in float32 at batch size {config.batch_size}"
        lines.append(("training memory", f"{held}; with data, --dry-run measures what the process takes"))
    lines.append(("training work", f"{config.steps:,} steps of {config.batch_size} pairs"))
    for name, text in lines:
        console.print(f"{name:<19}{text}", soft_wrap=True, highlight=False)
    return cost


def scoring_passes(model: ModelConfig) -> int:
    """Denoising passes per audited image."""
    return len(model.score_levels) * max(1, model.draws)
