"""Terminal output that all commands share: the consoles, and how paths, warnings and progress bars look.

Printed strings are never read as markup, because paths, ids and class names may hold square brackets and colons. A
string that should be styled is a `Text`.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class PlainConsole(Console):
    """A console without markup and emoji codes.

    When the reader of a pipe goes away (`segqc audit | head`), the command continues without printing.
    """

    def __init__(self, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # Python flushes the stream when it exits; what is left in it must not fail again
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


# torchrun and accelerate number the processes that share a run: the first one speaks, all report their errors.
console = PlainConsole(quiet=os.environ.get("RANK", "0") != "0")
error_console = PlainConsole(stderr=True)


def wrote(path: object, more: str = ".", what: str = "") -> Text:
    """Return "Wrote PATH." with the path in bold; `what` stands before the path, `more` after it."""
    return Text.assemble(f"Wrote {what}", (str(path), "bold"), more)


def print_warnings(texts: list[str]) -> None:
    """Print each text as a line that begins with "Warning:"."""
    for text in texts:
        console.print(Text.assemble(("Warning:", "bold yellow"), " ", text), soft_wrap=True)


def make_progress(console: Console | None, *fields: str) -> Progress:
    """Make a progress bar with count, elapsed and remaining time.

    Parameters
    ----------
    console : Console or None
        None: nothing is shown.
    *fields : str
        Names of extra task fields to print at the end of the line, such as "note".
    """
    # The bar takes what the words leave: in a narrow terminal it shrinks, and no number is cut.
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
    ]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    columns += [TextColumn("{task.fields[" + field + "]}", markup=False) for field in fields]
    return Progress(*columns, console=console or Console(quiet=True), disable=console is None, expand=True)


def present(folder: Path, names: Iterable[str]) -> str:
    """Those of `names` that there are in a folder, folders with a slash, and commas between."""
    paths = [path for name in names if (path := folder / name).exists()]
    return ", ".join(f"{path.name}/" if path.is_dir() else path.name for path in paths)
