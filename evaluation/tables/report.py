"""docs/results-tabular.md: the tables, in Markdown, of whatever rows there are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.tables import published
from evaluation.tables.datasets import DATASETS
from evaluation.tables.methods import METHODS
from evaluation.tables.statistics import Interval, average_ranks, compare_over_sets, critical_difference
from evaluation.tables.summary import Cell, Results

HEADLINE = ("Bank", "Census", "Chess", "CMC", "Probe", "Solar", "U2R")
"""The seven sets that averages, ranks and tests are over."""


def render_report(
    results: Results, trial: str, paper: str, stamp: str, command: str, machine: str, picture: str
) -> tuple[str, dict[str, Any] | None]:
    """The document, and what its critical-difference diagram shows.

    Parameters
    ----------
    results : Results
    trial, paper : str
        Names of the default method, and of the one that follows the paper.
    stamp, command, machine : str
        Date and commit; the command that makes the rows; what they were made on.
    picture : str
        Path of the diagram, relative to the document.

    Returns
    -------
    str
    dict or None
        Names, ranks, critical difference and tests; None unless the trial and another method have rows on two sets or
        more.
    """
    sets = [name for name in HEADLINE if name in results.datasets]
    parts = [
        "# Results on tables",
        f"{stamp}, {machine}.",
        f"```bash\n{command}\n```",
        _protocol(results),
        "## Average precision",
        _measure_table(results, sets, trial, "average_precision"),
        _bar(results, sets, trial, paper),
    ]
    differences = _differences(results, trial)
    if differences:
        parts += [
            "## Differences",
            f"Average precision of {_title(trial)} less that of the other method, on the same splits, in points; in brackets the 95 % interval "
            "of a paired bootstrap over seeds and, within each, test rows (300 resamples; the same rows for both). Bold: the interval excludes "
            "0. Five splits of a set share most of their rows, so that the intervals are rather too narrow.",
            _difference_table(results, differences),
        ]
    ranking = _ranking(results, sets, trial)
    if ranking:
        parts += _rank_text(ranking, trial, picture)
    parts += ["## AUROC", _measure_table(results, sets, trial, "auroc")]
    others = [name for name in results.datasets if name not in HEADLINE]
    if others:
        parts += [
            "## Census with five columns as numbers",
            "As the paper read it: industry, occupation, business, veterans' benefits and year are codes in the file, and were taken for numbers.",
            _variant_table(results, ["Census", *others]),
        ]
    parts += ["## Time and memory", _cost_text(), _cost_table(results), _training_text(results)]
    return "\n\n".join(part for part in parts if part) + "\n", ranking


def _title(method: str) -> str:
    return METHODS[method].title


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *lines))


def _cell(cell: Cell | None, full: int, bold: bool = False) -> str:
    if cell is None:
        return "-"
    spread = f" ± {cell.deviation:.1f}" if cell.seeds > 1 else ""
    mean = f"**{cell.mean:.2f}**" if bold else f"{cell.mean:.2f}"
    return f"{mean}{spread}{'' if cell.seeds == full else f' ({cell.seeds})'}"


def _protocol(results: Results) -> str:
    seeds = ", ".join(map(str, results.seeds))
    gaps = [
        dataset
        for dataset in DATASETS
        if any(len(results.rows(method, dataset)) < len(results.seeds) for method in METHODS)
    ]
    missing = f"Fits and seeds that are missing ({'; '.join(gaps)}) were left out for want of time. " if gaps else ""
    return (
        f"Per seed ({seeds}) the inliers are permuted and cut: 80 % to learn from, encoders included, 10 % for segqc's two methods to stop early "
        "on and to learn what scores are usual (the other methods make no use of them), and the last 10 % with all anomalies to be ranked. All "
        "methods get the same splits. Cells are mean ± standard deviation over seeds, in %; a number in "
        f"parentheses is the number of seeds where it is not {len(results.seeds)}, a dash a fit that was not made. Every method has one "
        "configuration for all sets; the default's was chosen among some 300 rules on other splits (seeds from 100 on), with their anomalies in "
        "view (docs/results-tabular-choice.md). Those are the same anomalies, and the inliers are the same in another order: its figures here are "
        "not free of that choice. "
        f"{missing}Bold: best on the seeds that the default has, of the methods that have them all. Categories that training did not have are "
        "an outcome of their own for all methods. The paper's figures are its own, on splits that are not available. The ceiling bounds every "
        "score that is a function of a row's values, since anomalies that equal a test inlier tie with it; its oracle knows the test labels, "
        "so that it is generous."
    )


def _measure_table(results: Results, sets: Sequence[str], trial: str, measure: str) -> str:
    """Methods by sets, the paper's lines and the ceiling below."""
    full = len(results.seeds)
    cells = {method: [results.cell(method, dataset, measure) for dataset in sets] for method in results.methods}
    compared = [results.compared(trial, dataset, measure) for dataset in sets]
    lines = []
    for method, row in cells.items():
        mean = f"{np.mean([cell.mean for cell in row if cell]):.1f}" if all(row) else "-"
        bold = [method in means and means[method] == max(means.values()) for means in compared]
        lines.append([_title(method), *(_cell(cell, full, b) for cell, b in zip(row, bold, strict=True)), mean])
    if measure == "average_precision":
        lines.append(
            ["*paper: GNSM*", *(f"*{published.GNSM[name]:.2f}*" for name in sets), f"*{_mean(published.GNSM, sets)}*"]
        )
        others = {name: value for name, (value, _) in published.BEST_OTHER.items()}
        lines.append(
            [
                "*paper: best other*",
                *(f"*{others[name]:.2f}, {published.BEST_OTHER[name][1]}*" for name in sets),
                f"*{_mean(others, sets)}*",
            ]
        )
        lines.append(
            [
                "*goal of the default*",
                *(f"*{published.GOAL[name]:g}*" for name in sets),
                f"*{_mean(published.GOAL, sets)}*",
            ]
        )
    lines.append(["*ceiling*", *(_plain(results.ceiling(name, measure)) for name in sets), ""])
    if measure == "average_precision":
        lines.append(
            ["*anomalies that equal an inlier*", *(_plain(results.ceiling(name, "shared"), " %") for name in sets), ""]
        )
    return _table(["method", *sets, "mean"], lines)


