"""Lines of a scores file: rows that cannot be read keep their places among those that were scored."""

import pytest

from segqc.tabular.commands.score_lines import header_of, number_lines
from segqc.tabular.io.raw import BadRow


@pytest.mark.parametrize("bad", [[], [1], [2, 3], [5], [5, 6], [1, 2, 6], [3, 6, 5]], ids=str)
def test_bad_rows_stand_where_the_table_has_them(bad: list[int]) -> None:
    scored = [{"status": "ok", "score": float(i)} for i in range(4)]
    lines = list(number_lines(scored, [BadRow(number, f"reason {number}") for number in bad]))
    assert [line["row"] for line in lines] == list(range(1, 5 + len(bad)))
    assert [line["row"] for line in lines if line["status"] == "error"] == sorted(bad)
    assert [line["score"] for line in lines if line["status"] == "ok"] == [0.0, 1.0, 2.0, 3.0]
    assert all(line["reason"] == f"reason {line['row']}" for line in lines if line["status"] == "error")


def test_a_table_of_bad_rows_alone_has_their_lines() -> None:
    lines = list(number_lines([], [BadRow(2, "b"), BadRow(1, "a")]))
    assert [(line["row"], line["reason"]) for line in lines] == [(1, "a"), (2, "b")]


def test_the_header_names_as_many_cells_as_are_asked_for() -> None:
    assert header_of(0, []) == ["row", "status", "rank", "score", "outlier", "reason"]
    assert header_of(1, ["id"])[4:] == ["odd_1", "value_1", "share_1", "outlier", "reason", "kept_id"]
