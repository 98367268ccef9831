"""Tables and cells in Markdown."""

from collections.abc import Callable, Sequence

from evaluation.tables.methods import title
from evaluation.tables.summary import Cell, Results


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are text already."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *lines))


def cell_text(cell: Cell | None, seeds: int, bold: bool = False) -> str:
    """Mean ± standard deviation in %; the number of seeds in parentheses where it is not `seeds`; a dash for None."""
    if cell is None:
        return "-"
    spread = f" ± {cell.deviation:.1f}" if cell.seeds > 1 else ""
    mean = f"**{cell.mean:.2f}**" if bold else f"{cell.mean:.2f}"
    return f"{mean}{spread}{'' if cell.seeds == seeds else f' ({cell.seeds})'}"


def mean_text(cell: Cell | None, unit: str = "") -> str:
    """The mean alone, in italics; a dash for None."""
    return "-" if cell is None else f"*{cell.mean:.1f}{unit}*"


def methods_by_sets(results: Results, text: Callable[[str, str], str]) -> str:
    """A table of `text(method, set)`."""
    lines = [[title(method), *(text(method, name) for name in results.datasets)] for method in results.methods]
    return table(["method", *results.datasets], lines)
