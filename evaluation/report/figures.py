"""The figures of an evaluation, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.ranking.judging import Quality
from evaluation.ranking.selective import risk_coverage
from segqc.base.files import atomic_path

_HIGHLIGHT, _MUTED = "#b3261e", "#8a8f98"
_COLOURS = ("#1f5fa8", "#2e8b57", "#b8860b", "#6a4c93", "#444444")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, bbox_inches="tight")


def correlation_map(rows: Sequence[Mapping[str, Any]], top: int) -> Figure:
    """Pearson's correlation of every method with Dice, MSD and HD95, on all images and on the K it ranks worst (arXiv
    2304.03220, figure 1).
    """
    figure = Figure(figsize=(8.4, 0.8 + 0.27 * len(rows)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, end, title in zip(panels, ("", "_top"), ("all images", f"top {top} (range-restricted)"), strict=True):
        values = np.array([[row[f"pearson_{name}{end}"] for name in ("dice", "msd", "hd95")] for row in rows], float)
        image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            axes.text(
                x,
                y,
                "" if np.isnan(value) else f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if abs(value) > 0.6 else "black",
            )
        axes.set_xticks(range(3), ["Dice", "MSD", "HD95"], fontsize=8)
        axes.set_title(title, fontsize=9)
        axes.tick_params(length=0)
    panels[0].set_yticks(range(len(rows)), [row["method"] for row in rows], fontsize=7.5)
    bar = figure.colorbar(image, ax=panels, shrink=0.6)
    bar.set_label("Pearson with the score", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def risk_coverage_curves(scores: Mapping[str, np.ndarray], quality: Quality, trial: str) -> Figure:
    """Mean 1 - Dice of what is kept when the images with the highest scores are rejected; the best possible order below
    it.
    """
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    others = [name for name in scores if name != trial]
    for name, colour in zip(
        [*others, trial], [*_COLOURS[: len(others)], *[_MUTED] * (len(others) - len(_COLOURS)), _HIGHLIGHT], strict=True
    ):
        kept = ~np.isnan(scores[name])
        curve = risk_coverage(scores[name][kept], 1 - quality.dice[kept])
        axes.plot(curve.coverage, curve.selective_risk, color=colour, lw=2.2 if name == trial else 1.3, label=name)
    best = risk_coverage(1 - quality.dice, 1 - quality.dice)
    axes.plot(best.coverage, best.selective_risk, color="black", lw=1, ls=":", label="best possible")
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.set_xlabel("share of the images kept", fontsize=8)
    axes.set_ylabel("mean 1 - Dice of those kept", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    _plain(axes)
    return figure


def score_against_dice(scores: Mapping[str, np.ndarray], quality: Quality, threshold: float) -> Figure:
    """A panel per method: every image's score and Dice; failures in red."""
    columns = min(3, len(scores))
    lines = -(-len(scores) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.7 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(scores) :]:
        axes.set_visible(False)
    for axes, (name, values) in zip(grid.flat, scores.items(), strict=False):
        axes.scatter(
            values, quality.dice, s=7, alpha=0.6, lw=0, c=np.where(quality.dice < threshold, _HIGHLIGHT, _COLOURS[0])
        )
        axes.axhline(threshold, color=_MUTED, lw=0.7, ls=":")
        axes.set_title(name, fontsize=8.5)
        axes.set_xlabel("score (higher = worse)", fontsize=8)
        _plain(axes)
    for line in grid:
        line[0].set_ylabel("Dice", fontsize=8)
    return figure


def corruption_bars(table: Sequence[Mapping[str, Any]]) -> Figure:
    """AUROC of corrupted against untouched masks, a group of bars per type, a bar per strength."""
    names = list(dict.fromkeys(line["corruption"] for line in table))
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for line in (line for line in table if line["auroc"] is not None):
        place = names.index(line["corruption"]) + 0.25 * (line["strength"] - 2)
        axes.bar(place, line["auroc"], 0.23, color=("#9dbbe0", "#4f86c6", "#1f5fa8")[line["strength"] - 1])
        axes.plot([place, place], [line["auroc_low"], line["auroc_high"]], color="black", lw=0.8)
    axes.axhline(0.5, color=_MUTED, lw=0.8, ls=":")
    axes.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names], fontsize=8)
    axes.set_ylim(0, 1)
    axes.set_ylabel("AUROC", fontsize=8)
    _plain(axes)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
