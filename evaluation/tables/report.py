"""docs/results-table2.md: the tables, in Markdown, of whatever rows there are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.tables import paper
from evaluation.tables.costs import COST_TEXT, cost_table, training_text
from evaluation.tables.datasets import DATASETS
from evaluation.tables.markdown import cell_text, mean_text, table
from evaluation.tables.methods import METHODS, title
from evaluation.tables.ranking import rank_methods, rank_texts
from evaluation.tables.standing import standing_text
from evaluation.tables.statistics import Interval
from evaluation.tables.summary import Results

HEADLINE = ("Bank", "Census", "Chess", "CMC", "Probe", "Solar", "U2R")
"""The seven sets that averages, ranks and tests are over."""


def render_report(
    results: Results, trial: str, recipe: str, stamp: str, command: str, machine: str, picture: str
) -> tuple[str, dict[str, Any] | None]:
    """The document, and what its critical-difference diagram shows.

    Parameters
    ----------
    results : Results
    trial, recipe : str
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
    ranking = rank_methods(results, sets, trial)
    parts = [
        "# Results on tables",
        f"{stamp}, {machine}.",
        f"```bash\n{command}\n```",
        _protocol(results),
        "## Average precision",
        _measure_table(results, sets, trial, "average_precision"),
        standing_text(results, sets, trial, recipe),
        *_differences(results, trial),
        *(rank_texts(ranking, trial, picture) if ranking else []),
        "## AUROC",
        _measure_table(results, sets, trial, "auroc"),
        *_variants(results),
        "## Time and memory",
        COST_TEXT,
        cost_table(results),
        training_text(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n", ranking


def _protocol(results: Results) -> str:
    seeds = ", ".join(map(str, results.seeds))
    gaps = [
        dataset
        for dataset in DATASETS
        if any(len(results.rows(method, dataset)) < len(results.seeds) for method in METHODS)
    ]
    missing = f"Fits and seeds that are missing ({'; '.join(gaps)}) were left out for want of time. " if gaps else ""
    return (
        f"Per seed ({seeds}) the inliers are permuted and cut: 80 % to learn from, encoders included, 10 % for segqc's "
        "two methods to stop early on and to learn what scores are usual (the other methods make no use of them), and "
        "the last 10 % with all anomalies to be ranked. All methods get the same splits. Cells are mean ± standard "
        "deviation over seeds, in %; a number in parentheses is the number of seeds where it is not "
        f"{len(results.seeds)}, a dash a fit that was not made. Every method has one configuration for all sets; the "
        "default was chosen on 42 tables, these among them, with their anomalies in view "
        f"(docs/results-tabular-choice.md): its figures here are not free of that choice. {missing}Bold: best on the "
        "seeds that the default has, of the methods that have them all. Categories that training did not have are an "
        "outcome of their own for all methods. The paper's figures are its own, on splits that are not "
        "available. The ceiling bounds every score "
        "that is a function of a row's values, since anomalies that equal a test inlier tie with it; its oracle knows "
        "the test labels, so that it is generous."
    )


def _measure_table(results: Results, sets: Sequence[str], trial: str, measure: str) -> str:
    """Methods by sets, the paper's lines and the ceiling below."""
    best = {name: _best(results.compared(trial, name, measure)) for name in sets}
    lines = []
    for method in results.methods:
        cells = [results.cell(method, name, measure) for name in sets]
        means = [cell.mean for cell in cells if cell]
        texts = [
            cell_text(cell, len(results.seeds), method in best[name]) for name, cell in zip(sets, cells, strict=True)
        ]
        lines.append([title(method), *texts, f"{np.mean(means):.1f}" if len(means) == len(sets) else "-"])
    ceiling = ["*ceiling*", *(mean_text(results.ceiling(name, measure)) for name in sets), ""]
    if measure != "average_precision":
        return table(["method", *sets, "mean"], [*lines, ceiling])
    others = {name: value for name, (value, _) in paper.BEST_OTHER.items()}
    shared = [mean_text(results.ceiling(name, "shared"), " %") for name in sets]
    lines += [
        ["*paper: GNSM*", *(f"*{paper.GNSM[name]:.2f}*" for name in sets), _mean(paper.GNSM, sets)],
        [
            "*paper: best other*",
            *(f"*{others[name]:.2f}, {paper.BEST_OTHER[name][1]}*" for name in sets),
            _mean(others, sets),
        ],
        ceiling,
        ["*anomalies that equal an inlier*", *shared, ""],
    ]
    return table(["method", *sets, "mean"], lines)


def _best(means: Mapping[str, float]) -> set[str]:
    """The methods with the largest mean."""
    return {method for method, mean in means.items() if mean == max(means.values())}


def _mean(figures: Mapping[str, float], sets: Sequence[str]) -> str:
    return f"*{np.mean([figures[name] for name in sets]):.1f}*"


def _differences(results: Results, trial: str) -> list[str]:
    """The section on differences, empty without any."""
    found = {
        (method, dataset): difference
        for method in results.methods
        for dataset in results.datasets
        if method != trial and (difference := results.difference(trial, method, dataset)) is not None
    }
    if not found:
        return []
    return [
        "## Differences",
        f"Average precision of {title(trial)} less that of the other method, on the same splits, in points; in "
        "brackets the 95 % interval of a paired bootstrap over seeds and, within each, test rows (300 resamples; the "
        "same rows for both). Bold: the interval excludes 0. Five splits of a set share most of their rows, so that "
        "the intervals are rather too narrow.",
        _difference_table(results, found),
    ]


def _difference_table(results: Results, differences: Mapping[tuple[str, str], tuple[Interval, int]]) -> str:
    datasets = [name for name in results.datasets if any(key[1] == name for key in differences)]
    lines = []
    for method in dict.fromkeys(method for method, _ in differences):
        cells = [differences.get((method, name)) for name in datasets]
        lines.append([title(method), *(_difference_text(cell, len(results.seeds)) for cell in cells)])
    return table(["less", *datasets], lines)


def _difference_text(difference: tuple[Interval, int] | None, seeds: int) -> str:
    if difference is None:
        return "-"
    interval, count = difference
    text = f"{interval.mean:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"
    text = f"**{text}**" if interval.low > 0 or interval.high < 0 else text
    return text + ("" if count == seeds else f" ({count})")


def _variants(results: Results) -> list[str]:
    """The section on Census with numbers, empty without its rows."""
    others = [name for name in results.datasets if name not in HEADLINE]
    if not others:
        return []
    return [
        "## Census with five columns as numbers",
        "As the paper read it: industry, occupation, business, veterans' benefits and year are codes in the file, and "
        "were taken for numbers.",
        _variant_table(results, ["Census", *others]),
    ]


def _variant_table(results: Results, datasets: Sequence[str]) -> str:
    kinds = ("nominal", "5 numeric")[: len(datasets)]
    lines = []
    for method in results.methods:
        cells = [results.cell(method, name, measure) for name in datasets for measure in ("average_precision", "auroc")]
        if any(cells):
            lines.append([title(method), *(cell_text(cell, len(results.seeds)) for cell in cells)])
    return table(["method", *(f"{kind}, {what}" for kind in kinds for what in ("AP", "AUROC"))], lines)
