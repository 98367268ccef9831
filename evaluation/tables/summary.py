"""Rows of the benchmark gathered by method and set: means, standard deviations, and who is compared with whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.tables.ceiling import load_ceiling
from evaluation.tables.rows import Row, load_row, load_scores
from evaluation.tables.statistics import Interval, paired_bootstrap


@dataclass(frozen=True)
class Cell:
    """A method on a set: mean and standard deviation (n - 1) over n seeds, in %."""

    mean: float
    deviation: float
    seeds: int


class Results:
    """The rows in a folder for some methods, sets and seeds, as far as they are there.

    Parameters
    ----------
    folder : Path
        Output folder of `evaluation.tables.benchmark.run_benchmark`.
    methods, datasets : sequence of str
    seeds : sequence of int
    """

    def __init__(self, folder: Path, methods: Sequence[str], datasets: Sequence[str], seeds: Sequence[int]) -> None:
        self.folder = folder
        self.seeds = list(seeds)
        found = {(m, d, s): load_row(folder, d, m, s) for m in methods for d in datasets for s in seeds}
        self._rows = {key: row for key, row in found.items() if row is not None}
        self.methods = [m for m in methods if any(key[0] == m for key in self._rows)]
        self.datasets = [d for d in datasets if any(key[1] == d for key in self._rows)]

    def rows(self, method: str, dataset: str) -> list[Row]:
        """The rows of a method on a set, by seed; empty where there is none."""
        return [self._rows[method, dataset, seed] for seed in self.seeds if (method, dataset, seed) in self._rows]

    def cell(self, method: str, dataset: str, measure: str) -> Cell | None:
        """Mean over seeds of "average_precision" or "auroc"."""
        return _cell([getattr(row, measure) for row in self.rows(method, dataset)])

    def compared(self, trial: str, dataset: str, measure: str) -> dict[str, float]:
        """Means in % on the trial's seeds, of every method that has all of these; empty where the trial has none."""
        seeds = {row.seed for row in self.rows(trial, dataset)}
        found = {}
        for method in self.methods:
            values = [getattr(row, measure) for row in self.rows(method, dataset) if row.seed in seeds]
            if seeds and len(values) == len(seeds):
                found[method] = 100 * float(np.mean(values))
        return found

    def ceiling(self, dataset: str, measure: str) -> Cell | None:
        """Mean over seeds of the ceiling's "average_precision", "auroc" or "shared"."""
        found = [load_ceiling(self.folder, dataset, seed) for seed in self.seeds]
        return _cell([getattr(one, measure) for one in found if one is not None])

    def matrix(self, datasets: Sequence[str], methods: Sequence[str]) -> np.ndarray:
        """Mean average precision `[sets, M]` over the seeds that all methods have on a set: at least one."""
        table = []
        for dataset in datasets:
            common = set.intersection(*({row.seed for row in self.rows(method, dataset)} for method in methods))
            table.append(
                [
                    np.mean([row.average_precision for row in self.rows(m, dataset) if row.seed in common])
                    for m in methods
                ]
            )
        return np.array(table)

    def difference(self, trial: str, other: str, dataset: str) -> tuple[Interval, int] | None:
        """Average precision of one method less that of another in %, on the seeds that both have, and how many these
        are.
        """
        rows = {row.seed: row for row in self.rows(other, dataset)}
        pairs = [(row, rows[row.seed]) for row in self.rows(trial, dataset) if row.seed in rows]
        if not pairs:
            return None
        labels = [np.arange(row.test_rows) >= row.test_rows - row.anomalies for row, _ in pairs]
        first, second = ([load_scores(self.folder, row) for row in side] for side in zip(*pairs, strict=True))
        found = paired_bootstrap(labels, first, second)
        return Interval(100 * found.mean, 100 * found.low, 100 * found.high), len(pairs)


def _cell(values: Sequence[float]) -> Cell | None:
    if not values:
        return None
    return Cell(
        100 * float(np.mean(values)), 100 * float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, len(values)
    )
