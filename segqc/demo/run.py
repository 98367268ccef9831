"""`segqc demo`: render, segment, train, audit, and say how well the audit found the failures.

Every stage leaves a note of its settings; the same command skips what is finished, and other settings redo it and what
follows.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.base.files import read_json, write_json
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair
from segqc.data.voc import voc_pairs
from segqc.demo.config import DemoConfig
from segqc.demo.scenes import DEMO_LABELS, render_dataset
from segqc.demo.segmenter import build_segmenter, predict_masks, train_segmenter
from segqc.training.config import TrainConfig
from segqc.training.run import train


def demo(config: DemoConfig, console: Console | None = None) -> dict[str, Any]:
    """Run what of the demo is not done yet.

    Parameters
    ----------
    config : DemoConfig
    console : Console or None
        Where progress and the table of results go; None is silent.

    Returns
    -------
    dict
        The figures, also in `demo.json`: "mean_dice", "failures" (Dice below 0.5), "top", for each ranking "spearman",
        "precision_at_top" and "mean_dice_of_top" under "rankings", seconds per stage and where the gallery is.

    Raises
    ------
    ValueError
        Sizes that cannot work.
    """
    from evaluation.ranking.comparison import DiceComparison

    if config.top < 1 or config.audit_scenes < config.top:
        raise ValueError(
            f"Expected 1 <= top <= audit_scenes, but got top {config.top} and {config.audit_scenes} scenes"
        )
    out, folders, settings = config.out, _Folders(config.out), _stage_settings(config)
    with _Stage(out, "scenes", settings["scenes"], [folders.voc_root], console) as stage:
        if stage.needed:
            root = folders.voc_root / "VOC2012"
            render_dataset(root, config.train_scenes, config.audit_scenes, config.seed, config.scene_size)
    with _Stage(out, "segmenter", settings["segmenter"], [folders.predictions], console) as stage:
        if stage.needed:
            _segment(config, folders, console)
    with _Stage(out, "qc model", settings["qc model"], [folders.model], console) as stage:
        if stage.needed:
            train(_qc_config(config, folders), console)
    with _Stage(out, "audit", settings["audit"], [folders.audit], console):
        # The audit knows by itself what is scored already.
        report = audit(_audit_config(config, folders), DiceComparison(config.top), console)

    result = {
        **_judge([row for row in report.rows if row["status"] == "ok"], config.top),
        "gallery": str(folders.audit / "gallery.html"),
        "contact_sheet": str(folders.audit / "contact_sheet.png"),
        "seconds": {name: read_json(_note(out, name))["seconds"] for name in settings},
        "config": {key: value for key, value in asdict(config).items() if key != "out"},
    }
    write_json(out / "demo.json", result)
    if console:
        _show(result, console)
    return result


@dataclass(frozen=True)
class _Folders:
    """Where the stages leave what they make."""

    out: Path

    @property
    def voc_root(self) -> Path:
        return self.out / "VOCdevkit"

    @property
    def predictions(self) -> Path:
        return self.out / "predictions"

    @property
    def model(self) -> Path:
        return self.out / "model"

    @property
    def audit(self) -> Path:
        return self.out / "audit"


def _stage_settings(config: DemoConfig) -> dict[str, dict[str, Any]]:
    """By stage, in their order, the settings that its result depends on."""
    settings = asdict(config)
    scenes = {key: settings[key] for key in ("seed", "train_scenes", "audit_scenes", "scene_size")}
    segmenter = scenes | {"segmenter_steps": config.segmenter_steps}
    model = scenes | {key: settings[key] for key in ("qc_steps", "qc_image_size", "qc_grid_size")}
    return {"scenes": scenes, "segmenter": segmenter, "qc model": model, "audit": segmenter | model}


class _Stage:
    """A part of the demo with a note of its settings: `needed` unless the note says it was finished with the same
    ones.
    """

    def __init__(
        self, out: Path, name: str, settings: dict[str, Any], folders: list[Path], console: Console | None
    ) -> None:
        self.path, self.settings, self.name, self.console = _note(out, name), settings, name, console
        before = read_json(self.path) if self.path.is_file() else {}
        same = before.get("settings") == {
            key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
        }
        self.needed = not (same and before["finished"] and all(folder.is_dir() for folder in folders))
        self.spent = before.get("seconds", 0.0) if same else 0.0
        if not same:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> _Stage:
        self.started = time.monotonic()
        if self.console:
            self.console.rule(Text.assemble((self.name, "bold"), "" if self.needed else ": done before"), align="left")
        if self.needed:
            write_json(self.path, {"settings": self.settings, "finished": False, "seconds": self.spent})
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.needed:
            seconds = round(self.spent + time.monotonic() - self.started, 1)
            write_json(self.path, {"settings": self.settings, "finished": kind is None, "seconds": seconds})


def _note(out: Path, name: str) -> Path:
    return out / "stages" / f"{name.replace(' ', '_')}.json"


def _segment(config: DemoConfig, folders: _Folders, console: Console | None) -> None:
    """Train the segmenter on the training scenes and let it predict the others."""
    train_set, audit_set = _pairs(folders.voc_root, "train"), _pairs(folders.voc_root, "val")
    network = build_segmenter(DEMO_LABELS.num_classes, config.seed)
    masks = [pair.mask for pair in train_set if pair.mask is not None]
    loss = train_segmenter(
        network,
        [pair.image for pair in train_set],
        masks,
        steps=config.segmenter_steps,
        seed=config.seed,
        console=console,
    )
    predict_masks(network, [pair.image for pair in audit_set], folders.predictions, console)
    if console:
        console.print(f"The segmenter's loss fell to {loss:.3f}; it predicted {len(audit_set)} scenes it had not seen.")


def _qc_config(config: DemoConfig, folders: _Folders) -> TrainConfig:
    """The `cpu` preset at the demo's size: ground-truth pairs of the training scenes only."""
    return TrainConfig(
        out=folders.model,
        voc_root=folders.voc_root,
        image_set="train",
        classes=",".join(DEMO_LABELS.names),
        preset="cpu",
        steps=config.qc_steps,
        image_size=config.qc_image_size,
        grid_size=config.qc_grid_size,
        warmup_steps=min(50, config.qc_steps),
        # An average over 1,000 steps would lag behind a training this short.
        ema_decay=0.98,
        validation_items=64,
        validate_every=max(1, config.qc_steps // 2),
        checkpoint_every=max(1, config.qc_steps // 2),
        density_items=120,
        seed=config.seed,
    )


def _audit_config(config: DemoConfig, folders: _Folders) -> AuditConfig:
    """An audit of the scenes that neither network has seen."""
    return AuditConfig(
        folders.predictions,
        folders.audit,
        model=folders.model,
        voc_root=folders.voc_root,
        image_set="val",
        top=config.top,
    )


def _pairs(voc_root: Path, image_set: str) -> list[Pair]:
    pairs, problems = voc_pairs(voc_root, image_set)
    if problems:
        first = f"{problems[0].path}: {problems[0].reason}"
        raise ValueError(f"The rendered scenes are damaged: {first}; delete {voc_root} and run the demo again")
    return pairs


def _judge(rows: list[dict[str, Any]], top: int) -> dict[str, Any]:
    """Hold the QC score and two naive rankings against the Dice of every audited pair."""
    from evaluation.ranking.correlation import spearman
    from evaluation.ranking.selective import bad_below, mean_of_top, precision_at

    area, classes = [], []
    for row in rows:
        predicted = read_mask(row["prediction"], DEMO_LABELS)
        foreground = predicted[predicted != DEMO_LABELS.background]
        area.append(foreground.size)
        classes.append(len(np.unique(foreground)))
    quality = np.array([row["dice"] for row in rows])
    bad = bad_below(quality)
    scores = np.array([row["score"] for row in rows])
    rankings = {"segqc": scores, "small foreground": -np.array(area), "many classes": np.array(classes)}
    return {
        "audited": len(rows),
        "mean_dice": float(quality.mean()),
        "failures": int(bad.sum()),
        "top": top,
        "mean_dice_of_worst": mean_of_top(-quality, quality, top),
        "rankings": {
            name: {
                "spearman": spearman(values, quality),
                "precision_at_top": precision_at(values, bad, top),
                "mean_dice_of_top": mean_of_top(values, quality, top),
            }
            for name, values in rankings.items()
        },
    }


def _show(result: dict[str, Any], console: Console) -> None:
    """The figures as a table, then where to look."""
    top, total = result["top"], result["audited"]
    failures = f"{result['failures']} of them with Dice below 0.5"
    table = Table(title=f"{total} predictions, {failures}; mean Dice {result['mean_dice']:.2f}")
    table.add_column("ranked by")
    for heading in ("Spearman with Dice", f"failures in the worst {top}", f"mean Dice of the worst {top}"):
        table.add_column(heading, justify="right")
    for name, values in result["rankings"].items():
        row = (f"{values['spearman']:.2f}", f"{values['precision_at_top']:.0%}", f"{values['mean_dice_of_top']:.2f}")
        table.add_row(name, *row, style="bold" if name == "segqc" else "")
    table.add_section()
    table.add_row(
        "the true Dice",
        "-1.00",
        f"{min(1.0, result['failures'] / top):.0%}",
        f"{result['mean_dice_of_worst']:.2f}",
        style="dim",
    )
    console.print(table)
    spent = f"{sum(result['seconds'].values()):.0f} s in all on {os.cpu_count()} cores"
    console.print(f"{spent}. The worst first: {result['gallery']}", soft_wrap=True)
