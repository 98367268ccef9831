"""Every `segqc` command that a page prints is one that the command line takes: its name, and each of its options."""

import re
from pathlib import Path

import pytest
import typer

from segqc.cli.app import app
from segqc.results.schema import DECISION_COLUMNS, SCORE_COLUMNS, STATE_COLUMNS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/tutorials/*.md")),
    *sorted(ROOT.glob("segqc/models/*/MODEL_CARD.md")),
]
README_LINES = 150


def printed_commands(text: str) -> list[str]:
    """Lines of bash blocks, continued ones joined and comments cut, and code in running text, that begin with segqc."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`(segqc [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line.partition(" #")[0].strip() for line in [*lines, *inline] if line.startswith("segqc ")]


def find_command(words: list[str]):
    """The command that the words name, and the words that follow it."""
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_a_page_are_known(page: Path) -> None:
    for line in printed_commands(page.read_text(encoding="utf-8")):
        words = line.split()[1:]
        if words[0] in ("--help", "--version", "COMMAND"):
            continue
        command, rest = find_command(words)
        known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
        unknown = {word for word in rest if word.startswith("--")} - known
        assert not unknown, f"{line!r} has options that {command.name} does not take: {sorted(unknown)}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_the_columns_of_an_audit_are_documented() -> None:
    formats = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert [
        column.name
        for column in (*SCORE_COLUMNS, *DECISION_COLUMNS, *STATE_COLUMNS)
        if f"`{column.name}`" not in formats
    ] == []
