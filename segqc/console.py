"""Terminal output that all commands share: one console, one look of progress bars."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def make_progress(console: Console | None, *fields: str) -> Progress:
    """A progress bar with count, elapsed and remaining time.

    Parameters
    ----------
    console : Console or None
        None: nothing is shown.
    *fields : str
        Names of extra task fields to print at the end of the line, such as "note".
    """
    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    columns += [TextColumn("{task.fields[" + field + "]}") for field in fields]
    return Progress(*columns, console=console or Console(quiet=True), disable=console is None)
