"""The paper's Table 2 (arXiv 2304.03220): every method on the seven sets, five seeds each, on the same splits."""

import argparse
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.datasets import DATASETS, load_dataset
from evaluation.tables.methods import METHODS
from segqc.files import BadInput


def main(arguments: list[str] | None = None) -> None:
    """Run whatever is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the seven sets")
    parser.add_argument("--out", type=Path, default=Path("runs/table2"), help="folder for rows, scores and pictures")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD", help=", ".join(METHODS))
    parser.add_argument("--sets", nargs="+", default=list(DATASETS), choices=list(DATASETS), metavar="SET", help="; ".join(DATASETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--threads", type=int, help="of PyTorch; all cores by default")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    console = Console()
    sets = [(name, partial(load_dataset, DATASETS[name], given.data)) for name in given.sets]
    try:
        run_benchmark(sets, given.methods, given.seeds, given.out, console)
    except BadInput as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
