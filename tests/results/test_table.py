"""The one reader of an audit: typed cells whatever the file, paths from any directory, audits of earlier versions."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from export_audit import NAMES, write_audit

from segqc.base.errors import BadInput
from segqc.base.files import write_json
from segqc.base.tables import write_table
from segqc.results.schema import (
    COLUMNS,
    DECISION_COLUMNS,
    OBJECT_COLUMNS,
    REVIEW_COLUMNS,
    SCORE_COLUMNS,
    STATE_COLUMNS,
    audit_columns,
    markdown_table,
    names,
    split_list,
)
from segqc.results.table import read_audit_table, read_finished_audit

TYPES = {"text": str, "integer": int, "number": float, "boolean": bool, "list": str, "box": str}

# What version 0.1.0 wrote before it had the column `warnings` and a working directory in its summary.
EARLIER = (
    "id,rank,score,status,reason,worst_class,expected_class,worst_box,classes,dice,agreement,density,width,height,"
    "image,prediction\n"
    'a,1,0.75,ok,"score is a guess, its model hardly saw: cat (11 training pictures)",cat,,"1,2,3,4",cat;dog,0.5,0.25,'
    "-3.5,40,30,images/a.jpg,masks/a.png\n"
    "b,2,,error,masks/b.png: is empty (0 bytes),,,,,,,,,,images/b.jpg,masks/b.png\n"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures, masks and an audit of an earlier version that names them by relative paths; the current
    directory is another one.
    """
    folder = tmp_path / "project"
    for name in ("images/a.jpg", "masks/a.png", "masks/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "audit").mkdir()
    (folder / "audit" / "scores.csv").write_text(EARLIER, "utf-8")
    write_json(
        folder / "audit" / "summary.json",
        {"method": "structured", "model": {"folder": "gone", "fingerprint": "1"}, "config": {"predictions": "masks"}},
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def test_cells_have_the_type_of_their_column_in_csv_and_in_parquet(tmp_path: Path) -> None:
    folder = write_audit(tmp_path)
    rows = [
        {"id": "a", "score": 1.5, "status": "ok", "flagged": True, "rank": 1, "width": 40, "reason": "", "mine": "x"},
        {"id": "=b", "score": None, "status": "error", "flagged": None, "rank": 2, "width": None, "reason": "bad"},
    ]
    for suffix in ("csv", "parquet"):
        write_table(tmp_path / f"few.{suffix}", rows, (*rows[0],))
    for one, two in (
        (folder / "scores.csv", folder / "scores.parquet"),
        (tmp_path / "few.csv", tmp_path / "few.parquet"),
    ):
        tables = [read_audit_table(path).rows for path in (one, two)]
        own = [{name: value for name, value in row.items() if name != "mine"} for row in tables[0]]
        assert own == [{name: value for name, value in row.items() if name != "mine"} for row in tables[1]]
        for row in own:
            for name, value in row.items():
                assert value is None or type(value) is TYPES[COLUMNS[name].kind], name


def test_an_audit_of_an_earlier_version_is_read(project: Path) -> None:
    table = read_finished_audit(project / "audit")
    first, second = table.rows
    assert (first["score"], first["rank"], first["width"], first["worst_box"]) == (0.75, 1, 40, "1,2,3,4")
    assert split_list(first["classes"]) == ["cat", "dog"]
    assert (second["score"], second["worst_class"]) == (None, None)
    assert set(table.by_id) == {"a", "b"}
    np.testing.assert_array_equal(table.column("dice", ["b", "a", "c"]), [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(table.column("no such column", ["a"]), [np.nan])


def test_relative_paths_are_found_in_a_folder_above_the_table(project: Path) -> None:
    table = read_audit_table(project / "audit")
    assert table.file(table.rows[0], "image") == project / "images" / "a.jpg"
    assert table.locate("masks", "--predictions") == project / "masks"


def test_relative_paths_start_where_the_audit_says_even_if_others_lie_here(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit whose folder was moved, read where files of the same names lie that are not its own."""
    summary = json.loads((project / "audit" / "summary.json").read_text())
    write_json(project / "audit" / "summary.json", summary | {"working_directory": str(project)})
    (project / "audit").rename(tmp_path / "moved")
    for name in ("images/a.jpg", "masks/a.png"):
        (tmp_path / "elsewhere" / name).parent.mkdir()
        (tmp_path / "elsewhere" / name).touch()
    table = read_audit_table(tmp_path / "moved")
    assert table.file(table.rows[0], "image") == project / "images" / "a.jpg"
    assert table.locate("masks", "--predictions") == project / "masks"
    monkeypatch.chdir(project)
    assert read_audit_table(tmp_path / "moved").file(table.rows[0], "image") == Path("images/a.jpg"), "as written"
    project.rename(tmp_path / "gone")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_audit_table(tmp_path / "moved").file(table.rows[0], "image") == Path("images/a.jpg"), "what is left"


def test_a_file_that_is_nowhere_is_said_to_be_so_with_the_places(project: Path, tmp_path: Path) -> None:
    table = read_audit_table(project / "audit")
    with pytest.raises(BadInput, match=r"images/b\.jpg: does not exist; tried images/b\.jpg, .*/project/images/b\.jpg"):
        table.file(table.rows[1], "image")
    with pytest.raises(BadInput, match=r"tried .*/project/truths.*--ground-truth"):
        table.locate("truths", "--ground-truth")
    with pytest.raises(BadInput, match="does not exist; it is the image of a"):
        table.file(table.rows[0] | {"image": str(tmp_path / "none.jpg")}, "image")
    with pytest.raises(BadInput, match="names no image of a: a hook keeps"):
        table.file(table.rows[0] | {"image": None}, "image")


def test_a_table_alone_is_no_finished_audit(tmp_path: Path) -> None:
    folder = write_audit(tmp_path)
    assert [row["id"] for row in read_audit_table(folder).rows][: len(NAMES)] == NAMES
    with pytest.raises(BadInput, match="no finished audit"):
        read_finished_audit(folder / "scores.csv")  # its summary names no method
    (folder / "summary.json").unlink()
    with pytest.raises(BadInput, match=r"no finished audit: it has no summary\.json"):
        read_finished_audit(folder)


def test_every_column_is_named_once_and_says_what_it_is() -> None:
    every = [*SCORE_COLUMNS, *DECISION_COLUMNS, *STATE_COLUMNS]
    assert len({column.name for column in every}) == len(every)
    assert audit_columns(calibrated=True) == names(every)
    assert audit_columns(calibrated=False) == names([*SCORE_COLUMNS, *STATE_COLUMNS])
    assert set(names(REVIEW_COLUMNS)) <= COLUMNS.keys()
    assert len(set(names(OBJECT_COLUMNS))) == len(OBJECT_COLUMNS)
    assert all(column.meaning and not column.meaning.endswith(".") for column in COLUMNS.values())
    lines = markdown_table(every).splitlines()
    assert len(lines) == len(every) + 2
    assert "| `width` | integer | pixels | width of the picture |" in lines


def test_parquet_types_follow_the_schema(tmp_path: Path) -> None:
    """What pandas or DuckDB see of an audit is what the schema says."""
    kinds = {"string": "text list box", "int64": "integer", "double": "number", "bool": "boolean"}
    table = pyarrow.parquet.read_table(write_audit(tmp_path) / "scores.parquet")
    for field in table.schema:
        assert str(field.type) == "null" or COLUMNS[field.name].kind in kinds[str(field.type)].split(), field
