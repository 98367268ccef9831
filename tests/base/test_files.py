"""Whole files or none, and errors that say which file and what to do."""

import csv
import errno
import json
import multiprocessing
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from segqc.base import tables
from segqc.base.errors import BadInput, describe_os_error
from segqc.base.files import atomic_path, read_json, remove_leftovers, write_json
from segqc.base.lazy import Computed
from segqc.base.tables import write_table


def test_bad_input_reads_as_a_sentence_and_survives_a_worker_process():
    error = BadInput(Path("a/b.png"), "is truncated", "copy it again")
    assert str(error) == "a/b.png: is truncated (copy it again)"
    assert str(BadInput("a", "is bad")) == "a: is bad"
    copy = pickle.loads(pickle.dumps(error))  # what multiprocessing does with it
    assert (copy.path, copy.reason, copy.fix, str(copy)) == (error.path, error.reason, error.fix, str(error))


def test_atomic_path_makes_folders_and_keeps_the_suffix(tmp_path):
    target = tmp_path / "new" / "folder" / "x.png"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".png"
        assert temporary.name.startswith(".")
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_what_the_disk_refuses_names_the_file_and_not_its_temporary_name(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    said = []
    for path in (tmp_path / "file" / "x.json", tmp_path / "file" / "y" / "x.json", tmp_path / "folder"):
        with pytest.raises(OSError) as raised:  # noqa: PT011
            write_json(path, {})
        said.append(describe_os_error(raised.value))
    assert said == [
        f"{tmp_path / 'file'}: is in the way: it is a file, and a folder is needed there",
        f"{tmp_path / 'file' / 'y'}: Not a directory",
        f"{tmp_path / 'folder'}: Is a directory",
    ]
    with pytest.raises(OSError) as raised, atomic_path(tmp_path / "full"):  # noqa: PT011
        raise OSError(errno.ENOSPC, "No space left on device")
    assert describe_os_error(raised.value) == f"{tmp_path / 'full'}: No space left on device"


def test_atomic_path_leaves_the_old_file_on_error(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@dataclass
class Point:
    x: int
    where: Path


def test_what_a_killed_command_left_goes_and_nothing_else(tmp_path):
    def die(path: Path) -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            os._exit(0)  # no clean-up

    for name in ("a.json", "maps/0f/b.png", "others/c.png"):
        process = multiprocessing.get_context("fork").Process(target=die, args=(tmp_path / name,))
        process.start()
        process.join()
    (tmp_path / "maps" / ".0123456789abcdef.tmp").mkdir()
    kept = [tmp_path / "maps" / name for name in (".tmp.png", ".hidden", "0123456789abcdef.tmp.png")]
    for path in kept:
        path.touch()
    assert len(list(tmp_path.rglob(".????????????????.tmp*"))) == 4
    remove_leftovers(tmp_path, ("maps", "missing"))
    left = list(tmp_path.rglob(".????????????????.tmp*"))
    assert [path.parent for path in left] == [tmp_path / "others"]
    assert all(path.is_file() for path in kept)


def test_json_round_trip_of_numpy_paths_dataclasses_and_odd_file_names(tmp_path):
    odd = b"caf\xe9.png".decode("utf-8", "surrogateescape")  # a Latin-1 file name as Python sees it
    obj = {"a": np.float32(0.5), "b": np.arange(3), "c": Point(1, Path("p")), "d": "Zürich", "e": odd, "f": None}
    write_json(tmp_path / "x.json", obj)
    assert read_json(tmp_path / "x.json") == {
        "a": 0.5,
        "b": [0, 1, 2],
        "c": {"x": 1, "where": "p"},
        "d": "Zürich",
        "e": odd,
        "f": None,
    }
    assert "Zürich" in (tmp_path / "x.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_json_refuses_numbers_that_browsers_refuse(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"dice": value})
    assert not (tmp_path / "x.json").exists()


def test_json_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match="set"):
        write_json(tmp_path / "x.json", {1, 2})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1,}', "line 1"),
        (b"", "valid JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 200_000, "JSON"),
        (b"\x00" * 10, "valid JSON"),
    ],
)
def test_json_that_is_none_names_the_file(tmp_path, content, reason):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=rf"config\.json.*{reason}"):
        read_json(path)


def test_json_that_is_missing_or_a_folder_names_the_file(tmp_path):
    with pytest.raises(BadInput, match=r"none\.json: does not exist"):
        read_json(tmp_path / "none.json")
    with pytest.raises(BadInput, match="cannot be read"):
        read_json(tmp_path)


def test_json_takes_a_byte_order_mark(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "x.json") == [1]


ROWS = [
    {"id": "=cmd|'/c calc'!A0", "rank": 1, "score": 0.1 + 0.2, "dice": None},
    {"id": 'a,"b"\nc', "rank": 2, "score": -1.5, "dice": 0.25},
    {"id": "-x", "rank": 3, "score": "", "dice": ""},
    {"id": "plain", "rank": 4},
]
COLUMNS = ["id", "rank", "score", "dice"]


