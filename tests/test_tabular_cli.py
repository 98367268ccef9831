"""`segqc tabular` as a user meets it: from a file to a model, from a model to a ranking in which no row is missing, and a benchmark."""

import csv
import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from segqc.cli import app
from segqc.files import BadInput
from segqc.tabular.score_table import score_table
from segqc.tabular_config import ScoreConfig

runner = CliRunner()
ROWS = 400


def run(*arguments: object) -> str:
    result = runner.invoke(app, ["tabular", *map(str, arguments)], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def orders(seed: int = 0) -> list[list[str]]:
    """A country decides the currency; amounts are near 50."""
    rng = np.random.default_rng(seed)
    country = rng.choice(["=de", "us", "jp"], size=ROWS)
    currency = {"=de": "eur", "us": "usd", "jp": "yen"}
    return [[str(i), c, currency[c], f"{a:.2f}", "ok"] for i, (c, a) in enumerate(zip(country, rng.normal(50, 5, ROWS), strict=True))]


def write(path: Path, rows: list[list[str]]) -> Path:
    path.write_text("\n".join(",".join(row) for row in [["id", "country", "currency", "amount", "kind"], *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    rows = [*orders(), ["x1", "us", "yen", "1.0", "fraud"], ["x2", "jp", "usd", "2.0", ""]]
    data = write(folder / "orders.csv", rows)
    out = run("fit", "--data", data, "--label", "kind", "--normal", "ok", "--drop", "id", "--out", folder / "model", "--steps", 300)
    assert "Learned from 400 rows (2 of another label left out)" in out
    assert "Categories: country, currency." in out
    assert "Numbers: amount." in out
    assert f"Next: segqc tabular score --model {folder / 'model'} --data TABLE" in out
    return folder / "model"


def test_every_command_shows_an_example() -> None:
    assert all(command in run("--help") for command in ("fit", "score", "benchmark"))
    for command in ("fit", "score", "benchmark"):
        assert f"Example: segqc tabular {command} --" in run(command, "--help")


def test_odd_rows_come_first_with_their_cells_and_no_row_is_lost(model: Path, tmp_path: Path) -> None:
    rows = orders(seed=1)
    rows[10][1:3] = ["us", "yen"]  # each common, together never
    rows[20][3] = "-400"
    rows[30][3] = "many"
    rows[40] = ["40", "us"]
    rows[50][1] = ""
    rows[60][2] = "@SUM(A1)"
    rows[-1] = ["too", "many", "cells", "1", "ok", "more"]
    out = tmp_path / "scores.csv"
    printed = run("score", "--data", write(tmp_path / "new.csv", rows), "--model", model, "--keep", "id", "--out", out)
    found = lines(out)
    assert [int(line["row"]) for line in found] == list(range(1, ROWS + 1))
    errors = {int(line["row"]): line for line in found if line["status"] == "error"}
    assert {row: line["reason"][:27] for row, line in errors.items()} == {41: "has 2 cells instead of 5: 4", ROWS: "has 6 cells instead of 5: t"}
    assert all(line["score"] == line["rank"] == "" for line in errors.values())
    ok = [line for line in found if line["status"] == "ok"]
    assert [line["kept_id"] for line in ok] == [row[0] for row in rows if len(row) == 5]
    rank = {int(line["row"]): int(line["rank"]) for line in ok}
    assert max(rank[row] for row in (21, 31, 51, 61)) <= 4  # a missing value is odd, too, where training had none
    assert rank[11] <= 12
    odd = {int(line["row"]): (line["odd_1"], line["value_1"]) for line in found}
    assert odd[21] == ("amount", "-400.0")
    assert odd[11][0] in ("country", "currency")
    assert odd[61] == ("currency", "'@SUM(A1)"), "a spreadsheet would run it"
    assert "'many', no number, and was read as missing" in found[30]["reason"]
    assert float(found[20]["score"]) > float(found[21]["score"])
    assert found[20]["outlier"] == "yes"
    for words in ("398 rows scored", "2 rows could not be read, and 1 have a cell", "The ten oddest rows", f"Wrote {out}", "Next: "):
        assert words in re.sub(r"\s+", " ", printed), words
    strict = runner.invoke(app, ["tabular", "score", "--data", str(tmp_path / "new.csv"), "--model", str(model), "--out", str(out), "--strict"])
    assert strict.exit_code == 1


def test_scores_ranks_and_reasons_do_not_depend_on_the_chunks_or_the_kind_of_file(model: Path, tmp_path: Path) -> None:
    rows = orders(seed=2)
    data = write(tmp_path / "new.csv", rows)
    columns = list(zip(*rows, strict=True))
    table = pyarrow.table({"country": columns[1], "currency": columns[2], "amount": [float(v) for v in columns[3]]})
    pyarrow.parquet.write_table(table, tmp_path / "new.parquet")
    whole = score_table(ScoreConfig(data, model, tmp_path / "whole.csv"))
    score_table(ScoreConfig(data, model, tmp_path / "chunks.csv", chunk=7))
    score_table(ScoreConfig(tmp_path / "new.parquet", model, tmp_path / "parquet.csv"))
    assert (whole.rows, whole.bad, whole.noted) == (ROWS, 0, 0)
    assert (tmp_path / "chunks.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes() == (tmp_path / "parquet.csv").read_bytes()
    found = lines(tmp_path / "whole.csv")
    scores = np.array([float(line["score"]) for line in found])
    ranks = np.array([int(line["rank"]) for line in found])
    assert all(ranks[i] == 1 + (scores > scores[i]).sum() for i in range(ROWS))
    assert sum(line["outlier"] == "yes" for line in found) == whole.outliers


def test_only_the_oddest_rows_are_explained_where_so_asked(model: Path, tmp_path: Path) -> None:
    score_table(ScoreConfig(write(tmp_path / "new.csv", orders(seed=3)), model, tmp_path / "scores.csv", explained=5, cells=1))
    found = lines(tmp_path / "scores.csv")
    assert "odd_2" not in found[0]
    assert {line["odd_1"] != "" for line in found if int(line["rank"]) > 5} == {False}
    assert all(line["odd_1"] and float(line["share_1"]) > 0 for line in found if int(line["rank"]) <= 5)


def test_numbers_that_look_like_codes_are_pointed_out(tmp_path: Path) -> None:
    rows = [[*row[:1], str(i % 3), *row[2:]] for i, row in enumerate(orders())]
    data = write(tmp_path / "a.csv", rows)
    out = run("fit", "--data", data, "--drop", "id,kind", "--out", tmp_path / "m", "--steps", 2)
    assert "if they are codes, fit again with --categorical country" in out
    out = run("fit", "--data", data, "--drop", "id,kind", "--out", tmp_path / "m", "--steps", 2, "--categorical", "country")
    assert "Categories: country, currency." in out
    assert "codes" not in out


def test_what_cannot_be_done_is_said_of_the_file(model: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", orders())
    narrow = tmp_path / "narrow.csv"
    narrow.write_text("country,amount\nus,1\n")
    for arguments, words in (
        (("fit", "--data", data, "--label", "kind"), "--label and --normal: are needed together"),
        (("fit", "--data", data, "--label", "sort", "--normal", "ok"), "has no column 'sort'"),
        (("fit", "--data", data, "--label", "kind", "--normal", "fine"), "has no row whose 'kind' is 'fine' (it has 'ok' 400 times)"),
        (("fit", "--data", data, "--drop", "nothing"), "has no column 'nothing' to drop"),
        (("score", "--data", narrow, "--model", model), "has no column 'currency' (it has country, amount)"),
        (("score", "--data", data, "--model", tmp_path), "holds no table.json"),
        (("score", "--data", data, "--model", model, "--out", tmp_path / "scores.xlsx"), "does not end in .csv"),
        (("benchmark", "--data", data, "--label", "kind", "--anomaly", "bad"), "has 0 rows whose 'kind' is 'bad', and 400 others"),
        (("benchmark", "--data", data, "--label", "kind", "--anomaly", "ok", "--seeds", "a"), "expected whole numbers"),
    ):
        with pytest.raises(BadInput, match=re.escape(words)):
            runner.invoke(app, ["tabular", *map(str, arguments)], catch_exceptions=False)


def test_a_benchmark_of_ones_own_table(tmp_path: Path) -> None:
    rows = orders()
    for i in range(0, ROWS, 20):
        rows[i][1:] = ["us", "yen", "50", "fraud"]
    data = write(tmp_path / "a.csv", rows)
    arguments = ("benchmark", "--data", data, "--label", "kind", "--anomaly", "fraud", "--drop", "id", "--seeds", "0,1", "--out", tmp_path / "out")
    printed = run(*arguments, "--methods", "independent,chow-liu")
    assert "380 inliers, 20 anomalies" in printed
    found = {line["method"]: line for line in lines(tmp_path / "out" / "benchmark.csv")}
    assert float(found["Chow-Liu tree"]["average_precision"]) == 1
    assert float(found["independent frequencies"]["average_precision"]) < 0.7
    assert float(found["(ceiling of any score)"]["average_precision"]) == 1
    assert run(*arguments, "--methods", "independent,chow-liu").count("fit 0.") == 0, "rows were run again"
    other = write(tmp_path / "b.csv", rows[:-1])
    with pytest.raises(BadInput, match="holds the benchmark of another table"):
        runner.invoke(app, ["tabular", *(str(other if argument == data else argument) for argument in arguments)], catch_exceptions=False)
