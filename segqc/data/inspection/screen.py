"""What `segqc inspect` prints: one screen about a data set."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from segqc.data.inspection.look import Look
from segqc.data.inspection.survey import commonest_reason
from segqc.data.labels import VOID, LabelSpace
from segqc.data.pairs import Pair, Problem, count_files

_SHOWN_VALUES = 24


def print_inspection(
    console: Console, look: Look, pairs: Sequence[Pair], problems: Sequence[Problem], named: bool, said: Sequence[str]
) -> None:
    """Print counts, kinds of files, a table of label values, and suspicions.

    Parameters
    ----------
    console : Console
    look : Look
        At the pairs.
    pairs, problems
        What the files of the data set make.
    named : bool
        Whether the classes' names are known; else values stand without.
    said : sequence of str
        What was decided while the files were found.
    """
    console.print(f"{count_files(pairs, problems)} of picture and mask; without a partner: {len(problems):,}.")
    for line in _kinds_of_problems(problems):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    console.print(_pictures(look), highlight=False, soft_wrap=True)
    console.print(_values(look, look.labels if named else None))
    if named:
        labels = look.labels
        background = "none" if labels.background is None else labels.names[labels.background]
        console.print(f"background: {background}; void: {_void(labels)}", highlight=False, soft_wrap=True)
    for line in [*said, *look.settled.said]:
        console.print(line, highlight=False, soft_wrap=True)
    for found in look.settled.suspicions:
        style = "bold red" if found.grave else "yellow"
        console.print(Text.assemble((f"{found.kind}: ", style), str(found)), soft_wrap=True)
    if pairs and not look.settled.suspicions:
        console.print("Nothing suspicious was found.")


def _kinds_of_problems(problems: Sequence[Problem]) -> list[str]:
    """Reasons, the commonest first, each with one example."""
    left = list(problems)
    lines: list[str] = []
    while left and len(lines) < 5:
        said = commonest_reason([(str(problem.path), problem.reason) for problem in left])
        kind = said.split(": ", 1)[1].split(" (for example", 1)[0]
        lines.append(said)
        left = [problem for problem in left if problem.reason[:20] != kind[:20]]
    return lines


def _pictures(look: Look) -> str:
    """Modes, sizes and orientations of the pictures."""
    facts = [found for found in look.survey.pictures.values() if not found.error]
    if not facts:
        return "no picture was looked at"
    modes = ", ".join(f"{count} {mode}" for mode, count in Counter(found.mode for found in facts).most_common(4))
    widths, heights = [found.width for found in facts], [found.height for found in facts]
    size = f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)} px"
    turned = sum(found.orientation != 1 for found in facts)
    deep = [found for found in facts if found.low is not None]
    values = f"; values {min(f.low or 0 for f in deep):g} to {max(f.high or 0 for f in deep):g}" if deep else ""
    return f"pictures: {modes}; {size}{values}" + (f"; {turned} have an EXIF orientation" if turned else "")


def _values(look: Look, labels: LabelSpace | None) -> RenderableType:
    """A row for each label value, or colour, with its class, its pixels and the masks that hold it."""
    survey = look.survey
    pixels: Counter[tuple[bool, int]] = Counter()
    masks: Counter[tuple[bool, int]] = Counter()
    for facts in survey.readable.values():
        for value, count in facts.pixels.items():
            pixels[facts.coloured, value] += count
            masks[facts.coloured, value] += 1
    table = Table("value", "class", "share of pixels", "masks", box=None, pad_edge=False)
    total = max(1, sum(pixels.values()))
    for coloured, value in sorted(pixels)[:_SHOWN_VALUES]:
        key = coloured, value
        shown = f"#{value:06x}" if coloured else str(value)
        table.add_row(shown, _class_of(coloured, value, labels), f"{pixels[key] / total:.2%}", str(masks[key]))
    if len(pixels) > _SHOWN_VALUES:
        return Group(table, Text(f"... and {len(pixels) - _SHOWN_VALUES} more values"))
    return table


def _class_of(coloured: bool, value: int, labels: LabelSpace | None) -> str:
    if labels is None:
        return ""
    if coloured:
        by_colour = {tuple(labels.palette[place].tolist()): index for index, place in labels.colour_indices.items()}
        index = by_colour.get((value >> 16, value >> 8 & 255, value & 255))
    else:
        index = labels.value_classes.get(value)
    return "no class" if index is None else labels.name(index)


def _void(labels: LabelSpace) -> str:
    values = [str(value) for value, index in labels.value_classes.items() if index == VOID]
    return ", ".join(values) or "none"