def _mean(figures: Mapping[str, float], sets: Sequence[str]) -> str:
    return f"{np.mean([figures[name] for name in sets]):.1f}"


def _plain(cell: Cell | None, unit: str = "") -> str:
    return "-" if cell is None else f"*{cell.mean:.1f}{unit}*"


def _bar(results: Results, sets: Sequence[str], trial: str, paper: str) -> str:
    """How the default stands to the goal and to every baseline, and the paper's recipe to the paper."""
    found = []
    cells = {name: cell for name in sets if (cell := results.cell(trial, name, "average_precision"))}
    if cells:
        missed = [
            f"{name} ({cell.mean:.2f} of {published.GOAL[name]:g})"
            for name, cell in cells.items()
            if cell.mean < published.GOAL[name]
        ]
        found.append(
            f"{_title(trial)} reaches its goal on {len(cells) - len(missed)} of {len(cells)} sets" + _missed(missed)
        )
        best_known = {name: max(published.GNSM[name], published.BEST_OTHER[name][0]) for name in cells}
        missed = [
            f"{name} ({cell.mean:.2f} against {best_known[name]:.2f})"
            for name, cell in cells.items()
            if cell.mean < best_known[name]
        ]
        found.append(f"exceeds everything in the paper's table on {len(cells) - len(missed)}" + _missed(missed))
        baselines = [method for method in results.methods if METHODS[method].group != "segqc"]
        missed = []
        for name in cells:
            means = results.compared(trial, name, "average_precision")
            best = max((m for m in means if m in baselines), key=lambda m: means[m], default=None)
            if best is not None and means[best] > means[trial]:
                missed.append(f"{name} ({means[trial]:.2f} against {means[best]:.2f} of {_title(best)})")
        found.append(
            f"and, on its own seeds, exceeds every baseline here on {len(cells) - len(missed)}" + _missed(missed)
        )
    text = "; ".join(found) + "." if found else ""
    cells = {name: cell for name in sets if (cell := results.cell(paper, name, "average_precision"))}
    several = {name: cell for name, cell in cells.items() if cell.seeds > 1}
    if several:
        near = {name: cell for name, cell in several.items() if abs(cell.mean - published.GNSM[name]) <= cell.deviation}
        above = [name for name, cell in several.items() if name not in near and cell.mean > published.GNSM[name]]
        below = [name for name, cell in several.items() if name not in near and cell.mean < published.GNSM[name]]
        text += f" {_title(paper)} is within one standard deviation of the paper's GNSM on {len(near)} of {len(several)} sets ({', '.join(several)})"
        text += (
            (f", above it on {', '.join(above)}" if above else "")
            + (f", below it on {', '.join(below)}" if below else "")
            + "."
        )
    single = [f"{name} {cell.mean - published.GNSM[name]:+.1f}" for name, cell in cells.items() if cell.seeds == 1]
    if single:
        text += f" With one seed only, {_title(paper)} less the paper's GNSM: {', '.join(single)}."
    return text[:1].upper() + text[1:]


def _missed(names: Sequence[str]) -> str:
    return f", not on {', '.join(names)}" if names else ""


def _differences(results: Results, trial: str) -> dict[tuple[str, str], tuple[Interval, int]]:
    """By (method, set)."""
    pairs = [(method, dataset) for method in results.methods if method != trial for dataset in results.datasets]
    found = {pair: results.difference(trial, *pair) for pair in pairs}
    return {pair: value for pair, value in found.items() if value is not None}


