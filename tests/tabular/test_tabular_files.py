"""Files as users have them, through the command line: each is read, or refused in a line with reason and fix."""

import bz2
import csv
import gzip
import lzma
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
from typer.testing import CliRunner

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.cli.app import app

ROWS = 120


def run(*arguments: object, code: int = 0) -> str:
    """The output in one line."""
    result = CliRunner().invoke(app, ["tabular", *map(str, arguments)], env={"COLUMNS": "300"}, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return re.sub(r"\s+", " ", result.output)


def refused(*arguments: object) -> str:
    with pytest.raises(BadInput) as error:
        run(*arguments)
    return str(error.value)


def frame() -> pandas.DataFrame:
    """A category, a number near 1500, a day in 2024, and a flag."""
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "land": rng.choice(["de", "us", "jp"], ROWS),
            "price": rng.normal(1500, 300, ROWS).round(2),
            "day": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(rng.integers(0, 20, ROWS), unit="D"),
            "paid": rng.random(ROWS) < 0.3,
        }
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def reasons(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [line["reason"] for line in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the table as CSV, which lies beside it."""
    folder = tmp_path_factory.mktemp("files")
    frame().to_csv(folder / "a.csv", index=False)
    out = run("fit", "--data", folder / "a.csv", "--out", folder / "m")
    assert "Categories: land, paid. Numbers: price. Dates: day. Wrote" in out
    return folder


def test_rows_of_the_wrong_length_alone_are_refused_to_learn_and_have_lines_when_scored(
    folder: Path, tmp_path: Path
) -> None:
    lines = (folder / "a.csv").read_text().splitlines()
    comment = write(tmp_path / "comment.csv", "\n".join(["# exported", *lines]))
    trailing = write(tmp_path / "trailing.csv", "\n".join([lines[0], *(line + "," for line in lines[1:])]))
    for path, cells in ((comment, "row 1 has 4 cells instead of 1: "), (trailing, "row 1 has 5 cells instead of 4: ")):
        said = refused("fit", "--data", path, "--out", tmp_path / "m")
        assert cells in said
        assert said.endswith("(the first line names the columns, and nothing else)")
    scores = tmp_path / "s.csv"
    out = run("score", "--data", trailing, "--model", folder / "m", "--out", scores, code=2)
    assert f"0 rows scored, 0 beyond the threshold. {ROWS} rows could not be read" in out
    assert "sort by rank" not in out
    assert [reason[:27] for reason in reasons(scores)] == ["has 5 cells instead of 4: " + lines[1][0]] + [
        f"has 5 cells instead of 4: {line[0]}" for line in lines[2:]
    ]
    missing = refused("score", "--data", comment, "--model", folder / "m", "--out", scores)
    assert "has no column 'land', 'price', 'day', 'paid' (it has # exported)" in missing


def test_a_row_of_the_wrong_length_does_not_keep_the_others_from_being_learned(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "a.csv").read_text().splitlines()
    path = write(tmp_path / "a.csv", "\n".join([*lines[:9], "total,1,2", *lines[9:], "end"]))
    out = run("fit", "--data", path, "--out", tmp_path / "m")
    assert f"Learned from {ROWS} rows in" in out
    assert "2 rows could not be read, and were left out: row 9 has 3 cells instead of 4: total,1,2" in out
    for model in (folder / "m", tmp_path / "m"):
        run("score", "--data", folder / "a.csv", "--model", model, "--out", tmp_path / f"{model.parent.name}.csv")
    first, second = (tmp_path / f"{parent.name}.csv" for parent in (folder, tmp_path))
    assert first.read_bytes() == second.read_bytes()
    said = refused("benchmark", "--data", path, "--label", "paid", "--anomaly", "True", "--out", tmp_path / "b")
    assert "has ragged rows: row 9" in said


def test_the_process_ends_by_itself_after_a_file_of_bad_rows(tmp_path: Path) -> None:
    """A reader of CSV that was left open used to end it with a signal."""
    path = write(tmp_path / "a.csv", "# a comment\na,b,c\n1,2,3\n")
    command = [sys.executable, "-m", "segqc", "tabular", "fit", "--data", str(path), "--out", str(tmp_path / "m")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "has ragged rows" in done.stderr


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_compressed_tables_score_as_the_table_itself(folder: Path, tmp_path: Path, suffix: str) -> None:
    text = (folder / "a.csv").read_bytes()
    packed = tmp_path / f"a.csv{suffix}"
    if suffix == ".zst":
        with pyarrow.output_stream(packed, compression="zstd") as stream:
            stream.write(text)
    else:
        packed.write_bytes({".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix](text))
    for data, out in ((folder / "a.csv", "plain.csv"), (packed, "packed.csv")):
        run("score", "--data", data, "--model", folder / "m", "--out", tmp_path / out)
    assert (tmp_path / "plain.csv").read_bytes() == (tmp_path / "packed.csv").read_bytes()
    cut = tmp_path / f"cut.csv{suffix}"
    cut.write_bytes(packed.read_bytes()[:-20])
    assert "cut.csv" in refused("score", "--data", cut, "--model", folder / "m", "--out", tmp_path / "s.csv")


def test_a_table_that_a_spreadsheet_saved_is_read_with_its_marks(folder: Path, tmp_path: Path) -> None:
    """A mark of byte order, semicolons, decimal commas, points between thousands, days first, line breaks in cells."""
    table = frame()
    prices = [f"{price:,.2f}".translate(str.maketrans(",.", ".,")) for price in table["price"]]
    lines = [
        f'"{land}\nX";{price};{day:%d.%m.%Y};{paid}'
        for land, price, day, paid in zip(table["land"], prices, table["day"], table["paid"], strict=True)
    ]
    path = tmp_path / "sheet.csv"
    path.write_bytes("\r\n".join(["\ufeffland;price;day;paid", *lines, ""]).encode())
    assert "name the separator: --separator ';'" in refused("fit", "--data", path, "--out", tmp_path / "m")
    out = run("fit", "--data", path, "--separator", ";", "--out", tmp_path / "m")
    assert re.search(r"price was read as categories: it holds numbers .* again with --decimal , --thousands \.", out)
    assert re.search(r"day was read as categories: it holds dates .* fit again with --date-format %d\.%m\.%Y", out)
    assert "identifier" not in out
    marks = ("--decimal", ",", "--thousands", ".", "--date-format", "%d.%m.%Y")
    out = run("fit", "--data", path, "--separator", ";", *marks, "--out", tmp_path / "m")
    assert "Categories: land, paid. Numbers: price. Dates: day. Wrote" in out
    run("score", "--data", path, "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    run("score", "--data", folder / "a.csv", "--model", folder / "m", "--out", tmp_path / "t.csv")
    first, second = (pandas.read_csv(tmp_path / name) for name in ("s.csv", "t.csv"))
    assert first["score"].tolist() == pytest.approx(second["score"].tolist(), abs=1e-9)
    assert not any(reasons(tmp_path / "s.csv"))
    sheet = write(tmp_path / "sep.csv", "sep=;\na;b\n1;2\n")
    assert "begins with the line sep=" in refused("fit", "--data", sheet, "--separator", ";")
    (tmp_path / "wide.csv").write_text("a,b\n1,2\n", encoding="utf-16")
    assert "save it as UTF-8" in refused("fit", "--data", tmp_path / "wide.csv")


def test_a_point_is_no_decimal_mark_beside_decimal_commas(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "n;c\n" + "".join(f"{i},5;x\n" for i in range(30)))
    run("fit", "--data", path, "--separator", ";", "--decimal", ",", "--out", tmp_path / "m")
    new = write(tmp_path / "b.csv", "n;c\n1.234;x\n12,5;x\n")
    run("score", "--data", new, "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    assert reasons(tmp_path / "s.csv") == ["n is '1.234', no number, and was read as missing", ""]


def test_hints_leave_out_what_was_given_and_marks_must_make_sense(tmp_path: Path) -> None:
    days = ["-", *(f"{1 + i % 28}.{1 + i % 12}.2024" for i in range(40))]
    path = write(tmp_path / "a.csv", "d,c\n" + "".join(f"{day},x\n" for day in days))
    out = run("fit", "--data", path, "--date-format", "%d.%m.%Y", "--out", tmp_path / "m")
    assert "d was read as categories, since 1 of 41 cells are no dates, such as -: if these mean missing, fit" in out
    for marks, words in (
        (("--thousands", "."), "Expected a decimal mark, and another one between thousands, but got '.' and '.'"),
        (("--date-format", "%Q"), "--date-format '%Q': 'Q' is a bad directive"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            run("fit", "--data", path, *marks)


@pytest.mark.parametrize(
    ("cells", "hint"),
    [
        (["1,234.5", "999", "12,345"], "it holds numbers such as '1,234.5'; fit again with --thousands ,"),
        (["1'234.5", "999", "2'345"], "it holds numbers such as '1''234.5'; fit again with --thousands ''''"),
        (["$5.10", "$6.20", "n/k"], "such as '$5.10'; save the table without their signs. 40 of 120 cells are no n"),
        (["2024-01-31", "2024-02-29", "0000-00-00"], "since 40 of 120 cells are no dates, such as 0000-00-00: if"),
        (["01/31/2024", "02/28/2024", "03/01/2024"], "dates such as '01/31/2024'; fit again with --date-format %m/%d"),
        (["01/03/2024", "02/04/2024", "03/01/2024"], "with --date-format %m/%d/%Y or %d/%m/%Y"),
        (["shop 1", "shop 2", "12"], None),
    ],
    ids=["thousands", "Swiss", "signs", "null dates", "months first", "either", "text"],
)
def test_numbers_and_dates_in_other_notations_get_a_hint(tmp_path: Path, cells: list[str], hint: str | None) -> None:
    rows = [[cells[i % 3], "xyz"[i % 2]] for i in range(ROWS)]
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["v", "c"], *rows])
    out = run("fit", "--data", tmp_path / "a.csv", "--out", tmp_path / "m")
    if hint is None:
        assert "Hint" not in out
    else:
        assert hint.replace("''", "'") in out.replace('"', "'").replace("''", "'")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_dates_are_dates_from_every_kind_of_file(folder: Path, tmp_path: Path, kind: str) -> None:
    """A day beyond those of training is odd, as it is from Python; what is no date is said."""
    table = frame()
    if kind == "parquet":
        table.to_parquet(tmp_path / "a.parquet", index=False)
        run("fit", "--data", tmp_path / "a.parquet", "--out", tmp_path / "m")
    model = tmp_path / "m" if kind == "parquet" else folder / "m"
    late = table.assign(day=pandas.Timestamp("2031-05-05"))
    for name in ("b.csv", "b.parquet"):
        late.to_csv(tmp_path / name, index=False) if name == "b.csv" else late.to_parquet(tmp_path / name, index=False)
        run("score", "--data", tmp_path / name, "--model", model, "--out", tmp_path / f"{name}.scores.csv")
    assert (tmp_path / "b.csv.scores.csv").read_bytes() == (tmp_path / "b.parquet.scores.csv").read_bytes()
    found = pandas.read_csv(tmp_path / "b.csv.scores.csv")
    assert set(zip(found["odd_1"], found["value_1"], strict=True)) == {("day", "2031-05-05")}
    late.astype({"day": str}).replace({"2031-05-05": "yesterday"}).to_csv(tmp_path / "b.csv", index=False)
    run("score", "--data", tmp_path / "b.csv", "--model", model, "--out", tmp_path / "s.csv", code=1)
    assert set(reasons(tmp_path / "s.csv")) == {"day is 'yesterday', no date, and was read as missing"}


def test_zones_of_time_and_spellings_of_iso_are_one_moment(tmp_path: Path) -> None:
    days = [f"2024-01-{1 + i % 9:02} 12:00:00" for i in range(60)]
    path = write(tmp_path / "a.csv", "t,c\n" + "".join(f"{day},{'xy'[i % 2]}\n" for i, day in enumerate(days)))
    assert "Dates: t." in run("fit", "--data", path, "--out", tmp_path / "m")
    same = ("2024-01-03T12:00", "2024-01-03 13:00:00+01:00", "2024-01-03T12:00:00Z", "2024-01-03 12:00:00.000000001")
    new = write(tmp_path / "b.csv", "t,c\n" + "".join(f"{text},x\n" for text in same))
    run("score", "--data", new, "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    assert pandas.read_csv(tmp_path / "s.csv")["score"].nunique() == 1
    assert not any(reasons(tmp_path / "s.csv"))


def test_columns_that_are_no_table_cells_can_be_dropped_and_are_no_matter_elsewhere(tmp_path: Path) -> None:
    table = frame().assign(photo=[b"\xff\xd8"] * ROWS, parts=[[1, 2]] * ROWS)
    table.to_parquet(tmp_path / "a.parquet", index=False)
    fit = ("fit", "--data", tmp_path / "a.parquet", "--out", tmp_path / "m")
    assert "has a column of type binary, 'photo' (leave it out, as --drop 'photo' does)" in refused(*fit)
    assert "has no column 'x' to drop (it has land, price" in refused(*fit, "--drop", "photo,x")
    run(*fit, "--drop", "photo,parts")
    score = ("score", "--data", tmp_path / "a.parquet", "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    assert f"{ROWS} rows scored" in run(*score)
    assert "'parts'" in refused(*score, "--keep", "parts")


def test_columns_without_a_name_have_their_place_for_one(tmp_path: Path) -> None:
    """pandas writes its index so."""
    frame().to_csv(tmp_path / "a.csv")
    out = run("fit", "--data", tmp_path / "a.csv", "--out", tmp_path / "m")
    assert "in column 1: looks like an identifier: leave it out" in out
    out = run("fit", "--data", tmp_path / "a.csv", "--drop", "column 1", "--out", tmp_path / "m")
    assert "Warning" not in out


def test_text_and_numbers_that_never_changed_are_odd_when_they_do(tmp_path: Path) -> None:
    lines = [f"{'xy'[i % 2]},ok,7" for i in range(ROWS)]
    path = write(tmp_path / "a.csv", "\n".join(["c,state,n", *lines]))
    run("fit", "--data", path, "--out", tmp_path / "m")
    new = write(tmp_path / "b.csv", "\n".join(["c,state,n", *lines[:40], "x,broken,7", "x,ok,8"]))
    run("score", "--data", new, "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    found = pandas.read_csv(tmp_path / "s.csv").set_index("row")
    assert set(found.index[found["rank"] <= 2]) == {41, 42}
    assert found.loc[41, ["odd_1", "value_1"]].tolist() == ["state", "broken"]
    assert found.loc[42, "odd_1"] == "n"


def test_a_folder_of_an_earlier_version_reads_dates_as_the_text_that_they_were(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "a.csv", index=False)
    frame().to_parquet(tmp_path / "a.parquet", index=False)
    run("fit", "--data", tmp_path / "a.csv", "--categorical", "day", "--out", tmp_path / "m")
    run("score", "--data", tmp_path / "a.csv", "--model", tmp_path / "m", "--out", tmp_path / "s.csv")
    reader = read_json(tmp_path / "m" / "table.json")
    earlier = {name: reader[name] for name in ("columns", "numeric", "missing", "separator", "decimal", "weights")}
    write_json(tmp_path / "m" / "table.json", earlier | {"codes": []})
    for name in ("a.csv", "a.parquet"):
        run("score", "--data", tmp_path / name, "--model", tmp_path / "m", "--out", tmp_path / "t.csv")
        assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "s.csv").read_bytes(), name


def test_warnings_on_the_command_line_are_words_without_source_lines(tmp_path: Path) -> None:
    lines = [f"{i},{'xy'[i % 2]},2024-01-{1 + i % 7:02},{int(i % 9 == 0)}" for i in range(60)]
    path = write(tmp_path / "a.csv", "\n".join(["id,c,day,odd", *lines]))
    command = [sys.executable, "-m", "segqc", "tabular", "benchmark", "--data", str(path), "--label", "odd"]
    command += ["--anomaly", "1", "--seeds", "0", "--methods", "segqc,knn", "--out", str(tmp_path / "b")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Warning: Most rows have a rare value, or one of their own, in id: looks like an identifier" in done.stderr
    assert "UserWarning" not in done.stderr
    assert ".py:" not in done.stderr
