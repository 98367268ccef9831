"""Tables on disk: what is text, what is a number, what is missing, and what stops with a word about the file."""

import datetime
import decimal
import gzip
import re
import threading
import weakref
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from segqc.base.errors import BadInput
from segqc.tabular.io import raw
from segqc.tabular.io.files import read_chunks, read_table, split_label
from segqc.tabular.io.raw import BadRow, Format


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_columns_of_numbers_are_numbers_and_the_others_text(tmp_path: Path) -> None:
    table = read_table(
        write(tmp_path / "a.csv", 'age,name,zip\n31,"Lee, A",8001\n,"two\nlines",8002\n 4.5e1,NA,8003\n')
    )
    assert table.schema.field("age").type == pyarrow.float64()
    assert table.to_pydict() == {
        "age": [31.0, None, 45.0],
        "name": ["Lee, A", "two\nlines", None],
        "zip": [8001.0, 8002.0, 8003.0],
    }


def test_codes_stay_text_and_further_marks_are_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "zip,kind\n08001,?\n08002,b\n")
    table = read_table(path, Format(text=("zip",), missing=("", "?")))
    assert table.to_pydict() == {"zip": ["08001", "08002"], "kind": [None, "b"]}
    assert read_table(path).column("kind").to_pylist() == ["?", "b"]


