"""The table of tables: planted anomalies, splits with anomalies, peers, and the document."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from sklearn.metrics import average_precision_score

from evaluation.tables.benchmark import run_benchmark
from evaluation.tables.collection import collection, plant
from evaluation.tables.many import random_tie_precision, render
from evaluation.tables.methods import METHODS
from evaluation.tables.protocol import split_with_anomalies
from evaluation.tables.rows import load_scores
from evaluation.tables.summary import Results
from segqc.base.errors import BadInput


def mixed(rows: int = 120, seed: int = 0) -> tuple[pyarrow.Table, np.ndarray]:
    """b follows a; x is a number; the last tenth of the rows are anomalies."""
    rng = np.random.default_rng(seed)
    a = rng.choice(list("uvw"), rows)
    anomalous = np.arange(rows) >= 0.9 * rows
    b = np.where(anomalous, "z", a)
    return pyarrow.table({"a": a, "b": b, "x": rng.normal(size=rows) + 3 * anomalous}), anomalous


def test_no_row_is_fitted_and_ranked() -> None:
    table = pyarrow.table({"i": np.arange(200.0)})
    anomalous = np.arange(200) < 30
    for share, hidden in ((0.0, 0), (0.05, 8), (0.5, 15)):
        split = split_with_anomalies(table, anomalous, seed=1, share=share)
        fitted, ranked = (set(part.column("i").to_pylist()) for part in (split.train, split.test))
        assert not fitted & ranked
        assert len(fitted | ranked) == 200
        assert sum(i < 30 for i in fitted) == hidden
        assert split.anomalous.sum() == 30 - hidden
        assert not split.validation.num_rows


def test_planted_rows_differ_from_the_table_and_others_do_not() -> None:
    table, _ = mixed(400)
    planted, anomalous = plant(table, np.random.default_rng(0))
    before, after = table.to_pylist(), planted.to_pylist()
    changed = np.array([first != second for first, second in zip(before, after, strict=True)])
    assert not changed[~anomalous].any()
    assert anomalous.sum() == 20
    assert changed[anomalous].mean() > 0.9
    assert planted.schema == table.schema


def test_ties_at_random_are_scikit_learns_precision_without_ties_and_less_with_them() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.random(200) < 0.3, rng.normal(size=200)
    assert random_tie_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    constant = np.zeros(200)
    assert random_tie_precision(labels, constant) == pytest.approx(labels.mean(), abs=0.05)


@pytest.mark.parametrize("method", ["knn", "lof", "copod", "hbos", "inne"])
def test_peers_find_rows_far_out(method: str) -> None:
    if method in ("copod", "hbos", "inne"):
        pytest.importorskip("pyod")
    table, anomalous = mixed()
    split = split_with_anomalies(table, anomalous, seed=0)
    scores = METHODS[method].make(0).fit(split.train, split.validation).anomaly_score(split.test)
    assert np.isfinite(scores).all()
    assert average_precision_score(split.anomalous, scores) > (0.55 if method == "hbos" else 0.8)


def test_files_are_read_and_need_their_label(tmp_path: Path) -> None:
    table, anomalous = mixed()
    labelled = table.append_column("__anomaly", pyarrow.array(anomalous))
    pyarrow.parquet.write_table(labelled, tmp_path / "mine.parquet")
    entry = next(entry for entry in collection(None, tmp_path) if entry.group == "files")
    found = entry.load()
    assert found.features.column_names == ["a", "b", "x"]
    assert np.array_equal(found.anomalous, anomalous)
    pyarrow.parquet.write_table(table, tmp_path / "mine.parquet")
    with pytest.raises(BadInput, match="__anomaly"):
        entry.load()


def test_scikit_learns_tables_are_always_there() -> None:
    found = {entry.name: entry for entry in collection(None, None)}
    wine = found["wine"].load()
    assert wine.anomalous.sum() == 15
    assert wine.features.num_columns == 13


def shared_precision(results: dict[str, Results], name: str, fit: str) -> str:
    """Average precision of a fit on the rows that the clean fit and the other one both rank."""
    (fewest,), (row,) = results["dirty"].rows("segqc", name), results[fit].rows("segqc", name)
    scores, inliers = load_scores(results[fit].folder, row), row.test_rows - row.anomalies
    scores = np.append(scores[:inliers], scores[-fewest.anomalies :])
    return f"{100 * average_precision_score(np.arange(len(scores)) >= inliers, scores):.1f}"


def test_the_document_tells_wins_and_losses(tmp_path: Path) -> None:
    sets = {}
    for seed in (0, 1):
        table, anomalous = mixed(seed=seed)
        pyarrow.parquet.write_table(
            table.append_column("__anomaly", pyarrow.array(anomalous)), tmp_path / f"t{seed}.parquet"
        )
    entries = [entry for entry in collection(None, tmp_path) if entry.group == "files"]
    sets = {entry.name: entry.group for entry in entries}
    methods, results = ["segqc", "knn"], {}
    for name, share in (("clean", 0.0), ("dirty", 0.05)):
        splitting = partial(split_with_anomalies, share=share)
        tables = [(entry.name, entry.load) for entry in entries]
        run_benchmark(tables, methods, [0], tmp_path / name, splitting=splitting)
        results[name] = Results(tmp_path / name, methods, list(sets), [0])
    text = render(results["clean"], sets, {0.05: results["dirty"]}, "command", "picture.png", "More.")
    assert "| kNN | " in text
    assert "2 tables, seeds 0." in text
    assert "| t0 | " in text
    assert "More." in text
    assert "segqc (default) is ahead of all others on " in text
    assert "## Anomalies among the training rows" in text
    assert "| method | 0 % | 5 % |" in text
    assert "| table | 0 % | 5 % |" in text
    assert f"| t0 | {shared_precision(results, 't0', 'clean')} | {shared_precision(results, 't0', 'dirty')} |" in text


def test_a_document_of_a_run_that_is_not_complete(tmp_path: Path) -> None:
    table, anomalous = mixed()
    labelled = table.append_column("__anomaly", pyarrow.array(anomalous))
    names = {"t0": ["independent"], "t1": ["independent", "knn"]}
    for name in names:
        pyarrow.parquet.write_table(labelled, tmp_path / f"{name}.parquet")
    entries = {entry.name: entry for entry in collection(None, tmp_path) if entry.name in names}
    for name, methods in names.items():
        run_benchmark([(name, entries[name].load)], methods, [0], tmp_path / "out", splitting=split_with_anomalies)
    text = render(
        Results(tmp_path / "out", ["knn", "independent"], list(names), [0]), dict.fromkeys(names, "files"), {}, "", ""
    )
    assert "| t0 | 97 | 52% | - | " in text
    assert "## Ranks" not in text