def _difference_table(results: Results, differences: Mapping[tuple[str, str], tuple[Interval, int]]) -> str:
    lines = []
    datasets = [name for name in results.datasets if any(key[1] == name for key in differences)]
    for method in dict.fromkeys(method for method, _ in differences):
        line = [_title(method)]
        for dataset in datasets:
            interval, seeds = differences.get((method, dataset), (None, 0))
            if interval is None:
                line.append("-")
                continue
            text = f"{interval.mean:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"
            text = f"**{text}**" if interval.low > 0 or interval.high < 0 else text
            line.append(text + ("" if seeds == len(results.seeds) else f" ({seeds})"))
        lines.append(line)
    return _table(["less", *datasets], lines)


def _ranking(results: Results, sets: Sequence[str], trial: str) -> dict[str, Any] | None:
    """Ranks over the sets that the trial has, of the methods that have them all."""
    ranked = [name for name in sets if results.rows(trial, name)]
    methods = [method for method in results.methods if all(results.rows(method, name) for name in ranked)]
    if len(ranked) < 2 or len(methods) < 2 or trial not in methods:
        return None
    values = results.matrix(ranked, methods)
    return {
        "names": [_title(method) for method in methods],
        "ranks": average_ranks(values),
        "difference": critical_difference(len(methods), len(ranked)),
        "comparisons": compare_over_sets(100 * values, [_title(method) for method in methods], _title(trial)),
        "sets": len(ranked),
    }


def _rank_text(ranking: Mapping[str, Any], trial: str, picture: str) -> list[str]:
    smallest = 2 / 2 ** ranking["sets"]
    lines = [
        [c.other, f"{c.mean_difference:+.1f}", f"{c.better} / {c.worse}", f"{c.p_value:.3f}", f"{c.adjusted:.3f}"]
        for c in ranking["comparisons"]
    ]
    return [
        f"![Critical-difference diagram: average ranks over {ranking['sets']} sets]({picture})",
        f"Average ranks over the {ranking['sets']} sets (means over the seeds that all of these methods have; those without a fit on some set "
        "are left out), and Nemenyi's critical difference at 5 %: methods under one bar are not told apart.",
        f"Wilcoxon's signed-rank test over the sets, two-sided, {_title(trial)} against each, Holm's correction. {ranking['sets']} sets decide "
        f"little: the smallest p-value that a win on all of them can have is {smallest:.3f}, before the correction.",
        _table(["against", "mean difference", "sets better / worse", "p", "p, Holm"], lines),
    ]


def _variant_table(results: Results, datasets: Sequence[str]) -> str:
    full = len(results.seeds)
    header = [
        "method",
        *(f"{name}, {what}" for name in ("nominal", "5 numeric")[: len(datasets)] for what in ("AP", "AUROC")),
    ]
    lines = []
    for method in results.methods:
        cells = [results.cell(method, name, measure) for name in datasets for measure in ("average_precision", "auroc")]
        if any(cells):
            lines.append([_title(method), *(_cell(cell, full) for cell in cells)])
    return _table(header, lines)


def _cost_text() -> str:
    return (
        "Mean of a fit: seconds on the clock / seconds of CPU / MiB by which resident memory rose at its highest, scoring of the test rows "
        "included. Other programs shared the core, so that the CPU is the figure to compare. The first fit of a process also loads what it needs, "
        "up to 200 MiB."
    )


def _cost_table(results: Results) -> str:
    def cost(method: str, dataset: str) -> str:
        rows = results.rows(method, dataset)
        if not rows:
            return "-"
        memory = [row.peak_mib for row in rows if row.peak_mib is not None]
        numbers = [
            _seconds(np.mean([getattr(row, name) for row in rows])) for name in ("fit_seconds", "fit_cpu_seconds")
        ]
        return " / ".join([*numbers, f"{np.mean(memory):.0f}" if memory else "-"])

    return _per_method(results, cost)


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def _training_text(results: Results) -> str:
    """How long the networks trained."""
    lines = []
    for method in results.methods:
        for dataset in results.datasets:
            said = sorted({row.epochs for row in results.rows(method, dataset) if row.epochs})
            lines += [[_title(method), dataset, text] for text in said]
    return (
        ""
        if not lines
        else "Length of the trainings; a fit may take 10 minutes of CPU:\n\n"
        + _table(["method", "set", "trained"], lines)
    )


def _per_method(results: Results, text: Callable[[str, str], str]) -> str:
    return _table(
        ["method", *results.datasets],
        [[_title(m), *(text(m, name) for name in results.datasets)] for m in results.methods],
    )


def diagram_arguments(ranking: Mapping[str, Any], trial: str) -> dict[str, Any]:
    """Keyword arguments of `critical_difference_diagram`."""
    return {
        "names": ranking["names"],
        "ranks": ranking["ranks"],
        "difference": ranking["difference"],
        "trial": _title(trial),
    }
