"""Numbers and dates in a column of text: in which notation most of its cells are, and which cells are in none."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pyarrow
import pyarrow.compute

from segqc.tabular.io.cells import dates_of, not_read, numbers_of

_DATE_LIKE = r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b"
_SAMPLE = 1000  # distinct cells by which a notation is chosen
_THOUSANDS = ("", ",", ".", "'", "\u2019", " ", "\u00a0", "\u202f")
_SIGNS = r"[%$€£¥]|^(?:EUR|USD|GBP|CHF) | ?(?:EUR|USD|GBP|CHF)$"
_DAYS = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


@dataclass(frozen=True)
class Notation:
    """How numbers or dates are written.

    Attributes
    ----------
    what : str
        "numbers" or "dates".
    decimal, thousands : str
        Marks of numbers.
    signs : bool
        Whether numbers come with signs of per cent or of a currency.
    date_format : str or None
        For `datetime.strptime`; None for dates of ISO 8601.
    """

    what: str = "numbers"
    decimal: str = "."
    thousands: str = ""
    signs: bool = False
    date_format: str | None = None

    def read(self, column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
        """Numbers or timestamps, null where a cell is not so written."""
        if self.what == "dates":
            return dates_of(column, self.date_format)
        if self.signs:
            column = pyarrow.compute.replace_substring_regex(column, _SIGNS, "")
        return numbers_of(column, self.decimal, self.thousands)


@dataclass(frozen=True)
class Look:
    """What most cells of a text column look like.

    Attributes
    ----------
    notations : list of Notation
        Those that read most cells, the most usual first.
    odd : list of str
        The cells that these do not read.
    present : int
        Number of cells that are not missing.
    """

    notations: list[Notation]
    odd: list[str]
    present: int


def look_of(column: pyarrow.ChunkedArray) -> Look | None:
    """The notations of numbers, or else of dates, that more than half of the distinct cells have; None for text."""
    distinct = pyarrow.chunked_array([pyarrow.compute.unique(column.drop_null())[:_SAMPLE]])
    if not _mostly(distinct, r"\d"):  # what nearly all columns of text are, found out at once
        return None
    for candidates in (_numbers(), _dates() if _mostly(distinct, _DATE_LIKE) else ()):
        read = [(len(distinct) - notation.read(distinct).null_count, notation) for notation in candidates]
        most = max((count for count, _ in read), default=0)
        if 2 * most > len(distinct):
            notations = [notation for count, notation in read if count == most]
            odd = list(not_read(column, notations[0].read(column)).values())
            return Look(notations, odd, len(column) - column.null_count)
    return None


def _mostly(column: pyarrow.ChunkedArray, pattern: str) -> bool:
    matching = pyarrow.compute.match_substring_regex(column, pattern)
    return 2 * (pyarrow.compute.sum(matching).as_py() or 0) > len(column)


def _numbers() -> Iterator[Notation]:
    for signs, decimal, thousands in product((False, True), (".", ","), _THOUSANDS):
        if decimal != thousands:
            yield Notation("numbers", decimal, thousands, signs)


def _dates() -> Iterator[Notation]:
    yield Notation("dates")
    for time, day in product(_TIMES, _DAYS):
        yield Notation("dates", date_format=day + time)
