"""What to try where a column was read as categories, but most of its cells are numbers or dates."""

import shlex

import pyarrow
import pyarrow.compute

from segqc.tabular.config import TableConfig
from segqc.tabular.io.notations import Look, Notation, look_of

_NAMED = 3  # cells or formats in a sentence


def hints_on(table: pyarrow.Table, names: list[str], config: TableConfig) -> list[str]:
    """A sentence on each of the text columns that look like numbers or dates, with how many cells do not.

    Parameters
    ----------
    table : pyarrow.Table
    names : list of str
        Its text columns that are not to be text.
    config : TableConfig
        How it was read.
    """
    looks = {name: look_of(table.column(name)) for name in names}
    found = {name: _advice(name, table.column(name), look, config) for name, look in looks.items() if look is not None}
    return [f"{name} was read as categories{advice}" for name, advice in found.items() if advice]


def _advice(name: str, column: pyarrow.ChunkedArray, look: Look, config: TableConfig) -> str:
    first = look.notations[0]
    texts = sorted(set(look.odd))
    marks = f"--missing {shlex.quote(','.join(texts[:_NAMED]))}"
    odd = (
        f"{len(look.odd):,} of {look.present:,} cells are no {first.what}, such as {', '.join(texts[:_NAMED])}"
        if texts
        else ""
    )
    options = _options(look.notations, config)
    if first.signs or options:
        example = next(cell for cell in column.drop_null().to_pylist() if cell not in texts)
        said = f": it holds {first.what} such as {example!r}; "
        said += "save the table without their signs" if first.signs else f"fit again with {options}"
        return said + (f". {odd}; if these mean missing, add {marks}" if odd else "")
    if odd:
        return f", since {odd}: if these mean missing, fit again with {marks}"
    if first.what == "numbers" and 2 * pyarrow.compute.count_distinct(column).as_py() > len(column):
        return f", although all its cells are numbers: fit again with --numeric {shlex.quote(name)}"
    return ""


def _options(notations: list[Notation], config: TableConfig) -> str:
    """What makes the cells readable and was not given; the notations read the same cells."""
    first, found = notations[0], []
    if first.decimal not in (".", config.decimal):
        found.append(f"--decimal {first.decimal}")
    if first.thousands not in ("", config.thousands):
        found.append(f"--thousands {shlex.quote(first.thousands)}")
    formats = [shlex.quote(notation.date_format) for notation in notations if notation.date_format]
    if first.date_format and config.date_format not in [notation.date_format for notation in notations]:
        found.append(f"--date-format {' or '.join(formats[:_NAMED])}")
    return " ".join(found)
