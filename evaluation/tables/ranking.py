"""Ranks of the methods over the sets, and the tests on them, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.tables.markdown import table
from evaluation.tables.methods import title
from evaluation.tables.statistics import average_ranks, compare_over_sets, critical_difference
from evaluation.tables.summary import Results


def rank_methods(results: Results, sets: Sequence[str], trial: str) -> dict[str, Any] | None:
    """Names, ranks, critical difference and tests over the sets that the trial has, of the methods that have them all;
    None unless these are two or more, the trial among them, on two sets or more.
    """
    ranked = [name for name in sets if results.rows(trial, name)]
    methods = [method for method in results.methods if all(results.rows(method, name) for name in ranked)]
    if len(ranked) < 2 or len(methods) < 2 or trial not in methods:
        return None
    values = results.matrix(ranked, methods)
    names = [title(method) for method in methods]
    return {
        "names": names,
        "ranks": average_ranks(values),
        "difference": critical_difference(len(methods), len(ranked)),
        "comparisons": compare_over_sets(100 * values, names, title(trial)),
        "sets": len(ranked),
    }


def rank_texts(ranking: Mapping[str, Any], trial: str, picture: str) -> list[str]:
    """The diagram and what it shows, then the tests as a table."""
    sets = ranking["sets"]
    lines = [
        [c.other, f"{c.mean_difference:+.1f}", f"{c.better} / {c.worse}", _p_text(c.p_value), _p_text(c.adjusted)]
        for c in ranking["comparisons"]
    ]
    return [
        f"![Critical-difference diagram: average ranks over {sets} sets]({picture})",
        f"Average ranks over the {sets} sets (means over the seeds that all of these methods have; those without a fit "
        "on some set are left out), and Nemenyi's critical difference at 5 %: methods under one bar are not told "
        "apart.",
        f"Wilcoxon's signed-rank test over the sets, two-sided, {title(trial)} against each, Holm's correction."
        + _power(sets),
        table(["against", "mean difference", "sets better / worse", "p", "p, Holm"], lines),
    ]


def _power(sets: int) -> str:
    least = 2 / 2**sets
    said = f"the smallest p-value that a win on all of them can have is {least:.3f}, before the correction."
    return f" {sets} sets decide little: {said}" if least >= 0.0005 else ""


def _p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def diagram_arguments(ranking: Mapping[str, Any], trial: str) -> dict[str, Any]:
    """Keyword arguments of `evaluation.tables.figures.critical_difference_diagram`."""
    return {name: ranking[name] for name in ("names", "ranks", "difference")} | {"trial": title(trial)}
