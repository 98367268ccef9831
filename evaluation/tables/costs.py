"""What fits cost, in Markdown: time, memory and length of the trainings."""

import numpy as np

from evaluation.tables.markdown import methods_by_sets, table
from evaluation.tables.methods import title
from evaluation.tables.summary import Results

COST_TEXT = (
    "Mean of a fit: seconds on the clock / seconds of CPU / MiB by which resident memory rose at its highest, scoring "
    "of the test rows included. Other programs shared the core, so that the CPU is the figure to compare. The first "
    "fit of a process also loads what it needs, up to 200 MiB."
)


def cost_table(results: Results) -> str:
    """Seconds, CPU seconds and MiB of every method on every set."""

    def cost(method: str, dataset: str) -> str:
        rows = results.rows(method, dataset)
        if not rows:
            return "-"
        memory = [row.peak_mib for row in rows if row.peak_mib is not None]
        wall = float(np.mean([row.fit_seconds for row in rows]))
        cpu = float(np.mean([row.fit_cpu_seconds for row in rows]))
        return f"{_seconds(wall)} / {_seconds(cpu)} / {f'{np.mean(memory):.0f}' if memory else '-'}"

    return methods_by_sets(results, cost)


def training_text(results: Results) -> str:
    """How long the networks trained; empty where there are none."""
    lines = []
    for method in results.methods:
        for dataset in results.datasets:
            said = sorted({row.epochs for row in results.rows(method, dataset) if row.epochs})
            lines += [[title(method), dataset, text] for text in said]
    heading = "Length of the trainings; a fit may take 10 minutes of CPU:\n\n"
    return heading + table(["method", "set", "trained"], lines) if lines else ""


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"
