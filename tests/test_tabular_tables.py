"""Tables on disk: what is text, what is a number, what is missing, and what stops with a word about the file."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from segqc.files import BadInput
from segqc.tabular.tables import BadRow, Format, read_chunks, read_table, split_label


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_columns_of_numbers_are_numbers_and_the_others_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.csv", 'age,name,zip\n31,"Lee, A",8001\n,"two\nlines",8002\n 4.5e1,NA,8003\n'))
    assert table.schema.field("age").type == pyarrow.float64()
    assert table.to_pydict() == {"age": [31.0, None, 45.0], "name": ["Lee, A", "two\nlines", None], "zip": [8001.0, 8002.0, 8003.0]}


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
    text = "% comment\n@relation r\n@attribute code {1,2} % remark\n@attribute 'a size' numeric\n@data\n1,2.5\n?,?\n2,3\n"
    table = read_table(write(tmp_path / "a.arff", text))
    assert table.to_pydict() == {"code": ["1", None, "2"], "a size": [2.5, None, 3.0]}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pyarrow.table({"n": [1, 2], "d": pyarrow.array(["a", None]).dictionary_encode(), "f": [np.nan, 1.5], "b": [True, False]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_pydict() == {"n": [1.0, 2.0], "d": ["a", None], "f": [None, 1.5], "b": ["true", "false"]}
    assert read_table(tmp_path / "a.parquet", Format(text=("n",))).column("n").to_pylist() == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "a,b\n1,2\n1,2,3\n4\n", "row 2 has 3 cells instead of 2: 1,2,3 and 1 more"),
        ("a.csv", 'a,b\n1,2\n3,"4\n5,6\n7,8\n', "has a quote that is never closed, in the last cell of row 2"),
        ("a.csv", 'a,b\n1,2\n"3,4\n5,6\n7,8\n', "row 2 has 1 cells instead of 2"),
        ("a.csv", "a,b,a\n1,2,3\n", "has the column 'a' twice"),
        ("a.csv", "a,,c\n1,2,3\n", "has no name for column 2"),
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


def test_chunks_have_the_types_asked_for_and_lose_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,n,t\n1,10,x\n2,ten,y\nbroken\n3,,5\n4,40,\n")
    problems: list[BadRow] = []
    chunks = list(read_chunks(path, Format(text=("t",), numbers=("n",)), ["t", "n"], problems, rows=2))
    assert [chunk.table.num_rows for chunk in chunks] == [2, 2]
    assert pyarrow.concat_tables([chunk.table for chunk in chunks]).to_pydict() == {"t": ["x", "y", "5", None], "n": [10.0, None, None, 40.0]}
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
        chunks = [chunk.table for chunk in read_chunks(tmp_path / name, Format(text=("c",), numbers=("x",)), ["c", "x"], [], rows=64)]
        assert [chunk.num_rows for chunk in chunks] == [64] * 7 + [52], name
        assert pyarrow.concat_tables(chunks).to_pydict() == table.to_pydict(), name
