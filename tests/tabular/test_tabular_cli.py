"""`segqc tabular` as a user meets it: from a file to a model, from a model to a ranking in which no row is missing, and
a benchmark.
"""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from evaluation.tables.own_table import table_digest
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.cli.app import app
from segqc.tabular.commands.fit import fit_table
from segqc.tabular.commands.score import score_table
from segqc.tabular.config import FitConfig, ScoreConfig

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
    return [
        [str(i), c, currency[c], f"{a:.2f}", "ok"]
        for i, (c, a) in enumerate(zip(country, rng.normal(50, 5, ROWS), strict=True))
    ]


def write(path: Path, rows: list[list[str]]) -> Path:
    path.write_text(
        "\n".join(",".join(row) for row in [["id", "country", "currency", "amount", "kind"], *rows]) + "\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    rows = [*orders(), ["x1", "us", "yen", "1.0", "fraud"], ["x2", "jp", "usd", "2.0", ""]]
    data = write(folder / "orders.csv", rows)
    out = run(
        "fit",
        "--data",
        data,
        "--label",
        "kind",
        "--normal",
        "ok",
        "--drop",
        "id",
        "--out",
        folder / "model",
        "--steps",
        300,
    )
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
    assert {row: line["reason"][:27] for row, line in errors.items()} == {
        41: "has 2 cells instead of 5: 4",
        ROWS: "has 6 cells instead of 5: t",
    }
    assert all(line["score"] == line["rank"] == "" for line in errors.values())
    ok = [line for line in found if line["status"] == "ok"]
    assert [line["kept_id"] for line in ok] == [row[0] for row in rows if len(row) == 5]
    rank = {int(line["row"]): int(line["rank"]) for line in ok}
    planted = (11, 21, 31, 51, 61)  # a missing value is odd, too, where training had none
    assert {rank[row] for row in planted} == {1, 2, 3, 4, 5}
    odd = {int(line["row"]): (line["odd_1"], line["value_1"]) for line in found}
    assert odd[21] == ("amount", "-400.0")
    assert odd[11][0] in ("country", "currency")
    assert odd[61] == ("currency", "'@SUM(A1)"), "a spreadsheet would run it"
    assert "'many', no number, and was read as missing" in found[30]["reason"]
    assert float(found[20]["score"]) > float(found[21]["score"])
    assert found[20]["outlier"] == "yes"
    for words in (
        "398 rows scored",
        "2 rows could not be read, and 1 have a cell",
        "The ten most anomalous rows",
        f"Wrote {out}",
        "Next: ",
    ):
        assert words in re.sub(r"\s+", " ", printed), words
    strict = runner.invoke(
        app,
        ["tabular", "score", "--data", str(tmp_path / "new.csv"), "--model", str(model), "--out", str(out), "--strict"],
    )
    assert strict.exit_code == 1


def test_a_few_cells_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    rows = [[*row[:3], "-" if i in (3, 7) else row[3], row[4]] for i, row in enumerate(orders())]
    data = write(tmp_path / "a.csv", rows)
    out = run("fit", "--data", data, "--drop", "id", "--out", tmp_path / "m")
    assert "leave it out" not in out, "the column is as good as any other"
    assert "amount was read as categories, since 2 of 400 cells are no numbers, such as -" in re.sub(r"\s+", " ", out)
    out = run("fit", "--data", data, "--drop", "id", "--missing", "-", "--out", tmp_path / "m")
    assert "Hint" not in out
    assert "Numbers: amount." in out


def test_decimal_commas_are_named_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{country};{amount.replace('.', ',')}" for _, country, _, amount, _ in orders()]
    path.write_text("\n".join(["country;amount", *rows]) + "\n")
    out = run("fit", "--data", path, "--separator", ";", "--out", tmp_path / "m")
    hint = r"amount was read as categories: it holds numbers such as '\d+,\d+'; fit again with --decimal ,"
    assert re.search(hint, re.sub(r"\s+", " ", out))
    assert "leave it out" not in out
    out = run("fit", "--data", path, "--separator", ";", "--decimal", ",", "--out", tmp_path / "m")
    assert "Numbers: amount." in out
    run("score", "--data", path, "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    assert not any(line["reason"] for line in lines(tmp_path / "s.csv"))


def test_a_table_of_which_no_row_can_be_read_whole_is_a_failure(model: Path, tmp_path: Path) -> None:
    rows = [[*row[:3], "n/k", row[4]] for row in orders(seed=1)[:60]]
    data, out = write(tmp_path / "new.csv", rows), tmp_path / "scores.csv"
    result = runner.invoke(app, ["tabular", "score", "--data", str(data), "--model", str(model), "--out", str(out)])
    assert result.exit_code == 1
    assert "No row could be read whole" in re.sub(r"\s+", " ", result.output)
    assert len(lines(out)) == 60


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
    assert (
        (tmp_path / "chunks.csv").read_bytes()
        == (tmp_path / "whole.csv").read_bytes()
        == (tmp_path / "parquet.csv").read_bytes()
    )
    found = lines(tmp_path / "whole.csv")
    scores = np.array([float(line["score"]) for line in found])
    ranks = np.array([int(line["rank"]) for line in found])
    assert all(ranks[i] == 1 + (scores > scores[i]).sum() for i in range(ROWS))
    assert sum(line["outlier"] == "yes" for line in found) == whole.outliers


def test_only_the_oddest_rows_are_explained_where_so_asked(model: Path, tmp_path: Path) -> None:
    score_table(
        ScoreConfig(write(tmp_path / "new.csv", orders(seed=3)), model, tmp_path / "scores.csv", explained=5, cells=1)
    )
    found = lines(tmp_path / "scores.csv")
    assert "odd_2" not in found[0]
    assert {line["odd_1"] != "" for line in found if int(line["rank"]) > 5} == {False}
    assert all(line["odd_1"] and float(line["share_1"]) > 0 for line in found if int(line["rank"]) <= 5)


def test_numbers_that_look_like_codes_are_pointed_out(tmp_path: Path) -> None:
    rows = [[*row[:1], str(i % 3), *row[2:]] for i, row in enumerate(orders())]
    data = write(tmp_path / "a.csv", rows)
    out = run("fit", "--data", data, "--drop", "id,kind", "--out", tmp_path / "m", "--steps", 2)
    assert "If they are codes, fit again with --categorical country" in out
    out = run(
        "fit", "--data", data, "--drop", "id,kind", "--out", tmp_path / "m", "--steps", 2, "--categorical", "country"
    )
    assert "Categories: country, currency." in out
    assert "codes" not in out


def test_what_cannot_be_done_is_said_of_the_file(model: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", orders())
    before = data.read_bytes()
    link, images, empty = tmp_path / "link.csv", tmp_path / "images", tmp_path / "empty.csv"
    link.symlink_to(data)
    write_json(images / "config.json", {"format": "segqc-model-1"})
    empty.write_text("n,c\n,x\n,y\n")
    (tmp_path / "one.csv").write_text("n,c\n1,x\n")
    narrow = tmp_path / "narrow.csv"
    narrow.write_text("country,amount\nus,1\n")
    for arguments, words in (
        (("fit", "--data", data, "--label", "kind"), "--label and --normal: are needed together"),
        (("fit", "--data", data, "--label", "sort", "--normal", "ok"), "has no column 'sort'"),
        (
            ("fit", "--data", data, "--label", "kind", "--normal", "fine"),
            "has no row whose 'kind' is 'fine' (it has 'ok' 400 times)",
        ),
        (("fit", "--data", data, "--drop", "nothing"), "has no column 'nothing' to drop"),
        (("score", "--data", narrow, "--model", model), "has no column 'currency' (it has country, amount)"),
        (("score", "--data", data, "--model", tmp_path), "holds no table.json"),
        (("score", "--data", data, "--model", model, "--out", tmp_path / "scores.xlsx"), "does not end in .csv"),
        (("score", "--data", data, "--model", model, "--out", data), "a.csv: is the table itself"),
        (("score", "--data", data, "--model", model, "--out", link), "link.csv: is the table itself"),
        (("fit", "--data", data, "--out", data), "a.csv: is a file, but a model needs a folder there"),
        (("fit", "--data", data, "--out", images), "images: holds another model or run"),
        (("fit", "--data", empty, "--numeric", "n"), "has nothing in the column 'n'"),
        (("fit", "--data", empty, "--drop", "n,c"), "has no columns left"),
        (("fit", "--data", tmp_path / "one.csv"), "one.csv: has one row to learn from"),
        (
            ("benchmark", "--data", data, "--label", "kind", "--anomaly", "bad"),
            "has 0 rows whose 'kind' is 'bad', and 400 others",
        ),
        (("benchmark", "--data", data, "--label", "kind", "--anomaly", "ok", "--seeds", "a"), "expected whole numbers"),
    ):
        with pytest.raises(BadInput, match=re.escape(words)):
            runner.invoke(app, ["tabular", *map(str, arguments)], catch_exceptions=False)
    assert data.read_bytes() == before
    assert [path.name for path in images.iterdir()] == ["config.json"]


def mixed_frame(rows: int = 200) -> pandas.DataFrame:
    """Of every type that files write in their own ways."""
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "id": np.arange(rows) + 9007199254740993,
            "express": rng.random(rows) < 0.3,
            "zip": rng.choice([10115, 20095, 80331], rows),
            "day": pandas.to_datetime(rng.choice(["2024-01-01", "2024-01-02"], rows)),
            "amount": rng.normal(size=rows).round(2),
        }
    )


@pytest.fixture(scope="module")
def from_parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of `mixed_frame` as Parquet, with the table beside it."""
    folder = tmp_path_factory.mktemp("parquet")
    mixed_frame().to_parquet(folder / "a.parquet", index=False)
    fit_table(FitConfig(folder / "a.parquet", ("zip",), drop=("id",), out=folder / "model", steps=5))
    return folder


def test_a_table_scores_the_same_from_csv_and_parquet_and_keeps_its_identifiers(
    from_parquet: Path, tmp_path: Path
) -> None:
    mixed_frame().to_csv(tmp_path / "a.csv", index=False)
    found = []
    for data in (from_parquet / "a.parquet", tmp_path / "a.csv"):
        report = score_table(ScoreConfig(data, from_parquet / "model", tmp_path / "scores.csv", keep=("id", "express")))
        assert report.warnings == {}
        found.append(lines(tmp_path / "scores.csv"))
    assert found[0] == found[1]
    assert [line["kept_id"] for line in found[0]] == [str(9007199254740993 + i) for i in range(200)]
    assert {line["kept_express"] for line in found[0]} == {"True", "False"}


def test_codes_beside_a_missing_one_stay_the_codes_they_were(from_parquet: Path, tmp_path: Path) -> None:
    scores = []
    for name in ("whole", "one missing"):
        frame = mixed_frame()
        if name != "whole":
            frame["zip"] = frame["zip"].astype(float)
            frame.loc[0, "zip"] = np.nan
        frame.to_csv(tmp_path / "a.csv", index=False)
        report = score_table(
            ScoreConfig(tmp_path / "a.csv", from_parquet / "model", tmp_path / "scores.csv", keep=("zip",))
        )
        scores.append([line["score"] for line in lines(tmp_path / "scores.csv")])
        assert report.warnings == {}
    assert "10115.0" in (tmp_path / "a.csv").read_text()
    assert "10115.0" in {line["kept_zip"] for line in lines(tmp_path / "scores.csv")}
    assert scores[0][1:] == scores[1][1:]


def test_a_column_of_another_format_is_pointed_out_once(from_parquet: Path, tmp_path: Path) -> None:
    frame = mixed_frame()
    frame["zip"] = "D-" + frame["zip"].astype(str)
    frame.to_csv(tmp_path / "a.csv", index=False)
    out = tmp_path / "scores.csv"
    printed = run("score", "--data", tmp_path / "a.csv", "--model", from_parquet / "model", "--out", out, "--chunk", 50)
    assert printed.count("Warning:") == 1
    assert "zip: 50 of 50 cells are values that the model does not know, such as 'D-" in printed
    frame["zip"] = mixed_frame()["zip"]
    frame.loc[:3, "zip"] = 99999
    frame.iloc[:5].to_csv(tmp_path / "a.csv", index=False)
    assert "Warning" not in run(
        "score", "--data", tmp_path / "a.csv", "--model", from_parquet / "model", "--out", out
    ), "odd rows are no format"


@pytest.mark.parametrize("change", ["weights", "columns", "codes"])
def test_a_folder_whose_files_do_not_belong_together_does_not_score(
    from_parquet: Path, tmp_path: Path, change: str
) -> None:
    folder = shutil.copytree(from_parquet / "model", tmp_path / "model")
    reader = read_json(folder / "table.json")
    if change == "codes":
        del reader["codes"]
    write_json(
        folder / "table.json",
        reader | ({"weights": "0"} if change == "weights" else {"columns": "x"} if change == "columns" else {}),
    )
    words = "was written for another model.safetensors" if change == "weights" else "not a description of a table"
    with pytest.raises(BadInput, match=words) as error:
        score_table(ScoreConfig(from_parquet / "a.parquet", folder, tmp_path / "scores.csv"))
    assert error.value.fix == "fit again"


def test_a_benchmark_of_ones_own_table(tmp_path: Path) -> None:
    rows = orders()
    for i in range(0, ROWS, 20):
        rows[i][1:] = ["us", "yen", "50", "fraud"]
    data = write(tmp_path / "a.csv", rows)
    arguments = (
        "benchmark",
        "--data",
        data,
        "--label",
        "kind",
        "--anomaly",
        "fraud",
        "--drop",
        "id",
        "--seeds",
        "0,1",
        "--out",
        tmp_path / "out",
    )
    printed = run(*arguments, "--methods", "independent,chow-liu")
    assert "380 inliers, 20 anomalies" in printed
    found = {line["method"]: line for line in lines(tmp_path / "out" / "benchmark.csv")}
    assert float(found["Chow-Liu tree"]["average_precision"]) == 1
    assert float(found["independent frequencies"]["average_precision"]) < 0.7
    assert float(found["(ceiling of any score)"]["average_precision"]) == 1
    assert run(*arguments, "--methods", "independent,chow-liu").count("fit 0.") == 0, "rows were run again"
    data.rename(tmp_path / "b.csv")
    same = [tmp_path / "b.csv" if argument == data else argument for argument in arguments]
    assert run(*same, "--methods", "independent,chow-liu").count("fit 0.") == 0, "the same table under another name"
    swapped = [
        [*row[:-1], {"ok": "fraud", "fraud": "ok"}[row[-1]]] if i in (0, 1) else row for i, row in enumerate(rows)
    ]
    for other in (rows[:-1], swapped):
        write(data, other)
        with pytest.raises(BadInput, match="holds the benchmark of another table"):
            run(*arguments)


def test_the_digest_of_a_table_depends_on_its_cells_alone() -> None:
    table = pyarrow.table({"a": ["x", None, "yz"], "n": [1.5, None, -2.0]})
    assert table_digest(table).startswith("bf15bf8d39d43605"), "folders written by earlier versions would be refused"
    assert table_digest(pyarrow.concat_tables([table.slice(0, 1), table.slice(1)])) == table_digest(table)
    changed = [
        {"a": ["x", "", "yz"], "n": [1.5, None, -2.0]},
        {"a": ["x", None, "yz"], "n": [1.5, 0.0, -2.0]},
        {"a": ["xy", None, "z"], "n": [1.5, None, -2.0]},
        {"a": ["x", None, "yz"], "m": [1.5, None, -2.0]},
        {"n": [1.5, None, -2.0], "a": ["x", None, "yz"]},
    ]
    assert len({table_digest(pyarrow.table(columns)) for columns in changed} | {table_digest(table)}) == 6
