"""Pictures of the benchmark on tables."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

_HIGHLIGHT = "#b3261e"


def cliques(ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """Maximal runs (first, last) of two or more sorted ranks whose ends are within the critical difference."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = int(np.flatnonzero(ranks <= ranks[first] + difference)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def critical_difference_diagram(names: Sequence[str], ranks: np.ndarray, difference: float, trial: str) -> Figure:
    """Average ranks on a line, best on the left; a bar joins what Nemenyi's test does not tell apart (Demšar 2006).

    Parameters
    ----------
    names : sequence of M str
    ranks : ndarray `[M]`
        Average ranks, 1 = best.
    difference : float
        Critical difference.
    trial : str
        The name to highlight.
    """
    order = np.argsort(ranks, kind="stable")
    names, ranks = [names[i] for i in order], np.asarray(ranks)[order]
    bars = cliques(ranks, difference)
    half = (len(names) + 1) // 2
    first_label = -0.6 - 0.22 * len(bars)
    figure = Figure(figsize=(8.4, 1.6 + 0.26 * half + 0.1 * len(bars)), layout="constrained")
    axes = figure.subplots()
    low, high = 1, len(names)
    axes.plot([low, high], [0, 0], color="black", lw=1)
    for tick in range(low, high + 1):
        axes.plot([tick, tick], [0, 0.12], color="black", lw=1)
        axes.text(tick, 0.2, str(tick), ha="center", va="bottom", fontsize=8)
    axes.plot([low, low + difference], [0.95, 0.95], color="black", lw=2)
    axes.text(low + difference / 2, 1.05, f"critical difference {difference:.2f}", ha="center", va="bottom", fontsize=8)
    for number, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        left = number < half
        y = first_label - 0.42 * (number if left else len(names) - 1 - number)
        edge, side = (low - 0.2, "right") if left else (high + 0.2, "left")
        colour = _HIGHLIGHT if name == trial else "black"
        axes.plot([rank, rank, edge], [0, y, y], color=colour, lw=1.4 if name == trial else 0.8)
        axes.text(
            edge + (-0.1 if left else 0.1), y, f"{name} ({rank:.2f})", ha=side, va="center", fontsize=8.5, color=colour
        )
    for number, (first, last) in enumerate(bars):
        y = -0.25 - 0.22 * number
        axes.plot([ranks[first] - 0.04, ranks[last] + 0.04], [y, y], color="#444444", lw=3.2, solid_capstyle="butt")
    reach = 0.33 * (high - low)
    axes.set(xlim=(low - reach, high + reach), ylim=(first_label - 0.42 * half, 1.5))
    axes.axis("off")
    return figure
