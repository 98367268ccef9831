"""Dice values by id from a table that somebody filled in by hand: understood, or refused by name."""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from segqc.base.errors import BadInput
from segqc.results.table import parse_number

_LISTED = 5


def read_dice_table(path: Path, known: Collection[str], notes: list[str]) -> dict[str, float]:
    """Dice by id.

    Columns may be separated by commas, semicolons or tabs; a number may have a decimal comma or a per cent sign; an id
    may carry the suffix of its file.

    Parameters
    ----------
    path : Path
        A CSV with the columns id and dice.
    known : collection of str
        Ids of the audit.
    notes : list of str
        Remarks are added here.

    Raises
    ------
    BadInput
        The table cannot be read, names a prediction twice, or gives per cent without a sign.
    """
    dice: dict[str, float] = {}
    bad, repeated, above = [], Counter[str](), []
    for name, text in _rows(path):
        value = _number(text)
        id_ = _known_id(name, known)
        if id_ and value is not None and 0 <= value <= 1:
            repeated[id_] += 1
            dice[id_] = value
            continue
        bad.append(name)
        if value is not None and 1 < value <= 100:
            above.append(name)
    twice = [id_ for id_, count in repeated.items() if count > 1]
    if twice:
        raise BadInput(path, f"gives a Dice more than once for {some(twice)}", "leave one row for each prediction")
    if above and len(above) >= len(dice):
        raise BadInput(
            path, f"gives a Dice above 1 for {some(above)}", "write shares, such as 0.85, or per cent with a sign, 85%"
        )
    if bad:
        notes.append(f"{len(bad)} rows of {path.name} have no Dice between 0 and 1 and were left out ({some(bad)})")
    return dice


def some(ids: Sequence[str]) -> str:
    """The first few ids."""
    return ", ".join(ids[:_LISTED]) + (", ..." if len(ids) > _LISTED else "")


def _rows(path: Path) -> list[tuple[str, str]]:
    """Id and Dice of each row, as texts."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        header = lines[0] if lines else ""
        separator = max(",;\t", key=header.count)
        rows = list(csv.reader(lines, delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            path, f"is not a readable CSV file: {error}", "give a CSV with the columns id and dice"
        ) from error
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if not {"id", "dice"} <= set(names):
        raise BadInput(path, "lacks the columns id and dice", "name them so in its first line")
    places = names.index("id"), names.index("dice")
    whole = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    wide = [row[places[0]] for row in whole if len(row) > len(names) and len(row) > max(places)]
    if wide and separator == ",":
        raise BadInput(
            path, f"has more cells than columns for {some(wide)}", "write decimal points, or separate by semicolons"
        )
    return [(row[places[0]].strip(), row[places[1]].strip()) for row in whole if len(row) > max(places)]


def _number(text: str) -> float | None:
    """A number with a decimal point or comma, or per cent with a sign, as a share."""
    share = text.endswith("%")
    number = parse_number(text.removesuffix("%").strip().replace(",", "."))
    return None if number is None else float(number) / (100 if share else 1)


def _known_id(name: str, known: Collection[str]) -> str:
    """The audit's id that is meant: the name itself, or without the suffix of a file."""
    if name in known:
        return name
    bare = str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).suffix else name
    return bare if bare in known else name
