"""`segqc tabular`: anomaly detection in CSV, ARFF and Parquet tables."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from segqc.base.console import console, wrote
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.tabular.config import BenchmarkConfig, FitConfig, ScoreConfig

app = typer.Typer(
    help="Find the anomalous rows of a table of categories and numbers, and the cells that make them anomalous.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command(
    epilog="Example: segqc tabular fit --data orders.csv --label fraud --normal no --drop order_id --out runs/orders"
)
@fills_in(FitConfig, first="data out label normal")
def fit(config: FitConfig) -> None:
    """Fit an anomaly detector to the normal rows of a table.

    Takes rows that are all, or nearly all, normal; or any rows, with the name of the label column and its value for
    normal rows. Writes a model folder for `segqc tabular score --model`.
    """
    with large_imports():
        from segqc.tabular.commands.fit import fit_table

    found = fit_table(config, console)
    left_out = f" ({found.left_out:,} of another label left out)" if found.left_out else ""
    console.print(f"Learned from {found.rows:,} rows{left_out} in {found.seconds:.0f} s.", highlight=False)
    if found.problems:
        first = found.problems[0]
        said = f"{len(found.problems):,} rows could not be read, and were left out: row {first.number} {first.reason}"
        console.print(Text.assemble((said, "yellow")), soft_wrap=True)
    console.print(f"Categories: {', '.join(found.categorical) or 'none'}.", soft_wrap=True, highlight=False)
    console.print(f"Numbers: {', '.join(found.numeric) or 'none'}.", soft_wrap=True, highlight=False)
    if found.dates:
        console.print(f"Dates: {', '.join(found.dates)}.", soft_wrap=True, highlight=False)
    if found.perhaps_codes:
        names = ",".join(found.perhaps_codes)
        console.print(
            f"Some columns hold few distinct whole numbers. If they are codes, fit again with --categorical {names}",
            soft_wrap=True,
            highlight=False,
        )
    for hint in found.hints:
        console.print(Text.assemble(("Hint:", "yellow"), " ", hint), soft_wrap=True)
    console.print(wrote(found.folder, what="the model folder "), soft_wrap=True)
    console.print(f"Next: segqc tabular score --model {found.folder} --data TABLE --out scores.csv", soft_wrap=True)


@app.command(
    epilog="Example: segqc tabular score --model runs/orders --data new_orders.parquet --keep order_id --out scores.csv"
)
@fills_in(ScoreConfig)
def score(
    config: ScoreConfig,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with code 1 if a row or a cell could not be read; without it, if no row could be read whole. "
            "The code is 2 if no row could be scored.",
        ),
    ] = False,
) -> None:
    """Score the rows of a table, rank them, and name the anomalous cells.

    Takes a table with the columns that the model was fitted on; other columns are ignored. Writes a CSV file with one
    line per row; a row that could not be read gets a line with the reason.
    """
    with large_imports():
        from segqc.tabular.commands.score import score_table

    found = score_table(config, console)
    table = Table(title="The ten most anomalous rows")
    kept = [f"kept_{name}" for name in config.keep]
    for name in ("rank", "row", *config.keep, "score", "anomalous cells"):
        table.add_column(name, overflow="fold")
    for line in found.top:
        odd = ", ".join(
            f"{line[f'odd_{k}']} = {line[f'value_{k}']}" for k in range(1, config.cells + 1) if f"odd_{k}" in line
        )
        texts = [str(line["rank"]), str(line["row"]), *(str(line[name]) for name in kept), f"{line['score']:.3f}", odd]
        table.add_row(*texts)
    console.print(table)
    speed = f", {found.rows / found.seconds:,.0f} rows/s" if found.seconds else ""
    console.print(f"{found.rows:,} rows scored{speed}, {found.outliers:,} beyond the threshold.", highlight=False)
    if found.bad or found.noted:
        unread = f"{found.bad:,} rows could not be read, and {found.noted:,} have a cell that could not be read"
        console.print(Text.assemble((unread, "yellow"), "; see the column `reason`."))
    console.print(wrote(found.path), soft_wrap=True)
    if found.noted == found.rows:
        console.print("No row could be read whole: does the table have the columns and formats of the model's?")
    else:
        console.print("Next: open the file and sort by rank; odd_1 and value_1 name the most anomalous cell of a row.")
    if not found.rows:
        raise typer.Exit(2)
    if found.noted == found.rows or (strict and (found.bad or found.noted)):
        raise typer.Exit(1)


@app.command(
    epilog="Example: segqc tabular benchmark --data orders.csv --label fraud --anomaly yes --drop order_id "
    "--out runs/orders-benchmark"
)
@fills_in(BenchmarkConfig, first="data label anomaly")
def benchmark(config: BenchmarkConfig) -> None:
    """Compare the detector with other methods on a labelled table: plain counting, nearest neighbours,
    Isolation Forest, ECOD, Deep SVDD and others.

    Fits each method to 80 % of the inliers and ranks the last 10 % together with all anomalies, once per seed. Writes
    benchmark.csv and the scores of each fit.
    """
    with large_imports():
        from evaluation.tables.own_table import benchmark_table

    found = benchmark_table(config, console)
    title = f"{found.inliers:,} inliers, {found.anomalies:,} anomalies"
    table = Table(title=f"{title}; mean ± standard deviation over {len(config.seeds)} splits, in %")
    for name in ("method", "average precision", "AUROC", "fit, s"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for line in found.lines:
        cells = [
            f"{100 * line[m]:.2f}" + (f" ± {100 * line[m + '_sd']:.2f}" if m + "_sd" in line else "")
            for m in ("average_precision", "auroc")
        ]
        table.add_row(str(line["method"]), *cells, f"{line['fit_seconds']:.1f}" if "fit_seconds" in line else "")
    console.print(table)
    console.print(
        wrote(config.out / "benchmark.csv", "; rows/ beside it holds the scores of each fit."), soft_wrap=True
    )
    console.print(
        f"Next: segqc tabular fit --data {config.data} --label {config.label} --normal VALUE --out MODEL",
        soft_wrap=True,
    )
