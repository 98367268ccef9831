"""`segqc tabular`: the detector on tables, for CSV, ARFF and Parquet."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from segqc.base.console import console, wrote
from segqc.base.errors import BadInput
from segqc.tabular.config import BenchmarkConfig, FitConfig, ScoreConfig

app = typer.Typer(
    help="Find the odd rows of a table of categories and numbers, and the cells that make them odd.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_BENCHMARK = BenchmarkConfig(Path())

Data = Annotated[Path, typer.Option(help="Table: .csv, .tsv, .arff or .parquet.")]
Categorical = Annotated[
    str | None,
    typer.Option(
        help="Columns that are categories though they look like numbers, with commas between; 10115.0 is read as 10115."
    ),
]
Numeric = Annotated[str | None, typer.Option(help="Columns that must be numbers, with commas between.")]
Drop = Annotated[str | None, typer.Option(help="Columns to leave out, such as row numbers, with commas between.")]
Missing = Annotated[
    str | None,
    typer.Option(help='Cells of CSV that are missing values, besides empty ones and NA, such as "?,unknown".'),
]
Separator = Annotated[str | None, typer.Option(help="Between the cells of CSV; a comma by default.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")]


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


@app.command(
    epilog="Example: segqc tabular fit --data orders.csv --label fraud --normal no --drop order_id --out runs/orders"
)
def fit(
    data: Data,
    out: Annotated[Path, typer.Option(help="Model folder.")] = FitConfig.out,
    label: Annotated[str | None, typer.Option(help="Column that says what a row is; it is not learned.")] = None,
    normal: Annotated[
        str | None, typer.Option(help="Value of --label for normal rows: only these are learned from.")
    ] = None,
    categorical: Categorical = None,
    numeric: Numeric = None,
    drop: Drop = None,
    missing: Missing = None,
    separator: Separator = None,
    method: Annotated[
        str | None, typer.Option(help="Of GumbelScoreDetector, such as paper; its default by default.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Of training, at most; the method's by default.", min=1)] = None,
    contamination: Annotated[
        float, typer.Option(help="Share of the learned rows beyond the threshold that `score` applies.", min=0, max=0.5)
    ] = FitConfig.contamination,
    seed: Annotated[int, typer.Option(help="Of network and noise.", min=0)] = FitConfig.seed,
    device: Device = FitConfig.device,
) -> None:
    """Learn what normal rows look like.

    Give rows that are normal, or nearly all normal; or name the label column and its value for normal rows.
    """
    from segqc.tabular.commands.fit import fit_table

    found = fit_table(
        FitConfig(
            data=data, categorical=_split(categorical), numeric=_split(numeric), drop=_split(drop), missing=_split(missing), separator=separator,
            out=out, label=label, normal=normal, method=method, steps=steps, contamination=contamination, seed=seed, device=device,
        ),
        console,
    )  # fmt: skip
    left_out = f" ({found.left_out:,} of another label left out)" if found.left_out else ""
    console.print(f"Learned from {found.rows:,} rows{left_out} in {found.seconds:.0f} s.", highlight=False)
    console.print(f"Categories: {', '.join(found.categorical) or 'none'}.", soft_wrap=True, highlight=False)
    console.print(f"Numbers: {', '.join(found.numeric) or 'none'}.", soft_wrap=True, highlight=False)
    if found.perhaps_codes:
        names = ",".join(found.perhaps_codes)
        console.print(
            f"Few whole numbers: if they are codes, fit again with --categorical {names}",
            soft_wrap=True,
            highlight=False,
        )
    console.print(wrote(found.folder, what="the model folder "), soft_wrap=True)
    console.print(f"Next: segqc tabular score --model {found.folder} --data TABLE --out scores.csv", soft_wrap=True)


@app.command(
    epilog="Example: segqc tabular score --model runs/orders --data new_orders.parquet --keep order_id --out scores.csv"
)
def score(
    data: Data,
    model: Annotated[Path, typer.Option(help="Model folder written by `segqc tabular fit`.")] = ScoreConfig.model,
    out: Annotated[Path, typer.Option(help="CSV file, a line per row in the order of the table.")] = ScoreConfig.out,
    keep: Annotated[
        str | None, typer.Option(help="Columns of the table to copy, such as an identifier, with commas between.")
    ] = None,
    cells: Annotated[int, typer.Option(help="Odd columns named per row, at most.", min=0)] = ScoreConfig.cells,
    explained: Annotated[
        int, typer.Option(help="Name the odd columns of so many rows, the most anomalous ones.", min=0)
    ] = ScoreConfig.explained,
    chunk: Annotated[int, typer.Option(help="Rows in memory at once.", min=1)] = ScoreConfig.chunk,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 when a row, or a cell, could not be read.")
    ] = False,
    device: Device = ScoreConfig.device,
) -> None:
    """Rank the rows of a table, and say which cells are odd. Rows that cannot be read get a line with the reason."""
    from segqc.tabular.commands.score import score_table

    config = ScoreConfig(
        data=data, model=model, out=out, keep=_split(keep), cells=cells, explained=explained, chunk=chunk, device=device,
    )  # fmt: skip
    found = score_table(config, console)
    table = Table(title="The ten oddest rows")
    kept = [f"kept_{name}" for name in config.keep]
    for name in ("rank", "row", *config.keep, "score", "because of"):
        table.add_column(name, overflow="fold")
    for line in found.top:
        odd = ", ".join(f"{line[f'odd_{k}']} = {line[f'value_{k}']}" for k in range(1, cells + 1) if f"odd_{k}" in line)
        texts = [str(line["rank"]), str(line["row"]), *(str(line[name]) for name in kept), f"{line['score']:.3f}", odd]
        table.add_row(*texts)
    console.print(table)
    speed = f", {found.rows / found.seconds:,.0f} rows/s" if found.seconds else ""
    console.print(f"{found.rows:,} rows scored{speed}, {found.outliers:,} beyond the threshold.", highlight=False)
    if found.bad or found.noted:
        unread = f"{found.bad:,} rows could not be read, and {found.noted:,} have a cell that could not"
        console.print(Text.assemble((unread, "yellow"), "; see `reason`."))
    console.print(wrote(found.path), soft_wrap=True)
    console.print("Next: open it and sort by rank; odd_1 and value_1 say where to look.")
    if strict and (found.bad or found.noted):
        raise typer.Exit(1)


@app.command(
    epilog="Example: segqc tabular benchmark --data orders.csv --label fraud --anomaly yes --drop order_id --out runs/orders-benchmark"
)
def benchmark(
    data: Data,
    label: Annotated[str, typer.Option(help="Column that says what a row is.")] = _BENCHMARK.label,
    anomaly: Annotated[
        str, typer.Option(help="Value of --label for anomalies; all other rows are inliers.")
    ] = _BENCHMARK.anomaly,
    categorical: Categorical = None,
    numeric: Numeric = None,
    drop: Drop = None,
    missing: Missing = None,
    separator: Separator = None,
    methods: Annotated[str | None, typer.Option(help="Which, with commas between; all by default.")] = None,
    seeds: Annotated[str, typer.Option(help="Of the splits, with commas between.")] = ",".join(
        map(str, _BENCHMARK.seeds)
    ),
    out: Annotated[
        Path, typer.Option(help="Folder for rows and tables; the same command continues in it.")
    ] = _BENCHMARK.out,
) -> None:
    """Is the detector any good on a labelled table of yours? Beside plain counting, Isolation Forest, ECOD, Deep SVDD
    and DAGMM.

    Learns from 80 % of the inliers, ranks the last 10 % together with all anomalies, once per seed.
    """
    from evaluation.tables.own_table import benchmark_table

    try:
        numbers = tuple(int(part) for part in _split(seeds))
    except ValueError:
        raise BadInput(
            "--seeds",
            f"expected whole numbers with commas between them, but got {seeds!r}",
            "give something like --seeds 0,1,2",
        ) from None
    config = BenchmarkConfig(
        data=data, categorical=_split(categorical), numeric=_split(numeric), drop=_split(drop), missing=_split(missing), separator=separator,
        label=label, anomaly=anomaly, methods=_split(methods), seeds=numbers, out=out,
    )  # fmt: skip
    found = benchmark_table(config, console)
    table = Table(
        title=f"{found.inliers:,} inliers, {found.anomalies:,} anomalies; mean ± standard deviation over {len(numbers)} splits, in %"
    )
    for name in ("method", "average precision", "AUROC", "fit, s"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for line in found.lines:
        cells = [
            f"{100 * line[m]:.2f}" + (f" ± {100 * line[m + '_sd']:.2f}" if m + "_sd" in line else "")
            for m in ("average_precision", "auroc")
        ]
        table.add_row(str(line["method"]), *cells, f"{line['fit_seconds']:.1f}" if "fit_seconds" in line else "")
    console.print(table)
    console.print(wrote(out / "benchmark.csv", "; rows/ beside it holds every fit's scores."), soft_wrap=True)
    console.print(f"Next: segqc tabular fit --data {data} --label {label} --normal VALUE --out MODEL", soft_wrap=True)
