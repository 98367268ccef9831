"""Rows of a page as columns of text: the browser reads what the rows were."""

import json
from io import StringIO

from segqc.gallery.store import PageRows


def test_the_columns_are_those_of_the_rows() -> None:
    rows = [
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
