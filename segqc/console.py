"""Terminal output that all commands share: one console, one look of progress bars."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def make_progress(console: Console | None, *fields: str) -> Progress:
    """A progress bar with count, elapsed and remaining time.

    Parameters
    ----------
    console : Console or None
        None: nothing is shown.
    *fields : str
        Names of extra task fields to print at the end of the line, such as "note".
    """
    # The bar takes what the words leave: in a narrow terminal it shrinks, and no number is cut.
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    columns += [TextColumn("{task.fields[" + field + "]}") for field in fields]
    return Progress(*columns, console=console or Console(quiet=True), disable=console is None, expand=True)
