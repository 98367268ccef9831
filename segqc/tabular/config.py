"""One dataclass per command of `segqc tabular`: the same fields on the command line and in Python."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Setting, check_settings

Data = Annotated[Path, Setting("Table to read: .csv, .tsv, .arff or .parquet; text also as .gz, .bz2, .xz or .zst.")]
Device = Annotated[str, Setting("Device to compute on: cpu, cuda, cuda:1 or mps.")]


@dataclass(frozen=True)
class TableConfig:
    """How a table is read."""

    data: Data
    # 10115.0 is read as 10115 in them, here and when a model scores: so pandas writes whole numbers when one of their
    # column is missing.
    categorical: Annotated[
        tuple[str, ...],
        Setting(
            "Columns that are categories although they look like numbers, separated by commas; 10115.0 is read "
            "as 10115."
        ),
    ] = ()
    numeric: Annotated[tuple[str, ...], Setting("Columns that must be numbers, separated by commas.")] = ()
    drop: Annotated[tuple[str, ...], Setting("Columns to leave out, such as row numbers, separated by commas.")] = ()
    missing: Annotated[
        tuple[str, ...],
        Setting('Texts in CSV that mean a missing value, besides an empty cell and NA, such as "?,unknown".'),
    ] = ()
    separator: Annotated[
        str | None, Setting("Separator between the cells of CSV (default: a comma; in .tsv a tab).")
    ] = None
    decimal: Annotated[str, Setting("Decimal mark of the numbers in CSV, such as a comma.")] = "."
    thousands: Annotated[
        str, Setting("Mark between the thousands of numbers in CSV, such as the comma in 1,234.5 (default: none).")
    ] = ""
    date_format: Annotated[
        str | None,
        Setting(
            "How dates in CSV are written if not as 2024-01-31, such as %d.%m.%Y for 31.01.2024 (codes of strptime)."
        ),
    ] = None

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.decimal or self.decimal == self.thousands:
            raise ValueError(
                f"Expected a decimal mark, and another one between thousands, but got {self.decimal!r} and "
                f"{self.thousands!r}: name both, such as --decimal , --thousands ."
            )
        if self.date_format is not None:
            _check_date_format(self.date_format)


def _check_date_format(format: str) -> None:
    try:
        datetime.datetime.strptime("", format)
    except ValueError as error:
        # Any format refuses an empty text; a wrong one says so first.
        if not str(error).startswith("time data"):
            raise ValueError(f"--date-format {format!r}: {error}; write it like %d.%m.%Y") from None


@dataclass(frozen=True)
class FitConfig(TableConfig):
    """`segqc tabular fit`."""

    out: Annotated[Path, Setting("Folder for the model.")] = Path("runs/table")
    label: Annotated[str | None, Setting("Column with the label of each row; the model does not see it.")] = None
    normal: Annotated[str | None, Setting("Value of --label that marks normal rows; only these are learned from.")] = (
        None
    )
    method: Annotated[str | None, Setting("Method of the detector: mixing or paper (default: mixing).")] = None
    steps: Annotated[
        int | None, Setting("Maximum number of training steps of --method paper (default: 2000).", low=1)
    ] = None
    contamination: Annotated[
        float,
        Setting("Share of the learned rows that lie beyond the threshold for outliers.", low=0, high=0.5),
    ] = 0.01
    seed: Annotated[int, Setting("Random seed for network and noise.", low=0)] = 0
    device: Device = "cpu"


@dataclass(frozen=True)
class ScoreConfig:
    """`segqc tabular score`. Columns of the table that the model was not fitted on are ignored."""

    data: Data
    model: Annotated[Path, Setting("Model folder written by `segqc tabular fit`.")] = FitConfig.out
    out: Annotated[Path, Setting("CSV file to write, with one line per row in the order of the table.")] = Path(
        "scores.csv"
    )
    keep: Annotated[
        tuple[str, ...],
        Setting("Columns of the table to copy into the CSV file, such as an identifier, separated by commas."),
    ] = ()
    cells: Annotated[int, Setting("Maximum number of anomalous columns that are named per row.", low=0)] = 3
    explained: Annotated[
        int, Setting("Number of rows whose anomalous columns are named: the most anomalous rows.", low=0)
    ] = 10_000
    chunk: Annotated[int, Setting("Number of rows that are in memory at once.", low=1)] = 65_536
    device: Device = "cpu"

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class BenchmarkConfig(TableConfig):
    """`segqc tabular benchmark`."""

    label: Annotated[str, Setting("Column with the label of each row.")] = "class"
    anomaly: Annotated[str, Setting("Value of --label that marks anomalies; all other rows are inliers.")] = "1"
    methods: Annotated[tuple[str, ...], Setting("Methods to compare, separated by commas (default: all).")] = ()
    seeds: Annotated[tuple[int, ...], Setting("Random seeds of the splits, separated by commas.", low=0)] = (
        0,
        1,
        2,
        3,
        4,
    )
    out: Annotated[
        Path, Setting("Folder for the scores of each fit and the tables; the same command continues in it.")
    ] = Path("runs/table-benchmark")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.seeds:
            raise ValueError("Expected at least one seed, but got none")
