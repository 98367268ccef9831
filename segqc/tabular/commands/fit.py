"""`segqc tabular fit`: a table file becomes a model folder that knows how to read further tables."""

import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute
from rich.console import Console
from rich.text import Text

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.tabular.commands.hints import hints_on
from segqc.tabular.commands.reader import read_features, write_reader
from segqc.tabular.config import FitConfig
from segqc.tabular.detector import GumbelScoreDetector
from segqc.tabular.feature_types import NumbersAsText
from segqc.tabular.io.cells import is_date, is_number
from segqc.tabular.io.files import split_label
from segqc.tabular.io.raw import BadRow
from segqc.tabular.storage import check_place

_FEW = 20  # so few different whole numbers are more likely codes than measurements


@dataclass(frozen=True)
class Fitted:
    """Result of `fit_table`.

    Attributes
    ----------
    folder : Path
    rows, left_out : int
        Rows that were learned from, and rows with another label than the normal one.
    problems : list of BadRow
        Rows that could not be read.
    categorical, numeric, dates : list of str
    perhaps_codes : list of str
        Numeric columns that hold few different whole numbers.
    hints : list of str
        A sentence on each categorical column most of whose cells are numbers or dates.
    seconds : float
    """

    folder: Path
    rows: int
    left_out: int
    problems: list[BadRow]
    categorical: list[str]
    numeric: list[str]
    dates: list[str]
    perhaps_codes: list[str]
    hints: list[str]
    seconds: float


def fit_table(config: FitConfig, console: Console | None = None) -> Fitted:
    """Read the table, fit, and write the model folder.

    Raises
    ------
    BadInput
        When the table cannot be read, lacks a column that was named, has no normal rows or no columns left, or when a
        table model cannot be written to `config.out`.
    """
    start = time.perf_counter()
    if (config.label is None) != (config.normal is None):
        raise BadInput(
            "--label and --normal", "are needed together", "name the label column and its value for normal rows"
        )
    check_place(config.out)
    problems: list[BadRow] = []
    features = read_features(config, problems)
    table = features if config.label is None else _normal_rows(features, config, config.label)
    if not table.num_columns:
        raise BadInput(config.data, "has no columns left", "drop fewer of them")
    if table.num_rows < 2:
        raise BadInput(config.data, "has one row to learn from", "it needs two, and some dozens to be of use")
    _fit(table, config, console).save(config.out)
    numeric = [name for name in table.column_names if is_number(table.column(name).type)]
    dates = [name for name in table.column_names if is_date(table.column(name).type)]
    categorical = [name for name in table.column_names if name not in (*numeric, *dates)]
    write_reader(config, table.column_names, numeric, dates)
    return Fitted(
        config.out,
        table.num_rows,
        features.num_rows - table.num_rows,
        problems,
        categorical,
        numeric,
        dates,
        [name for name in numeric if _looks_like_codes(table.column(name))],
        hints_on(table, [name for name in categorical if name not in config.categorical], config),
        time.perf_counter() - start,
    )


def _normal_rows(table: pyarrow.Table, config: FitConfig, label: str) -> pyarrow.Table:
    """The rows whose label is the normal one, without the label."""
    features, labels = split_label(table, label, config.data)
    normal = features.filter(pyarrow.compute.fill_null(pyarrow.compute.equal(labels, config.normal), False))
    if not normal.num_rows:
        counts = ", ".join(f"{value!r} {count} times" for value, count in Counter(labels.to_pylist()).most_common(5))
        raise BadInput(config.data, f"has no row whose {label!r} is {config.normal!r}", f"it has {counts}")
    return normal


def _fit(table: pyarrow.Table, config: FitConfig, console: Console | None) -> GumbelScoreDetector:
    """The detector of the rows, with a progress bar."""
    chosen = {name: value for name in ("method", "steps") if (value := getattr(config, name)) is not None}
    detector = GumbelScoreDetector(
        contamination=config.contamination, random_state=config.seed, device=config.device, **chosen
    )
    with make_progress(console, "note") as progress:
        task = progress.add_task("fitting", total=detector.steps, note="")

        def report(step: int, loss: float) -> None:
            progress.update(task, completed=step, note=f"validation loss {loss:.4f}")

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            warnings.simplefilter("ignore", NumbersAsText)  # a hint names the options that help
            detector.fit(table, progress=report)
        progress.update(task, completed=detector.steps)
        for warning in caught:
            progress.console.print(Text.assemble(("Warning:", "bold yellow"), f" {warning.message}"), soft_wrap=True)
    return detector


def _looks_like_codes(column: pyarrow.ChunkedArray) -> bool:
    values = pyarrow.compute.unique(column.drop_null()).to_numpy()
    return len(values) <= _FEW and bool(np.all(values == np.round(values)))
