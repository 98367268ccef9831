"""One dataclass per command of `segqc tabular`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Setting, check_settings

Data = Annotated[Path, Setting("Table: .csv, .tsv, .arff or .parquet.")]
Device = Annotated[str, Setting("cpu, cuda, cuda:1, mps.")]


@dataclass(frozen=True)
class TableConfig:
    """How a table is read."""

    data: Data
    # 10115.0 is read as 10115 in them, here and when a model scores: so pandas writes whole numbers when one of their
    # column is missing.
    categorical: Annotated[
        tuple[str, ...],
        Setting(
            "Columns that are categories though they look like numbers, with commas between; 10115.0 is read as 10115."
        ),
    ] = ()
    numeric: Annotated[tuple[str, ...], Setting("Columns that must be numbers, with commas between.")] = ()
    drop: Annotated[tuple[str, ...], Setting("Columns to leave out, such as row numbers, with commas between.")] = ()
    missing: Annotated[
        tuple[str, ...],
        Setting('Cells of CSV that are missing values, besides empty ones and NA, such as "?,unknown".'),
    ] = ()
    separator: Annotated[str | None, Setting("Between the cells of CSV; a comma by default.")] = None

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class FitConfig(TableConfig):
    """`segqc tabular fit`."""

    out: Annotated[Path, Setting("Model folder.")] = Path("runs/table")
    label: Annotated[str | None, Setting("Column that says what a row is; it is not learned.")] = None
    normal: Annotated[str | None, Setting("Value of --label for normal rows: only these are learned from.")] = None
    method: Annotated[str | None, Setting("Of GumbelScoreDetector, such as paper; its default by default.")] = None
    steps: Annotated[int | None, Setting("Of training, at most; the method's by default.", low=1)] = None
    contamination: Annotated[
        float,
        Setting("Share of the learned rows beyond the threshold that `score` applies.", low=0, high=0.5),
    ] = 0.01
    seed: Annotated[int, Setting("Of network and noise.", low=0)] = 0
    device: Device = "cpu"


@dataclass(frozen=True)
class ScoreConfig:
    """`segqc tabular score`. Columns of the table that the model was not fitted on are ignored."""

    data: Data
    model: Annotated[Path, Setting("Model folder written by `segqc tabular fit`.")] = FitConfig.out
    out: Annotated[Path, Setting("CSV file, a line per row in the order of the table.")] = Path("scores.csv")
    keep: Annotated[
        tuple[str, ...], Setting("Columns of the table to copy, such as an identifier, with commas between.")
    ] = ()
    cells: Annotated[int, Setting("Odd columns named per row, at most.", low=0)] = 3
    explained: Annotated[int, Setting("Name the odd columns of so many rows, the most anomalous ones.", low=0)] = 10_000
    chunk: Annotated[int, Setting("Rows in memory at once.", low=1)] = 65_536
    device: Device = "cpu"

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class BenchmarkConfig(TableConfig):
    """`segqc tabular benchmark`."""

    label: Annotated[str, Setting("Column that says what a row is.")] = "class"
    anomaly: Annotated[str, Setting("Value of --label for anomalies; all other rows are inliers.")] = "1"
    methods: Annotated[tuple[str, ...], Setting("Which, with commas between; all by default.")] = ()
    seeds: Annotated[tuple[int, ...], Setting("Of the splits, with commas between.", low=0)] = (0, 1, 2, 3, 4)
    out: Annotated[Path, Setting("Folder for rows and tables; the same command continues in it.")] = Path(
        "runs/table-benchmark"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.seeds:
            raise ValueError("Expected at least one seed, but got none")
