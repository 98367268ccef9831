"""Run methods on tables, a row at a time; what is there already is not run again."""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow
from rich.console import Console

from evaluation.tables.ceiling import ceiling, load_ceiling, save_ceiling
from evaluation.tables.datasets import LabelledTable
from evaluation.tables.methods import METHODS
from evaluation.tables.protocol import Split, split_inliers
from evaluation.tables.rows import Row, load_row, measure, plain_settings, save_row
from segqc.base.console import make_progress
from segqc.base.errors import BadInput


def run_benchmark(
    datasets: Sequence[tuple[str, Callable[[], LabelledTable]]],
    methods: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    console: Console | None = None,
    splitting: Callable[[pyarrow.Table, np.ndarray, int], Split] = split_inliers,
) -> list[Row]:
    """Every method on every set with every seed.

    Parameters
    ----------
    datasets : sequence of (name, function that reads it)
        A set is read only when one of its rows is missing.
    methods : sequence of str
        Names from `evaluation.tables.methods.METHODS`.
    seeds : sequence of int
        Seeds of the split, which all methods share, and of the method itself.
    folder : Path
        `rows/` in it holds a JSON file and the scores of each row, and each split's ceiling. The rows of another
        configuration are replaced.
    console : Console, optional
        Where progress goes.
    splitting : callable of (features, anomalous, seed)
        What is fitted and what is ranked.

    Returns
    -------
    list of Row
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise BadInput("--methods", f"has {unknown[0]!r}", f"there are {', '.join(METHODS)}")
    rows: list[Row] = []
    with make_progress(console, "note") as progress:
        task = progress.add_task("rows", total=len(datasets) * len(methods) * len(seeds), note="")
        for name, load in datasets:
            data = None
            for seed in seeds:
                split = None
                if load_ceiling(folder, name, seed) is None:
                    data = data or load()
                    split = splitting(data.features, data.anomalous, seed)
                    save_ceiling(folder, name, seed, ceiling(split))
                for method in methods:
                    model = METHODS[method].make(seed)
                    row = load_row(folder, name, method, seed)
                    if row is None or row.settings != json.loads(json.dumps(plain_settings(model))):
                        progress.update(task, note=f"{name}, {method}, seed {seed}")
                        data = data or load()
                        split = split or splitting(data.features, data.anomalous, seed)
                        with warnings.catch_warnings():
                            # ECOD, on constant columns
                            warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
                            row, scores = measure(name, method, model, seed, split)
                        save_row(folder, row, scores)
                        progress.console.print(_said(row), soft_wrap=True, highlight=False)
                    rows.append(row)
                    progress.advance(task)
    return rows


def _said(row: Row) -> str:
    trained = f"; {row.epochs}" if row.epochs else ""
    memory = "" if row.peak_mib is None else f", {row.peak_mib:.0f} MiB"
    found = f"AP {100 * row.average_precision:.2f}, AUROC {100 * row.auroc:.2f}"
    return f"{row.dataset}, {row.method}, seed {row.seed}: {found}; fit {row.fit_seconds:.1f} s{memory}{trained}"