def test_tsv_and_other_separators(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.tsv", "a\tb\nx\t1\n")).to_pydict() == {"a": ["x"], "b": [1.0]}
    path = write(tmp_path / "a.csv", "a;b\nx;1\n")
    assert read_table(path, Format(separator=";")).to_pydict() == {"a": ["x"], "b": [1.0]}
    with pytest.raises(BadInput, match=r"a\.csv: has one column.*--separator ';'"):
        read_table(path)


def test_arff_says_what_is_nominal_and_its_question_mark_is_missing(tmp_path: Path) -> None:
    text = (
        "% comment\n@relation r\n@attribute code {1,2} % remark\n@attribute 'a size' numeric\n@data\n1,2.5\n?,?\n2,3\n"
    )
    table = read_table(write(tmp_path / "a.arff", text))
    assert table.to_pydict() == {"code": ["1", None, "2"], "a size": [2.5, None, 3.0]}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pyarrow.table(
        {"n": [1, 2], "d": pyarrow.array(["a", None]).dictionary_encode(), "f": [np.nan, 1.5], "b": [True, False]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_pydict() == {
        "n": [1.0, 2.0],
        "d": ["a", None],
        "f": [None, 1.5],
        "b": ["True", "False"],
    }
    assert read_table(tmp_path / "a.parquet", Format(text=("n",))).column("n").to_pylist() == ["1", "2"]


def test_times_large_integers_and_unusual_types_of_parquet(tmp_path: Path) -> None:
    berlin = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    table = pyarrow.table(
        {
            "a.b": [1, None],
            "a": [{"b": 1}, {"b": 2}],
            "nothing": pyarrow.nulls(2),
            "large": pyarrow.array([2**64 - 1, 1], pyarrow.uint64()),
            "infinite": [np.inf, 1.0],
            "long": pyarrow.array(["x", None], pyarrow.large_string()),
            "day": pyarrow.array([datetime.date(2024, 1, 1), None]),
            "zone": pyarrow.array([berlin, None], pyarrow.timestamp("s", "Europe/Berlin")),
            "span": pyarrow.array([datetime.timedelta(hours=3), None], pyarrow.duration("ns")),
            "time": pyarrow.array([datetime.time(3, 4), None]),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"column of type struct<b: int64>, 'a' \(leave it out, as --drop 'a' does"):
        read_table(tmp_path / "a.parquet")
    day = datetime.datetime(2024, 1, 1)
    found = read_table(tmp_path / "a.parquet", drop=["a"]).to_pydict()
    assert found == {
        "a.b": [1.0, None],
        "nothing": [None, None],
        "large": [float(2**64), 1.0],
        "infinite": [np.inf, 1.0],
        "long": ["x", None],
        "day": [day, None],
        "zone": [day, None],
        "span": [10_800.0, None],
        "time": [11_040.0, None],
    }
    numbers = ("a.b", "nothing", "large", "infinite", "span", "time")
    how = Format(numbers=numbers, dates=("day", "zone"))
    (chunk,) = read_chunks(tmp_path / "a.parquet", how, list(found), [])
    assert chunk.table.to_pydict() == found
    assert chunk.notes == {}


def test_dates_of_csv_and_arff(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "d,e,f\n2024-02-29,1.2.2024,2023-02-29\n,31.12.1999,2024-02-29\n")
    days = [datetime.datetime(2024, 2, 29), None]
    assert read_table(path).to_pydict() == {
        "d": days,
        "e": ["1.2.2024", "31.12.1999"],
        "f": ["2023-02-29", "2024-02-29"],
    }
    named = read_table(path, Format(date_format="%d.%m.%Y")).column("e").to_pylist()
    assert named == [datetime.datetime(2024, 2, 1), datetime.datetime(1999, 12, 31)]
    arff = '@relation r\n@attribute d date "yyyy-MM-dd"\n@attribute n numeric\n@data\n2024-02-29,1\n?,2\n'
    assert read_table(write(tmp_path / "a.arff", arff)).column("d").to_pylist() == days


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "a,b\n1,2\n1,2,3\n4\n", "row 2 has 3 cells instead of 2: 1,2,3 and 1 more"),
        ("a.csv", 'a,b\n1,2\n3,"4\n5,6\n7,8\n', "has a quote that is never closed, in the last cell of row 2"),
        ("a.csv", 'a,b\n1,2\n"3,4\n5,6\n7,8\n', "row 2 has 1 cells instead of 2"),
        ("a.csv", "a,b,a\n1,2,3\n", "has the column 'a' twice"),
        ("a.xlsx", "x", "unknown kind, .xlsx"),
        ("a.arff", "@relation r\n@attribute a {x}\n@data\ny\n", "cannot be read as ARFF"),
        ("a.parquet", "PAR1 but no more", "cannot be read"),
    ],
)
def test_what_is_no_table_names_the_file(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(BadInput) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_line_breaks_and_quotes_in_cells_are_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n1,"two\nlines"\n3" pipe,"a ""b""\n"\n')
    assert read_table(path).to_pylist() == [{"a": "1", "b": "two\nlines"}, {"a": '3" pipe', "b": 'a "b"\n'}]


def test_missing_files_columns_and_encodings(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        read_table(tmp_path / "none.csv")
    path = write(tmp_path / "a.csv", "a,b\nx,1\n")
    with pytest.raises(BadInput, match=r"has no column 'label' \(it has a, b\)"):
        split_label(read_table(path), "label", path)
    with pytest.raises(BadInput, match=r"has no column 'c'"):
        read_table(path, Format(text=("c",)))
    with pytest.raises(BadInput, match=r"has text in the column 'a': 'x'"):
        read_table(path, Format(numbers=("a",)))
    (tmp_path / "latin.csv").write_bytes("a,b\nxé,1\n".encode("latin-1"))
    with pytest.raises(BadInput, match="save it as UTF-8"):
        read_table(tmp_path / "latin.csv")


CELLS = {
    "booleans": [True, False, True],
    "booleans with a missing one": pandas.array([True, None, False], dtype="boolean"),
    "whole numbers": [10115, 9007199254740993, -5],
    "large whole numbers in floats": [12345678901.0, 3.0, 1e15],
    "numbers": [0.1, 2.5, 1e-7],
    "categories": pandas.Categorical(["a", None, "b"]),
    "dates": pandas.to_datetime(["2024-01-01", None, "1969-12-31"]),
    "times": pandas.to_datetime(["2024-01-01 12:30:00", "2024-01-01 00:00:01", "2262-01-01 23:59:59"]),
    "times in a zone": pandas.to_datetime(["2024-01-01 00:00:00", "2024-07-01 00:00:01", None]).tz_localize(
        "Europe/Berlin"
    ),
    "days": pandas.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]).date,
    "times of day": pandas.to_datetime(["2024-01-01 12:30:00", "2024-01-01 00:00:00", "2024-01-01 01:02:03"]).time,
    "decimals": [decimal.Decimal("1.50"), decimal.Decimal("-2.00"), decimal.Decimal("12345678901234567.89")],
}


@pytest.mark.parametrize("values", CELLS.values(), ids=CELLS)
def test_a_cell_has_one_text_from_csv_and_parquet(tmp_path: Path, values: object) -> None:
    frame = pandas.DataFrame({"a": values, "b": "x"})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    texts = {}
    for name in ("a.csv", "a.parquet"):
        (chunk,) = read_chunks(tmp_path / name, Format(text=("a",)), ["a"], [])
        texts[name] = chunk.table.column("a").to_pylist()
        assert read_table(tmp_path / name, Format(text=("a",))).column("a").to_pylist() == texts[name]
    assert texts["a.parquet"] == texts["a.csv"]


def test_codes_lose_the_point_that_pandas_gives_whole_numbers_beside_missing_ones(tmp_path: Path) -> None:
    codes = ["10115", "20095", "08001", "1.0.0", "v1.0", "-1.0", "1.50", "3.0"]
    lines = "".join(f"{code},{code}\n" for code in codes)
    path = write(tmp_path / "a.csv", "zip,other\n10115.0,10115.0\n,\n" + lines)
    expected = ["10115", None, "10115", "20095", "08001", "1.0.0", "v1.0", "-1", "1.50", "3"]
    how = Format(text=("zip",))
    (chunk,) = read_chunks(path, how, ["zip", "other"], [], keep=["zip"])
    assert read_table(path, how).column("zip").to_pylist() == chunk.table.column("zip").to_pylist() == expected
    assert chunk.table.column("other").to_pylist() == ["10115.0", None, *codes]
    assert chunk.kept.column("zip").to_pylist() == ["10115.0", "", *codes]


def test_kept_columns_have_all_their_digits_and_marks(tmp_path: Path) -> None:
    numbers = [12345678901, 9007199254740993, -5]
    pyarrow.parquet.write_table(pyarrow.table({"id": numbers, "x": [0.5, None, 3.0]}), tmp_path / "a.parquet")
    (chunk,) = read_chunks(tmp_path / "a.parquet", Format(numbers=("id",)), ["id"], [], keep=["id", "x"])
    assert chunk.kept.to_pydict() == {"id": [str(number) for number in numbers], "x": ["0.5", None, "3"]}
    assert chunk.table.column("id").type == pyarrow.float64()
    path = write(tmp_path / "a.csv", "id,n\n 007,1.50\nNA,+1e3\n")
    (chunk,) = read_chunks(path, Format(numbers=("n",)), ["n"], [], keep=["id", "n"])
    assert chunk.kept.to_pydict() == {"id": [" 007", "NA"], "n": ["1.50", "+1e3"]}
    assert chunk.table.column("n").to_pylist() == [1.5, 1000.0]


@pytest.mark.parametrize("cell", ["1_000", "0x10", "1,5", "inf", "NAN", "1e999", "٣", "-", "+-5", "5 5"])
def test_what_is_no_number_is_none_in_whole_tables_and_in_chunks(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "a.csv", f'n,b\n1,x\n"{cell}",y\n')
    with pytest.raises(BadInput, match=r"has text in the column 'n': '" + re.escape(cell)):
        read_table(path, Format(numbers=("n",)))
    assert read_table(path).column("n").to_pylist() == ["1", cell]
    (chunk,) = read_chunks(path, Format(numbers=("n",)), ["n"], [])
    assert chunk.table.column("n").to_pylist() == [1.0, None]
    assert chunk.notes == {1: f"n is {cell!r}, no number, and was read as missing"}


@pytest.mark.parametrize("cell", ["+5", "5.", ".5", "-1e5", "1E-3", " 7 ", "007"])
def test_what_is_a_number_is_one_also_beside_what_is_none(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "a.csv", f"n,b\n{cell},x\n")
    assert read_table(path).column("n").to_pylist() == [float(cell)]
    write(path, f"n,b\n{cell},x\nno,y\n")
    (chunk,) = read_chunks(path, Format(numbers=("n",)), ["n"], [])
    assert chunk.table.column("n").to_pylist() == [float(cell), None]


def test_a_column_of_numbers_without_a_number_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "n,b\n,x\nNA,y\n")
    with pytest.raises(BadInput, match=r"a\.csv: has nothing in the column 'n' .*--drop"):
        read_table(path, Format(numbers=("n",)))
    assert read_table(path).column("n").to_pylist() == [None, None]


