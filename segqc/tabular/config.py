"""One dataclass per command of `segqc tabular`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path

from segqc.base.settings import check_range


@dataclass(frozen=True)
class TableConfig:
    """How a table is read.

    Attributes
    ----------
    data : Path
        CSV, TSV, ARFF or Parquet.
    categorical : tuple of str
        Columns that are categories, though they may look like numbers. 10115.0 is read as 10115 in them, here and when
        a model scores: so pandas writes whole numbers when one of their column is missing.
    numeric : tuple of str
        Columns that must be numbers.
    drop : tuple of str
        Columns that say nothing about a row, such as its number.
    missing : tuple of str
        Cells of CSV that are missing values, besides empty ones and NA.
    separator : str or None
        Of CSV; a comma by default.
    """

    data: Path
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    separator: str | None = None


@dataclass(frozen=True)
class FitConfig(TableConfig):
    """`segqc tabular fit`.

    Attributes
    ----------
    out : Path
        Model folder.
    label, normal : str or None
        Column that says what a row is, and its value for normal rows: only these are learned from. Without them all
        rows are.
    method : str or None
        Of `GumbelScoreDetector`; its default by default.
    steps : int or None
        Of training, at most; the method's by default.
    contamination : float
        Share of the rows that the threshold calls outliers.
    seed : int
    device : str
    """

    out: Path = Path("runs/table")
    label: str | None = None
    normal: str | None = None
    method: str | None = None
    steps: int | None = None
    contamination: float = 0.01
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_range(self, "steps", 1)
        check_range(self, "contamination", 0, 0.5)
        check_range(self, "seed", 0)


@dataclass(frozen=True)
class ScoreConfig:
    """`segqc tabular score`.

    Attributes
    ----------
    data : Path
        A table with the columns that the model was fitted on; others are ignored.
    model : Path
    out : Path
        CSV, a line per row.
    keep : tuple of str
        Columns of `data` to copy as they stand there, such as an identifier.
    cells : int
        Odd columns named per row, at most.
    explained : int
        Rows whose odd columns are named: the most anomalous ones.
    chunk : int
        Rows in memory at once.
    device : str
    """

    data: Path
    model: Path = FitConfig.out
    out: Path = Path("scores.csv")
    keep: tuple[str, ...] = ()
    cells: int = 3
    explained: int = 10_000
    chunk: int = 65_536
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_range(self, "cells explained", 0)
        check_range(self, "chunk", 1)


@dataclass(frozen=True)
class BenchmarkConfig(TableConfig):
    """`segqc tabular benchmark`.

    Attributes
    ----------
    label, anomaly : str
        Column that says what a row is, and its value for anomalies; all other rows are inliers.
    methods : tuple of str
        Of `evaluation.tables.methods.METHODS`; all by default.
    seeds : tuple of int
    out : Path
        Folder for rows and tables.
    """

    label: str = "class"
    anomaly: str = "1"
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    out: Path = Path("runs/table-benchmark")

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError(f"Expected seeds to be numbers of at least 0, at least one of them, but got {self.seeds}")
