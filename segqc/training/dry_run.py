"""`segqc train --dry-run`: what a configuration costs, before any data, weights or output folder exist."""

import json

from rich.console import Console

import ncsnpp
from ncsnpp.complexity import Complexity
from segqc.base.settings import to_json
from segqc.model.config import ModelConfig
from segqc.training.config import TrainConfig
from segqc.training.design import model_config
from segqc.training.pairs import training_labels
from segqc.training.resolved import resolve

_COPIES_IN_TRAINING = 5  # weights, gradients, AdamW's two moments, moving average


def print_dry_run(given: TrainConfig, console: Console) -> Complexity:
    """Print the resolved configuration as JSON, then parameters, multiply-accumulates and memory.

    Returns
    -------
    Complexity
        What was counted.
    """
    config = resolve(given)
    labels = training_labels(config)
    model = model_config(config, labels)
    cost = ncsnpp.complexity.count(
        model.network, config.encoder, config.image_size if config.encoder else None, config.grid_size
    )
    console.print_json(json.dumps(to_json(config)))
    passes = scoring_passes(model)
    encoder = cost.encoder.parameters if cost.encoder else 0
    context = cost.context.activation_bytes if cost.context else 0
    training = 4 * (_COPIES_IN_TRAINING * cost.parameters + encoder) + config.batch_size * (
        cost.denoiser.activation_bytes + context
    )
    lines = [("network", f"{cost.parameters / 1e6:.1f} M parameters")]
    if cost.encoder:
        lines.append(("frozen encoder", f"{encoder / 1e6:.1f} M parameters ({config.encoder})"))
    for name, count in (("one forward", 1), ("one audited image", passes)):
        macs = cost.macs_per_image(count) / 1e9
        plural = "denoising pass" if count == 1 else "denoising passes"
        lines.append((name, f"{macs:.2f} G multiply-accumulates ({2 * macs:.2f} GFLOPs): {count} {plural}"))
    lines.append(("training memory", f"about {training / 2**30:.1f} GiB in float32 at batch size {config.batch_size}"))
    lines.append(("training work", f"{config.steps:,} steps of {config.batch_size} pairs"))
    for name, text in lines:
        console.print(f"{name:<19}{text}", soft_wrap=True, highlight=False)
    console.print("Dry run: nothing was read, downloaded or written. Leave out --dry-run to train.")
    return cost


def scoring_passes(model: ModelConfig) -> int:
    """Denoising passes per audited image."""
    return len(model.score_levels) * max(1, model.draws)