def test_csv_defuses_formulas_but_not_negative_numbers(tmp_path):
    write_table(tmp_path / "t.csv", ROWS, COLUMNS)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == ["'=cmd|'/c calc'!A0", 'a,"b"\nc', "'-x", "plain"]
    assert [row["score"] for row in rows] == ["0.30000000000000004", "-1.5", "", ""]
    assert [row["dice"] for row in rows] == ["", "0.25", "", ""]


@pytest.mark.parametrize(
    "text", ["=1", "+A1", "-A1", "@1", "\t1", "+49-30", "-2+3", "-1,5", "-5 ", "--5", "-1e", "-inf", "-٣", "=-5"]
)
def test_csv_defuses_every_start_of_a_formula(tmp_path, text):
    write_table(tmp_path / "t.csv", [{"id": text}], ["id"])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream))[1] == [f"'{text}"]


@pytest.mark.parametrize("text", ["-5", "+49", "-0.5", "-.5", "+1e-05", "-12345678901234567890"])
def test_csv_leaves_text_that_is_a_number_as_it_is(tmp_path, text):
    write_table(tmp_path / "t.csv", [{"id": text}], ["id"])
    assert (tmp_path / "t.csv").read_text() == f"id\n{text}\n"


def test_csv_keeps_a_name_with_a_carriage_return_in_one_row(tmp_path):
    write_table(tmp_path / "t.csv", [{"id": "a\r=1"}], ["id"])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [["id"], ["a =1"]]


def test_parquet_keeps_types_and_text(tmp_path):
    write_table(tmp_path / "t.parquet", ROWS, COLUMNS)
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert table["id"] == [row["id"] for row in ROWS]
    assert table["score"] == [0.1 + 0.2, -1.5, None, None]
    assert table["dice"] == [None, 0.25, None, None]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_tables_take_no_rows_numpy_paths_and_undecodable_names(tmp_path, name):
    write_table(tmp_path / name, [], COLUMNS)
    odd = Path(b"caf\xe9".decode("utf-8", "surrogateescape"))
    write_table(tmp_path / name, [{"id": odd, "rank": np.int64(3), "score": np.float32(0.5)}], COLUMNS)
    if name.endswith("csv"):
        assert (tmp_path / name).read_text(encoding="utf-8").splitlines() == ["id,rank,score,dice", "caf\ufffd,3,0.5,"]
    else:
        row = {"id": "caf\ufffd", "rank": 3, "score": 0.5, "dice": None}
        assert pyarrow.parquet.read_table(tmp_path / name).to_pylist() == [row]


def test_the_types_of_a_column_are_those_of_all_its_batches(tmp_path, monkeypatch):
    """In batches of two rows, against the same table in one."""
    columns = {
        "numbers": [None, "", 1, 2, 0.5, None, 7], "whole": [None, None, 3, None, "", 4, 5], "void": [None] * 7,
        "blank": [None, "", None, "", "", None, ""], "text": ["", None, "a", "", "b", "c", None],
        "flags": [None, None, None, True, False, "", True],
    }  # fmt: skip
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    write_table(tmp_path / "one.parquet", rows, list(columns))
    monkeypatch.setattr(tables, "_BATCH", 2)
    write_table(tmp_path / "many.parquet", Computed(len(rows), rows.__getitem__), list(columns))
    table = pyarrow.parquet.read_table(tmp_path / "many.parquet")
    assert table == pyarrow.parquet.read_table(tmp_path / "one.parquet")
    assert list(map(str, table.schema.types)) == ["double", "int64", "null", "string", "string", "bool"]
    assert table.column("numbers").to_pylist() == [None, None, 1, 2, 0.5, None, 7]
    assert table.column("text").to_pylist() == columns["text"]
    with pytest.raises(pyarrow.ArrowException, match="the column a holds"):
        write_table(tmp_path / "t.parquet", [{"a": 1}, {"a": 2}, {"a": "x"}], ["a"])
    write_table(tmp_path / "many.csv", rows, list(columns))
    assert (tmp_path / "many.csv").read_text().splitlines()[3:6] == ["1,3,,,a,", "2,,,,,True", "0.5,,,,b,False"]


def test_tables_refuse_unknown_columns_and_suffixes(tmp_path):
    with pytest.raises(ValueError, match="extra"):
        write_table(tmp_path / "t.csv", [{"id": 1, "extra": 2}], ["id"])
    with pytest.raises(ValueError, match=r"t\.xlsx"):
        write_table(tmp_path / "t.xlsx", [], ["id"])
    assert list(tmp_path.iterdir()) == []


def test_json_file_ends_in_a_newline_and_is_plain_utf8(tmp_path):
    write_json(tmp_path / "x.json", [1])
    assert (tmp_path / "x.json").read_bytes() == b"[\n  1\n]\n"
    assert json.loads((tmp_path / "x.json").read_text()) == [1]
