"""The paper's Table 2 (arXiv 2304.03220): every method on the seven sets, five seeds each, on the same splits.

    python scripts/reproduce_table2.py --data DIR --out runs/table2 [--methods METHOD ...] [--sets SET ...]
        [--seeds 0 1 2 3 4] [--document docs/results-table2.md]

DIR holds the seven files as they were published (`evaluation/tables/datasets.py` names them and checks them against the
paper's Table 1). Works a row at a time, a row being a method on a set with a seed: OUT/rows holds a JSON file and the
scores of each, and the same command continues after the last one. At the end it writes the document, of all rows that
OUT holds, and the critical-difference diagram beside it.

On one core: counting, Isolation Forest and ECOD take minutes for everything; a fit of Deep SVDD or DAGMM up to one
minute on the small sets and 10 on Census.
"""

import argparse
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from evaluation.report.figures import save
from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.datasets import DATASETS, load_dataset
from evaluation.tables.figures import critical_difference_diagram
from evaluation.tables.methods import METHODS, PAPER, TRIAL
from evaluation.tables.ranking import diagram_arguments
from evaluation.tables.report import render_report
from evaluation.tables.summary import Results
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path


def main(arguments: list[str] | None = None) -> None:
    """Run whatever is missing, then write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the seven sets")
    parser.add_argument("--out", type=Path, default=Path("runs/table2"), help="folder for rows and scores")
    parser.add_argument(
        "--methods", nargs="*", default=list(METHODS), choices=list(METHODS), metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument(
        "--sets", nargs="+", default=list(DATASETS), choices=list(DATASETS), metavar="SET", help="; ".join(DATASETS)
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--threads", type=int, help="number of PyTorch threads (default: all cores)")
    parser.add_argument("--document", type=Path, help="Markdown file; results-table2.md in --out by default")
    parser.add_argument("--rows-only", action="store_true", help="do not write the document")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    console = Console()
    sets = [(name, partial(load_dataset, DATASETS[name], given.data)) for name in given.sets]
    try:
        run_benchmark(sets, given.methods, given.seeds, given.out, console)
    except BadInput as error:
        raise SystemExit(str(error)) from error
    if not given.rows_only:
        document = given.document or given.out / "results-table2.md"
        write_document(given.out, document, given.seeds)
        console.print(f"Wrote {document}.")


def write_document(folder: Path, document: Path, seeds: Sequence[int]) -> None:
    """Render all rows of a folder, of every method and set."""
    results = Results(folder, list(METHODS), list(DATASETS), seeds)
    picture = Path("images") / f"{document.stem}-ranks.png"
    command = f"python scripts/reproduce_table2.py --data DIR --out runs/{folder.name}"
    text, ranking = render_report(results, TRIAL, PAPER, _stamp(), command, _machine(), picture.as_posix())
    if ranking:
        save(critical_difference_diagram(**diagram_arguments(ranking, TRIAL)), document.parent / picture)
    with atomic_path(document) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _stamp() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return f"{date.today().isoformat()}, commit {commit.stdout.strip() or 'unknown'}"


def _machine() -> str:
    """Processor, cores, versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    return f"{processor}, {cores}, Python {platform.python_version()}, PyTorch {torch.__version__}"


if __name__ == "__main__":
    main()
