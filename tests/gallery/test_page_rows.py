"""Rows of a page as columns of text, and the details of large pages beside them: nothing of a row is lost."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

from segqc.gallery.rows import IN_PAGE
from segqc.gallery.store import PageRows, PictureFolder


def test_the_columns_are_those_of_the_rows() -> None:
    rows: list[dict[str, Any]] = [
        {"status": "ok", "id": "a</script>", "same": None, "list": ["ü", 1.5]},
        {"status": "error", "id": "b", "same": None, "late": 3},
        {"status": "ok", "id": "c", "same": None, "list": []},
    ]
    page, stream = PageRows(), StringIO()
    for row in rows:
        page.add(row)
    page.write(stream, "rows", {"count": 3, "title": "<&>"})
    text = stream.getvalue()
    begin, end = '<script type="application/json" id="rows">', "</script>\n"
    assert text.startswith(begin)
    assert text.endswith(end)
    body = text[len(begin) : -len(end)]
    assert not set(body) & set("<>&")
    assert json.loads(body) == {
        "columns": {
            "status": ["ok", "error", "ok"],
            "id": ["a</script>", "b", "c"],
            "same": {"all": None},
            "list": [["ü", 1.5], None, []],
            "late": [None, 3, None],
        },
        "count": 3,
        "title": "<&>",
    }
    assert list(json.loads(body)["columns"]) == ["status", "id", "same", "list", "late"]
    assert (len(page), page.scored) == (3, 2)


def test_a_page_of_no_rows_has_no_columns() -> None:
    stream = StringIO()
    PageRows().write(stream, "rows", {"count": 0})
    assert '{"columns":{},"count":0}' in stream.getvalue()


def test_a_row_of_a_large_page_is_divided_between_the_page_and_the_script_of_its_hundred(tmp_path: Path) -> None:
    rows = [
        {"id": f"pair_{index}", "status": "ok" if index < 620 else "error", "reason": f"reason {index}", "score": 0.5}
        | {"agreement": 0.5, "objects": [{"score": index / 1000, "class": "</script>"}]}
        for index in range(630)
    ]
    with PictureFolder(tmp_path / "page.html") as store:
        inside = [store.in_page(row) for row in rows]
        folder = tmp_path / store.finish()
    assert all(set(row) <= IN_PAGE for row in inside)
    assert [row.get("reason") for row in inside] == [None] * 620 + [f"reason {index}" for index in range(620, 630)]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.js")}
    assert files == {f"0/rows-{number}.js" for number in range(5)} | {"1/rows-5.js", "1/rows-6.js"}
    beside = []
    for number in range(7):
        text = (folder / str(number // 5) / f"rows-{number}.js").read_text("ascii")
        assert not set(text) & set("<>&")
        beside += json.loads(text.removeprefix(f'segqcDetails("{number}",').removesuffix(");\n"))
    assert [dict(known) | details for known, details in zip(inside, beside, strict=True)] == rows
