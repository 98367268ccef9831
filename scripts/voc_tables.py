"""The tables of docs/results-voc.md, as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from judge_heatmaps import HeatJudgement

from evaluation.ranking.correlation import Interval
from evaluation.ranking.seeds import SeedsJudgement
from evaluation.report.evaluation import Evaluation

SEEDS_KEYS = ("spearman", "partial_spearman", "auroc", "dice_top")


@dataclass(frozen=True)
class SeedsTable:
    """The table over seeds: judgements by method, and, where measured, pixel AUROC of the heat maps `[seeds, 2]`
    (pooled, per picture).
    """

    rows: dict[str, dict[str, SeedsJudgement]]
    heat: dict[str, np.ndarray]


def render(
    found: Sequence[Evaluation],
    names: Sequence[str],
    heat: Mapping[str, Mapping[str, HeatJudgement]],
    means: Sequence[SeedsTable] | None,
    stamp: str,
) -> str:
    """The tables as Markdown; `heat` has, by segmenter, what `judge_heatmaps.judge` found; `means` the tables over
    seeds, if there are several.
    """
    lines = [f"Printed by `scripts/reproduce_voc.py`, {stamp}. Brackets: 95 % bootstrap intervals over pictures.", ""]
    for place, (name, evaluation) in enumerate(zip(names, found, strict=True)):
        dice = evaluation.study.quality.dice
        lines += [
            f"## {name}",
            "",
            f"{len(dice)} pictures, mean Dice {dice.mean():.3f}, {int((dice < 0.5).sum())} below 0.5.",
            "",
        ]
        lines += [*_seeds(means[place]), ""] if means else []
        lines += [*_headline(evaluation.rows), "", *_ranking(evaluation.rows), "", *_heat_maps(heat[name]), ""]
        lines += [f"Not judged: {method} ({why})." for method, why in evaluation.absent.items()] + [""] * bool(
            evaluation.absent
        )
    suite = found[0].corruptions
    if suite is not None:
        lines += [
            "## Corrupted ground truth",
            "",
            "| corruption | setting | masks | AUROC | share above their own untouched mask |",
            "|---|---|---|---|---|",
        ]
        for line in suite:
            between = (
                "-"
                if line["auroc"] is None
                else f"{line['auroc']:.3f} [{line['auroc_low']:.2f}, {line['auroc_high']:.2f}]"
            )
            wins = "-" if line["win_rate"] is None else f"{line['win_rate']:.2f}"
            lines.append(
                f"| {line['corruption'].replace('_', ' ')} | {line['setting']} | {line['pairs']} | {between} | {wins} |"
            )
        lines.append("")
    return "\n".join(lines)


def _seeds(table: SeedsTable) -> list[str]:
    titles = (
        "Spearman",
        "of each seed",
        "its difference to the first row",
        "partial Spearman",
        "AUROC",
        "Dice of the worst 50",
        "heat maps, pixel AUROC",
    )
    lines = [
        "Means over the seeds; brackets are over pictures",
        "",
        f"| method | {' | '.join(titles)} |",
        "|---" * (len(titles) + 1) + "|",
    ]
    for name, row in table.rows.items():
        rank = row["spearman"]
        cells = [
            _around(rank.mean),
            ", ".join(f"{value:.3f}" for value in rank.by_seed),
            "" if rank.difference is None else _around(rank.difference),
        ]
        cells += [_around(row[key].mean) for key in SEEDS_KEYS[1:]]
        pooled, single = (f"{value:.3f}" for value in table.heat[name].mean(axis=0)) if name in table.heat else ("", "")
        lines.append(f"| {name} | {' | '.join(cells)} | {f'{pooled} pooled, {single} per picture' if pooled else ''} |")
    return lines


def _around(interval: Interval) -> str:
    return _number(interval.estimate, 3) + f" [{interval.low:.2f}, {interval.high:.2f}]"


def _headline(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    titles = [f"{name}, {part}" for name in ("Dice", "MSD", "HD95") for part in ("all", "top 50")]
    lines = ["Pearson of the score with", "", f"| method | {' | '.join(titles)} |", "|---" * 7 + "|"]
    for row in rows:
        cells = [_number(row[f"pearson_{name}{part}"], 2) for name in ("dice", "msd", "hd95") for part in ("", "_top")]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return lines


def _heat_maps(judged: Mapping[str, HeatJudgement]) -> list[str]:
    titles = ("model", "AUROC, pooled", "AUROC, per picture", "AP, pooled", "pixels wrong")
    lines = [
        "Heat maps against the true errors, by pixels",
        "",
        f"| {' | '.join(titles)} |",
        "|---" * len(titles) + "|",
    ]
    for model, (pooled, single) in judged.items():
        lines.append(f"| {model} | {pooled[0]:.3f} | {single[0]:.3f} | {pooled[1]:.3f} | {pooled[2]:.3f} |")
    return lines


def _ranking(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    titles = (
        "Spearman",
        "its difference to the first row",
        "partial Spearman",
        "AURC",
        "AUGRC",
        "AUROC",
        "AP",
        "Dice of the worst 50",
    )
    lines = [f"| method | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for row in rows:
        cells = [
            _between(row, "spearman"),
            _between(row, "spearman_difference") if "spearman_difference" in row else "",
        ]
        cells += [_number(row[key], 3) for key in ("partial_spearman", "aurc", "augrc", "auroc", "ap", "dice_top")]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return lines


def _between(row: Mapping[str, Any], key: str) -> str:
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return _number(row[key], 3) + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
