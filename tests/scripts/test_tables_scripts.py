"""The scripts on tables, end to end: rows, document and picture from small sets; the bench on few rows."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import SHARED_DATA
from skipped import NO_DATA

from evaluation.tables.datasets import DATASETS, Dataset

ROOT = Path(__file__).resolve().parents[2]
DATA = SHARED_DATA / "tabular"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets under names of the paper's: in anomalies the second column contradicts the first."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("CMC", "Solar"):
        a = rng.integers(3, size=330)
        anomalous = np.arange(330) >= 300
        b = np.where(anomalous, (a + 1) % 3, a)
        lines = [f"v{x},v{y},{int(z)}" for x, y, z in zip(a, b, anomalous, strict=True)]
        header = "@relation r\n@attribute a {v0,v1,v2}\n@attribute b {v0,v1,v2}\n@attribute class {0,1}\n@data\n"
        (folder / f"{name}.arff").write_text(header + "\n".join(lines) + "\n")
        monkeypatch.setitem(DATASETS, name, Dataset(name, f"{name}.arff", "1", 330, 30, 2, 6))
    return folder


def test_table_2_on_small_sets(
    small_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = script("reproduce_table2")
    monkeypatch.setattr(module, "TRIAL", "chow-liu")
    arguments = [
        "--data",
        str(small_sets),
        "--out",
        str(tmp_path / "out"),
        "--sets",
        "CMC",
        "Solar",
        "--seeds",
        "0",
        "1",
    ]
    document = tmp_path / "docs" / "results.md"
    module.main([*arguments, "--methods", "independent", "chow-liu", "--document", str(document)])
    text = document.read_text()
    assert "| Chow-Liu tree | **100.00** ± 0.0 | **100.00** ± 0.0 | 100.0 |" in text
    assert "exceeds everything in the paper's table on 2 of 2 sets" in text
    assert "*paper: GNSM* | *25.87* | *63.34*" in text
    assert (document.parent / "images" / "results-ranks.png").read_bytes().startswith(b"\x89PNG")
    assert "![Critical-difference diagram: average ranks over 2 sets](images/results-ranks.png)" in text
    assert "Solar, chow-liu, seed 1: AP 100.00" in capsys.readouterr().out
    (small_sets / "CMC.arff").unlink()
    # nothing is missing, so that nothing is read
    module.main([*arguments, "--methods", "independent", "chow-liu", "--document", str(document)])
    assert "seed 1" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"CMC\.arff: does not exist"):
        module.main([*arguments, "--methods", "pairs"])


def test_table_2_refuses_a_set_that_is_another(small_sets: Path, tmp_path: Path) -> None:
    (small_sets / "CMC.arff").write_text((small_sets / "CMC.arff").read_text() + "v0,v0,0\n")
    with pytest.raises(SystemExit, match="has 331 rows where the paper's CMC has 330"):
        script("reproduce_table2").main(
            ["--data", str(small_sets), "--out", str(tmp_path / "out"), "--sets", "CMC", "--methods", "rows"]
        )


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA)
def test_the_bench_measures_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = script("bench_tabular")
    detector = module.GumbelScoreDetector
    monkeypatch.setattr(module, "GumbelScoreDetector", lambda **settings: detector(**{"steps": 2} | settings))
    module.main(["--data", str(DATA), "--out", str(tmp_path / "bench.json"), "--steps", "2", "--largest", "1000"])
    lines = json.loads((tmp_path / "bench.json").read_text())["lines"]
    assert [(line["rows"], line["columns"]) for line in lines] == [(29_238, 10), (1000, 20), (1000, 40), (1000, 80)]
    assert {line["steps"] for line in lines} == {0}, "the default trains nothing"
    bank = lines[0]
    assert bank["distinct"] < bank["scored"] == 8295
    assert bank["score_distinct"]["seconds"] > 0
    assert lines[1]["score_distinct"] is None
    printed = capsys.readouterr().out
    assert "Bank, its own split, 29,238 x 10: fit in " in printed
    assert f"{8295 / bank['score']['seconds']:,.0f} rows/s" in printed


def test_resampled_tables_have_the_rows_and_columns_they_say() -> None:
    import pyarrow

    module = script("bench_tabular")
    table = pyarrow.table({"a": ["x", "y"] * 50, "b": ["x", "y"] * 50})
    whole, cells = module.resample(table, 400, False), module.resample(table, 400, True)
    assert len(module.distinct(whole)) == 2
    assert len(module.distinct(cells)) == 4
    assert module.widen(table, 3).column_names == ["a_0", "b_0", "a_1", "b_1", "a_2", "b_2"]
