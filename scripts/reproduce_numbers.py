"""Tables of numbers: the detector beside the baselines on the sets that come with scikit-learn.

    python scripts/reproduce_numbers.py --out runs/numbers [--methods METHOD ...] [--seeds 0 1 2 3 4]

The benchmark of the paper holds categories alone; these sets hold numbers alone, and nothing was chosen on them. A
class of each is the anomaly: the malignant tumours, the first cultivar of wine, the third species of iris, the ones
among the digits. Splits and methods are those of `reproduce_table2.py`; prints average precision and AUROC, and
continues where it was stopped. Expected time: ten minutes on one core.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow
from rich.console import Console
from rich.table import Table
from sklearn import datasets

from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.datasets import LabelledTable
from evaluation.tables.methods import METHODS
from evaluation.tables.summary import Results

SETS: dict[str, tuple[Callable, int]] = {
    "Breast cancer": (datasets.load_breast_cancer, 0),
    "Wine": (datasets.load_wine, 0),
    "Iris": (datasets.load_iris, 2),
    "Digits": (datasets.load_digits, 1),
}
DEFAULT = ("segqc", "pairs", "chow-liu", "iforest", "ecod", "deep-svdd")


def load(name: str) -> LabelledTable:
    """A set by name; columns that never change are left out."""
    function, anomaly = SETS[name]
    found = function()
    varying = [j for j in range(found.data.shape[1]) if found.data[:, j].std() > 0]
    return LabelledTable(
        name, pyarrow.table({str(found.feature_names[j]): found.data[:, j] for j in varying}), found.target == anomaly
    )


def main() -> None:
    """Run whatever is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/numbers"), help="folder for rows and scores")
    parser.add_argument(
        "--methods", nargs="*", default=list(DEFAULT), choices=list(METHODS), metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument(
        "--sets", nargs="+", default=list(SETS), choices=list(SETS), metavar="SET", help=", ".join(SETS)
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    given = parser.parse_args()
    console = Console(width=140)
    run_benchmark([(name, partial(load, name)) for name in given.sets], given.methods, given.seeds, given.out, console)
    results = Results(given.out, list(METHODS), given.sets, given.seeds)
    table = Table(
        "method", *given.sets, title="average precision / AUROC, in %; mean ± standard deviation over the splits"
    )
    for method in results.methods:
        cells = [
            [results.cell(method, name, measure) for measure in ("average_precision", "auroc")] for name in given.sets
        ]
        table.add_row(
            METHODS[method].title,
            *(" / ".join("-" if c is None else f"{c.mean:.1f} ± {c.deviation:.1f}" for c in pair) for pair in cells),
        )
    console.print(table)


if __name__ == "__main__":
    main()
