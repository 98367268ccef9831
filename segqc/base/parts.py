"""Finished rows in append-only parts: one journal for each process that has ever worked on them.

A part is named by the rank of its process alone. Whatever the number of processes, each reads all parts before it
begins and appends to its own; so 1, then 4, then 2 processes lose no finished row. What was done again has rows in
several parts: each row holds the turn of its run, and the latest counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.base.lazy import Computed


def part_path(folder: Path, stem: str, rank: int) -> Path:
    """The part of the process of this rank."""
    return folder / f"{stem}-{rank}.jsonl"


def part_paths(folder: Path, stem: str) -> list[Path]:
    """All parts of that name in a folder."""
    return sorted(folder.glob(f"{stem}-[0-9]*.jsonl"))


class Parts:
    """All parts of one name in a folder, and this process's own among them.

    The processes of a run make theirs before any of them appends.

    Parameters
    ----------
    folder : Path
    stem : str
        Beginning of the files' names.
    rank : int
        Number of this process among those of the run.
    header : dict
        What the rows depend on; parts with another header hold none.

    Attributes
    ----------
    own : Journal
        The part that `append` writes to; a context manager that closes its file.
    """

    def __init__(self, folder: Path, stem: str, rank: int, header: dict[str, Any]) -> None:
        self.own = Journal(part_path(folder, stem, rank), header)
        self._folder, self._stem, self._header = folder, stem, header
        self.read_others()
        self._turn = 1 + max((entry["turn"] for part in self._all() for entry in part.rows.values()), default=0)

    def read_others(self) -> None:
        """Read the parts of other processes, which may have written since."""
        paths = part_paths(self._folder, self._stem)
        self._others = [Journal(path, self._header) for path in paths if path != self.own.path]

    @property
    def empty(self) -> bool:
        return not any(part.rows for part in self._all())

    def latest(self, key: str) -> dict[str, Any] | None:
        """The last row of a key; None where there is none."""
        found = [part.rows[key] for part in self._all() if key in part]
        return max(found, key=lambda entry: entry["turn"])["row"] if found else None

    def rows_of(self, keys: Iterable[str]) -> Sequence[dict[str, Any]]:
        """The last row of each key, all of which were done by this run's processes or before; made anew at each look.

        Raises
        ------
        BadInput
            One has none: the processes do not write to one folder.
        """
        known = list(keys)
        for key in known:
            if not any(key in part for part in self._all()):
                reason = f"has no row of {key}, which another process of this run has done"
                raise BadInput(self.own.path.parent, reason, "let all processes write to one folder, and run again")

        def row(place: int) -> dict[str, Any]:
            found = self.latest(known[place])
            assert found is not None
            return found

        return Computed(len(known), row)

    def append(self, key: str, row: dict[str, Any]) -> None:
        """Add a row of JSON values to the own part; it survives a kill from here on."""
        self.own.append(key, {"turn": self._turn, "row": row})

    def _all(self) -> Iterator[Journal]:
        yield self.own
        yield from self._others