def test_chunks_have_the_types_asked_for_and_lose_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,n,t\n1,10,x\n2,ten,y\nbroken\n3,,5\n4,40,\n")
    problems: list[BadRow] = []
    chunks = list(read_chunks(path, Format(text=("t",), numbers=("n",)), ["t", "n"], problems, rows=2))
    assert [chunk.table.num_rows for chunk in chunks] == [2, 2]
    assert pyarrow.concat_tables([chunk.table for chunk in chunks]).to_pydict() == {
        "t": ["x", "y", "5", None],
        "n": [10.0, None, None, 40.0],
    }
    assert chunks[0].notes == {1: "n is 'ten', no number, and was read as missing"}
    assert chunks[1].notes == {}
    assert problems == [BadRow(3, "has 1 cells instead of 3: broken")]


def test_chunks_of_every_kind_of_file_are_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pyarrow.table({"c": [f"v{k}" for k in rng.integers(3, size=500)], "x": rng.normal(size=500)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    rows = [f"{c},{x!r}" for c, x in zip(table["c"].to_pylist(), table["x"].to_pylist(), strict=True)]
    write(tmp_path / "a.csv", "c,x\n" + "\n".join(rows))
    write(tmp_path / "a.arff", "@relation r\n@attribute c {v0,v1,v2}\n@attribute x numeric\n@data\n" + "\n".join(rows))
    for name in ("a.parquet", "a.csv", "a.arff"):
        chunks = [
            chunk.table
            for chunk in read_chunks(tmp_path / name, Format(text=("c",), numbers=("x",)), ["c", "x"], [], rows=64)
        ]
        assert [chunk.num_rows for chunk in chunks] == [64] * 7 + [52], name
        assert pyarrow.concat_tables(chunks).to_pydict() == table.to_pydict(), name


@pytest.mark.parametrize(
    "text", ["# a comment\na,b,c\n1,2,3\n4,5,6\n", "a,b\n1,2,\n3,4,\n5,6,\n"], ids=["a comment", "trailing separators"]
)
def test_a_file_of_nothing_but_ragged_rows_says_so(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match="has ragged rows: row 1 has 3 cells instead of"):
        read_table(path)
    problems: list[BadRow] = []
    names = text.splitlines()[0].split(",")
    chunks = list(read_chunks(path, Format(), names, problems))
    assert sum(chunk.table.num_rows for chunk in chunks) == 0
    assert len(problems) == 3


def test_compressed_csv_is_csv(tmp_path: Path) -> None:
    text = "a,b,n\nx,y,1.5\nx,,2\n"
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert read_table(tmp_path / "t.csv.gz").equals(read_table(tmp_path / "t.csv"))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text.encode() * 1000)[:40])
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(tmp_path / "cut.csv.gz")
    (tmp_path / "t.parquet.gz").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"is of an unknown kind, \.gz"):
        read_table(tmp_path / "t.parquet.gz")


def test_reading_ends_when_no_thread_of_arrow_holds_anything_of_python() -> None:
    """A thread that let go of a row's handler after the interpreter had ended, ended the process with a signal."""

    class Held:
        pass

    box = [Held()]
    reference = weakref.ref(box[0])
    timer = threading.Timer(0.1, box.clear)
    timer.start()
    raw._wait_for([reference])
    assert reference() is None
