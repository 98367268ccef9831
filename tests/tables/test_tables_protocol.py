"""The seven sets, the split, the ceiling: the real files where they are, small tables otherwise."""

import tarfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from conftest import SHARED_DATA
from skipped import NO_DATA
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.tables import datasets, paper
from evaluation.tables.ceiling import ceiling
from evaluation.tables.datasets import DATASETS, Dataset, load_dataset, one_hot_width
from evaluation.tables.protocol import Split, file_name, split_inliers
from segqc.base.errors import BadInput

DATA = SHARED_DATA / "tabular"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA)

HEADER = "@relation r\n@attribute a {x,y,z}\n@attribute n {1,2,3}\n@attribute class {0,1}\n"
ARFF = f"{HEADER}@data\nx,1,0\ny,2,0\n?,3,0\nz,1,1\n"


@needs_data
@pytest.mark.parametrize("name", ["Bank", "Chess", "CMC", "Probe", "Solar", "U2R"])
def test_the_sets_are_those_of_the_papers_table(name: str) -> None:
    found = load_dataset(DATASETS[name], DATA)
    assert len(found.anomalous) == found.features.num_rows == DATASETS[name].rows


@needs_data
@pytest.mark.slow
def test_census_read_both_ways() -> None:
    nominal, mixed = (load_dataset(DATASETS[name], DATA) for name in ("Census", "Census, 5 numeric"))
    assert one_hot_width(mixed.features.filter(pyarrow.array(~mixed.anomalous))) == 396
    assert [field.name for field in mixed.features.schema if pyarrow.types.is_float64(field.type)] == [
        "att3",
        "att4",
        "att37",
        "att39",
        "att41",
    ]
    assert np.array_equal(nominal.anomalous, mixed.anomalous)


def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changed: object) -> Dataset:
    dataset = Dataset(
        **(
            {"name": "S", "file": "s.arff", "anomaly": "1", "rows": 4, "anomalies": 1, "columns": 2, "width": 6}
            | changed
        )
    )
    (tmp_path / "s.arff").write_text(ARFF)
    monkeypatch.setitem(datasets.DATASETS, "S", dataset)
    return dataset


def test_a_set_that_is_not_the_papers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_dataset(small(tmp_path, monkeypatch), tmp_path)  # x, y, missing; 1, 2, 3
    assert found.anomalous.tolist() == [False, False, False, True]
    for changed, words in (
        ({"rows": 5}, "has 4 rows where the paper's S has 5"),
        ({"anomalies": 2}, "has 1 anomalies"),
        ({"width": 5}, "has 6 outcomes of inliers"),
        ({"table_width": 6}, "has 7 outcomes of all rows"),
    ):
        with pytest.raises(BadInput, match=words):
            load_dataset(small(tmp_path, monkeypatch, **changed), tmp_path)


def test_an_archive_of_one_arff_file_reads_like_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = small(tmp_path, monkeypatch)
    with tarfile.open(tmp_path / "s.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "s.arff", "folder/s.arff")
    packed = small(tmp_path, monkeypatch, file="s.tar.xz")
    assert load_dataset(packed, tmp_path).features.equals(load_dataset(plain, tmp_path).features)
    (tmp_path / "s.tar.xz").write_bytes((tmp_path / "s.tar.xz").read_bytes()[:100])
    with pytest.raises(BadInput, match="cannot be unpacked"):
        load_dataset(packed, tmp_path)


def test_codes_can_be_read_as_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_dataset(small(tmp_path, monkeypatch, numeric=("n",), width=3), tmp_path)
    assert found.features.column("n").to_pylist() == [1.0, 2.0, 3.0, 1.0]


def test_the_split_shares_no_row_and_keeps_every_anomaly_for_the_test() -> None:
    features = pyarrow.table({"id": np.arange(105.0)})
    anomalous = np.arange(105) % 21 == 0
    split = split_inliers(features, anomalous, 3)
    parts = [part.column("id").to_numpy().astype(int) for part in (split.train, split.validation, split.test)]
    assert [len(part) for part in parts] == [80, 10, 15]
    assert sorted(np.concatenate(parts)) == list(range(105))
    assert sorted(parts[2][split.anomalous]) == [0, 21, 42, 63, 84]
    assert not anomalous[np.concatenate(parts[:2])].any()
    again, other = split_inliers(features, anomalous, 3), split_inliers(features, anomalous, 4)
    assert again.train.equals(split.train)
    assert not other.train.equals(split.train)
    with pytest.raises(ValueError, match="10 inliers and one anomaly"):
        split_inliers(features, np.zeros(105, bool), 0)


def one_split(values: str, anomalous: list[int], train: str = "q") -> Split:
    table = pyarrow.table({"v": list(values)})
    return Split(pyarrow.table({"v": list(train)}), table.slice(0, 0), table, np.array(anomalous, bool))


def test_without_duplicates_there_is_no_ceiling() -> None:
    found = ceiling(one_split("abcd", [1, 0, 1, 0]))
    assert (found.average_precision, found.auroc, found.shared) == (1, 1, 0)


def test_no_order_of_the_values_exceeds_the_ceiling() -> None:
    values, anomalous = "aaabbbbccccccdde", [1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    found = ceiling(one_split(values, anomalous, train="bbe"))
    scores = [[order.index(value) for value in values] for order in permutations("abcde")]
    best_auroc = max(roc_auc_score(anomalous, score) for score in scores)
    best_precision = max(average_precision_score(anomalous, score) for score in scores)
    assert found.auroc == pytest.approx(best_auroc)
    assert best_precision <= found.average_precision < best_precision + 0.05
    assert found.shared == 1  # a, b and c equal test inliers, e one of the training rows


def test_anomalies_that_all_equal_inliers_leave_chance() -> None:
    found = ceiling(one_split("aaaaaaaa", [1, 0, 0, 0, 1, 0, 0, 0]))
    assert (found.average_precision, found.auroc) == pytest.approx((0.25, 0.5))


def test_equal_numbers_are_equal_values_not_equal_bins() -> None:
    table = pyarrow.table({"x": np.arange(50.0)})
    found = ceiling(Split(table.slice(0, 1), table.slice(0, 0), table, np.arange(50) % 2 == 0))
    assert found.auroc == 1


def test_the_paper_is_quoted_for_every_set() -> None:
    assert set(paper.GNSM) == set(paper.BEST_OTHER) == set(DATASETS) - {"Census, 5 numeric"}
    assert file_name("Census, 5 numeric") == "Census-5-numeric"
