"""The seven sets of the paper's Table 1 (arXiv 2304.03220), read from ARFF files that check themselves against it."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute

from segqc.base.errors import BadInput
from segqc.tabular.io.files import read_table, split_label
from segqc.tabular.io.raw import read_arff


@dataclass(frozen=True)
class Dataset:
    """What a set is, and what the paper's Table 1 says of it.

    Attributes
    ----------
    name : str
    file : str
        ARFF, or a .tar.xz that holds one.
    anomaly : str
        Value of the last column that marks anomalies.
    rows, anomalies, columns : int
    width : int
        One-hot width of the nominal columns over the inliers, a missing value counting as an outcome where there are
        any.
    numeric : tuple of str
        Nominal codes that are read as numbers.
    table_width : int or None
        Width in the paper where it is not the inliers': in Probe it counts outcomes that only anomalies have.
    """

    name: str
    file: str
    anomaly: str
    rows: int
    anomalies: int
    columns: int
    width: int
    numeric: tuple[str, ...] = ()
    table_width: int | None = None


_KDD = "kddcup99-corrected-{}vsnormal-nominal-cleaned.arff"
_CENSUS = "census-income-full-nominal.tar.xz"

DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("Bank", "bank-additional-ful-nominal.arff", "yes", 41_188, 4_640, 10, 53),
        Dataset("Census", _CENSUS, "50000+.", 299_285, 18_568, 33, 503),
        Dataset("Chess", "chess_krkopt_zerovsall.arff", "1", 28_056, 27, 6, 40),
        Dataset("CMC", "cmc-nominal.arff", "1", 1_473, 29, 8, 25),
        Dataset("Probe", _KDD.format("probe"), "1", 64_759, 4_166, 6, 40, table_width=67),
        Dataset("Solar", "solar-flare_FvsAll-cleaned.arff", "1", 1_066, 43, 11, 41),
        Dataset("U2R", _KDD.format("u2r"), "1", 60_821, 228, 6, 40),
        # As the paper read it: industry and occupation codes, business, veteran's benefits and year as numbers.
        Dataset(
            "Census, 5 numeric",
            _CENSUS,
            "50000+.",
            299_285,
            18_568,
            33,
            396,
            ("att3", "att4", "att37", "att39", "att41"),
        ),
    )
}


@dataclass(frozen=True)
class LabelledTable:
    """A set in memory: text columns (and numbers, where a set has them) and which rows are anomalies, bool `[n]`."""

    name: str
    features: pyarrow.Table
    anomalous: np.ndarray


def load_dataset(dataset: Dataset, folder: Path | str) -> LabelledTable:
    """Read a set and check it.

    Raises
    ------
    BadInput
        The file is missing or damaged, or is not the table that the paper describes.
    """
    path = Path(folder) / dataset.file
    table = _read_archive(path) if path.name.endswith(".tar.xz") else read_table(path)
    features, labels = split_label(table, table.column_names[-1], path)
    anomalous = pyarrow.compute.equal(labels, dataset.anomaly).to_numpy(zero_copy_only=False)
    for name in dataset.numeric:
        column = features.column(name).cast(pyarrow.float64())
        features = features.set_column(features.column_names.index(name), name, column)
    found = LabelledTable(dataset.name, features, anomalous)
    _check(found, dataset, path)
    return found


def one_hot_width(features: pyarrow.Table) -> int:
    """Number of outcomes over the text columns; missing is one where it occurs."""
    texts = [column for column in features.columns if pyarrow.types.is_string(column.type)]
    return sum(len(pyarrow.compute.unique(column)) for column in texts)


def _read_archive(path: Path) -> pyarrow.Table:
    if not path.is_file():
        raise BadInput(path, "does not exist", "name the folder of the seven sets")
    try:
        with tarfile.open(path) as archive:
            members = [member for member in archive if member.isfile() and member.name.endswith(".arff")]
            if len(members) != 1:
                raise BadInput(path, f"holds {len(members)} ARFF files instead of one")
            stream = archive.extractfile(members[0])
            assert stream is not None  # it is a file
            return read_arff(io.TextIOWrapper(stream, encoding="utf-8"), path)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadInput(path, f"cannot be unpacked: {error}", "fetch it again") from error


def _check(found: LabelledTable, dataset: Dataset, path: Path) -> None:
    """Compare with the paper's Table 1."""
    inliers = found.features.filter(pyarrow.array(~found.anomalous))
    expected = {
        "rows": dataset.rows,
        "anomalies": dataset.anomalies,
        "columns": dataset.columns,
        "outcomes of inliers": dataset.width,
    }
    counted = {
        "rows": len(found.anomalous),
        "anomalies": int(found.anomalous.sum()),
        "columns": found.features.num_columns,
        "outcomes of inliers": one_hot_width(inliers),
    }
    if dataset.table_width:
        expected["outcomes of all rows"], counted["outcomes of all rows"] = (
            dataset.table_width,
            one_hot_width(found.features),
        )
    for what, number in expected.items():
        if counted[what] != number:
            raise BadInput(
                path,
                f"has {counted[what]:,} {what} where the paper's {dataset.name} has {number:,}",
                "is it the right file?",
            )
