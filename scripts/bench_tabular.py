"""What the table detector costs: fit time, rows a second, memory, and how they grow with rows and columns.

    python scripts/bench_tabular.py --data DIR [--out bench-tabular.json] [--method mixing] [--steps 100]
        [--largest 1000000] [--threads 1]

DIR holds the seven sets of scripts/reproduce_table2.py; only Bank is read. Every line that it prints is measured in
this run:

1. Bank's first split: a whole fit, and scoring of its test rows as they are (repeated rows are scored once) and of
   their distinct rows alone.
2. Rows: tables of 10,000, 100,000 and a million rows, drawn from Bank's rows with replacement (they repeat, as rows of
   categories do); and of 10,000 and 100,000 drawn cell by cell, each column by itself (hardly any two are equal: the
   worst case).
3. Columns: 10,000 rows with the columns two, four and eight times over, drawn cell by cell.

With `--method paper`, fits of 2 and 3 are of `--steps` steps, since the length of a training does not depend on the
number of rows; what grows is reading, encoding and finding the distinct ones. Memory is by how much a step raised the
resident memory of the process at its highest (Linux).

Takes two minutes of CPU. One run with one thread of an AMD EPYC, other programs beside it (2026-11-28):

    table                            fit, s of CPU    MiB    scored (distinct)       s of CPU    rows a CPU second
    Bank's split, 29,238 x 10                  1.4     47    8,295 (6,213)                0.1                69,600
    drawn whole, 10,000 x 10                   0.8     23    10,000 (5,683)               0.2                64,200
    drawn whole, 100,000 x 10                  2.6    126    100,000 (13,432)             0.4               230,700
    cell by cell, 10,000 x 10                  1.2     21    10,000 (8,211)               0.2                65,700
    cell by cell, 100,000 x 10                 2.7    124    100,000 (46,442)             1.0               104,900
    columns twice, 10,000 x 20                 2.5     75    10,000 (all)                 0.5                21,900
    four times, 10,000 x 40                    5.9    109    10,000 (all)                 0.8                12,200

Distinct rows alone: 49,000 to 52,000 a CPU second on Bank, in two runs.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from rich.console import Console

from evaluation.tables.datasets import DATASETS, load_dataset
from evaluation.tables.memory import peak_rise, start_peak
from evaluation.tables.protocol import Split, split_inliers
from segqc.base.errors import BadInput
from segqc.base.files import write_json
from segqc.tabular import GumbelScoreDetector

WHOLE, BY_CELL = "rows drawn whole", "rows drawn cell by cell"


def measured(step: Callable[[], Any]) -> dict[str, float | None]:
    """Seconds on the clock, of CPU, and MiB."""
    before, start, cpu = start_peak(), time.perf_counter(), time.process_time()
    step()
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": peak_rise(before),
    }


def resample(table: pyarrow.Table, rows: int, by_cell: bool, seed: int = 0) -> pyarrow.Table:
    """`rows` rows drawn with replacement; by cell: every column by itself."""
    rng = np.random.default_rng(seed)
    if not by_cell:
        return table.take(rng.integers(table.num_rows, size=rows))
    return pyarrow.table(
        {name: table.column(name).take(rng.integers(table.num_rows, size=rows)) for name in table.column_names}
    )


def widen(table: pyarrow.Table, times: int) -> pyarrow.Table:
    """The columns several times over, under new names."""
    return pyarrow.table({f"{name}_{k}": table.column(name) for k in range(times) for name in table.column_names})


def distinct(table: pyarrow.Table) -> pyarrow.Table:
    """Each row once."""
    return table.group_by(table.column_names).aggregate([])


def bench(train: pyarrow.Table, test: pyarrow.Table, settings: dict[str, Any], what: str) -> dict[str, Any]:
    """Fit and score once."""
    detector = GumbelScoreDetector(random_state=0, **settings)
    fit = measured(lambda: detector.fit(train))
    alone = distinct(test)
    detector.score_samples(test.slice(0, 10))  # the first call pays for what PyTorch sets up
    score = measured(lambda: detector.score_samples(test))
    once = measured(lambda: detector.score_samples(alone)) if test is not train else None
    return {
        "table": what,
        "rows": train.num_rows,
        "columns": train.num_columns,
        "steps": detector.training_.steps if detector.training_ else 0,
        "fit": fit,
        "scored": test.num_rows,
        "distinct": alone.num_rows,
        "score": score,
        "score_distinct": once,
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the seven sets")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-tabular.json"))
    parser.add_argument("--method", help="method of GumbelScoreDetector (default: its default)")
    parser.add_argument(
        "--steps", type=int, default=100, help="training steps of --method paper in the fits that show growth"
    )
    parser.add_argument("--largest", type=int, default=1_000_000, help="rows of the largest table")
    parser.add_argument("--threads", type=int, help="number of PyTorch threads (default: all cores)")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    whole = {} if given.method is None else {"method": given.method}
    short = whole | {"steps": given.steps}

    try:
        bank = load_dataset(DATASETS["Bank"], given.data)
    except BadInput as error:
        raise SystemExit(str(error)) from error
    console = Console()
    found: list[dict[str, Any]] = []
    for what, draw in cases(split_inliers(bank.features, bank.anomalous, 0), given.largest):
        found.append(bench(*draw(), short if found else whole, what))
        console.print(sentence(found[-1]), soft_wrap=True, highlight=False)
        settings = GumbelScoreDetector(**whole).get_params()
        write_json(given.out, {"threads": torch.get_num_threads(), "settings": settings, "lines": found})
    for text in growth(found):
        console.print(text, highlight=False)
    console.print(f"Wrote {given.out}.")


def cases(split: Split, largest: int) -> Iterator[tuple[str, Callable[[], tuple[pyarrow.Table, pyarrow.Table]]]]:
    """Names of the tables, and functions that make them: to fit on, and to score."""
    yield "Bank, its own split", lambda: (split.train, split.test)
    for name, by_cell, sizes in (
        (WHOLE, False, (10_000, 100_000, 1_000_000)),
        (BY_CELL, True, (10_000, 100_000)),
    ):
        for rows in sizes:
            if rows <= largest:
                yield name, partial(_twice, split.train, rows, by_cell)
    for times in (2, 4, 8):
        yield f"columns {times} times over", partial(_twice, widen(split.train, times), min(10_000, largest), True)


def _twice(table: pyarrow.Table, rows: int, by_cell: bool) -> tuple[pyarrow.Table, pyarrow.Table]:
    drawn = resample(table, rows, by_cell)
    return drawn, drawn


def growth(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """How costs grow with the rows, in words."""
    for name in (WHOLE, BY_CELL):
        mine = [line for line in lines if line["table"] == name]
        if len(mine) > 1:
            small, large = mine[0], mine[-1]
            fit, score = (large[key]["cpu_seconds"] / small[key]["cpu_seconds"] for key in ("fit", "score"))
            times = large["rows"] // small["rows"]
            yield (
                f"{name}: for {times} times the rows {fit:.1f} times the CPU of a fit, "
                f"{score:.1f} times that of scoring"
            )


def sentence(line: dict[str, Any]) -> str:
    """A line of the result in words."""
    fit, score, once = line["fit"], line["score"], line["score_distinct"]
    steps = f" of {line['steps']:,} steps" if line["steps"] else ""
    said = (
        f"{line['table']}, {line['rows']:,} x {line['columns']}: fit{steps} {_cost(fit)}; "
        f"{line['scored']:,} rows, {line['distinct']:,} of them distinct, scored {_cost(score)}, "
        f"{_speed(line['scored'], score)}"
    )
    return said + (f"; the distinct ones alone {_cost(once)}, {_speed(line['distinct'], once)}" if once else "")


def _speed(rows: int, cost: dict[str, Any]) -> str:
    return f"{rows / cost['seconds']:,.0f} rows/s or {rows / cost['cpu_seconds']:,.0f} a CPU second"


def _cost(cost: dict[str, Any]) -> str:
    memory = "" if cost["peak_mib"] is None else f", {cost['peak_mib']:.0f} MiB"
    return f"in {cost['seconds']:.1f} s ({cost['cpu_seconds']:.1f} s of CPU{memory})"


if __name__ == "__main__":
    main()
