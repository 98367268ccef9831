"""`segqc train --minutes`: preset, steps and views that fit into the time there is, on this machine."""

import dataclasses
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from rich.console import Console

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.training.config import PRESETS, TrainConfig
from segqc.training.pairs import TrainingSource
from segqc.training.resolved import ResolvedTrainConfig, resolve
from segqc.training.speed import Speed, all_steps, measure_speed

_KEPT = 0.9  # share of the time that is planned with: what looks at the files, and what gets slower, is in the rest
_FEATURES_SHARE = 1 / 3  # of the time, for the image features of all views
_ENOUGH = 1 / 3  # of the preset's steps; with fewer, the preset `fast` is planned in place of `cpu`
_FEWEST = 50  # steps, below which nothing is learnt
_PLANNED = ("preset", "steps", "guess_steps", "views", "warmup_steps", "image_size", "grid_size", "encoder")


def planned(
    given: TrainConfig, source: TrainingSource, accelerator: Accelerator, console: Console | None
) -> ResolvedTrainConfig:
    """The configuration with steps, views and preset for `given.minutes`; without minutes, as the preset says.

    The plan is kept in `training/plan.json`, and a run that is continued keeps it, however fast the machine is by then.
    What the configuration names itself (steps, views, sizes) is left as it is.

    Raises
    ------
    BadInput
        The time is too short for any training worth its name.
    """
    if given.minutes is None:
        return resolve(given)
    path = given.out / "training" / "plan.json"
    with accelerator.main_process_first():
        if not path.is_file():
            config, speed = fitted(given, source, accelerator)
            write_json(path, {name: getattr(config, name) for name in _PLANNED} | {"minutes": given.minutes})
            if console is not None:
                for line in said(config, speed, len(source.pairs)):
                    console.print(line, soft_wrap=True, highlight=False)
    kept = _read(path)
    if kept.pop("minutes") != given.minutes:
        raise BadInput(given.out, "holds a run that was planned for another time", "choose another --out")
    return resolve(dataclasses.replace(given, **kept))


def _read(path: Path) -> dict[str, Any]:
    plan = read_json(path)
    return {name: plan[name] for name in (*_PLANNED, "minutes")}


def fitted(given: TrainConfig, source: TrainingSource, accelerator: Accelerator) -> tuple[ResolvedTrainConfig, Speed]:
    """The plan for `given.minutes`, and what it was measured by; nothing is kept.

    Raises
    ------
    BadInput
        As `planned`.
    """
    config, speed = _for_preset(given, source, accelerator)
    if given.preset == "cpu" and given.steps is None and config.steps < _ENOUGH * PRESETS["cpu"].steps:
        config, speed = _for_preset(dataclasses.replace(given, preset="fast"), source, accelerator)
    if config.steps < _FEWEST:
        assert given.minutes is not None
        least = speed.seconds(dataclasses.replace(config, steps=_FEWEST, guess_steps=_FEWEST // 5), len(source.pairs))
        raise BadInput(
            "--minutes",
            f"{given.minutes:g} minutes are enough for {max(0, config.steps)} steps here",
            f"give at least {least / 60 / _KEPT:.1f}",
        )
    return config, speed


def _for_preset(
    given: TrainConfig, source: TrainingSource, accelerator: Accelerator
) -> tuple[ResolvedTrainConfig, Speed]:
    """Views and steps of one preset."""
    config = resolve(given)
    pairs = len(source.pairs)
    speed = measure_speed(config, source, accelerator)
    assert given.minutes is not None
    budget = _KEPT * 60 * given.minutes
    if given.views is None and config.views:
        affordable = budget * _FEATURES_SHARE / (speed.view_seconds * pairs)
        config = dataclasses.replace(config, views=max(1, min(config.views, int(affordable))))
    if given.steps is None:
        share = all_steps(dataclasses.replace(config, steps=1000, guess_steps=200)) / 1000
        left = budget - speed.fixed_seconds(config, pairs)
        steps = min(config.steps, int(left / (share * speed.seconds_per_step(config, pairs))))
        config = dataclasses.replace(
            config,
            steps=max(1, steps),
            guess_steps=given.guess_steps or max(1, steps // 5),
            warmup_steps=config.warmup_steps
            if given.warmup_steps is not None
            else min(config.warmup_steps, steps // 10),
        )
    return config, speed


def said(config: ResolvedTrainConfig, speed: Speed, pairs: int) -> list[str]:
    """Lines on what a training will take."""
    minutes, disk = speed.seconds(config, pairs) / 60, speed.disk_bytes(config, pairs) / 2**30
    memory = "" if speed.memory_gib is None else f", {speed.memory_gib:.2f} GiB of memory"
    if memory and config.views:
        cached = speed.view_bytes * speed.views(config, pairs) / 2**30
        memory += f" beside {cached:.2f} GiB of cached features, of which it keeps what there is room for"
    views = f"{config.views} views a picture" if config.views else "a new view at every step"
    return [
        f"preset {config.preset}: {config.steps:,} steps of {config.batch_size} pairs, {views}",
        f"about {minutes:.1f} minutes{memory}, {disk:.2f} GiB on disk: measured here on {pairs:,} pairs' first batch "
        f"({speed.view_seconds:.3f} s a view, {speed.step_seconds:.2f} s a step)",
    ]
