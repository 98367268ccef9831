"""The tutorial's example on a table runs as printed, and finds what it says it finds."""

import re
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "table.md"
PLANTED = {7, 77, 177, 277, 377, 477}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)


def rows(printed: str) -> dict[int, str]:
    """Row number to what is odd in it."""
    return {int(line.split()[0]): line.split(maxsplit=2)[2] for line in printed.strip().splitlines()}


@pytest.mark.slow
def test_the_ten_oddest_orders(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    (code,), (shown,) = blocks("python"), blocks("text")
    exec(compile(code, TUTORIAL.name, "exec"), {})
    printed = rows(capsys.readouterr().out)
    assert len(printed) == len(rows(shown)) == 10
    assert set(printed) >= PLANTED
    assert set(rows(shown)) >= PLANTED
    for row, cell in ((77, "kg=40.0"), (277, "channel=fax"), (377, "kg=nan"), (177, "currency=eur")):
        assert printed[row].startswith(cell) or row == 177, printed[row]
        assert cell in printed[row]
        assert cell in rows(shown)[row]
