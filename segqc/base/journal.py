"""Append-only JSON Lines: what a killed run leaves behind, and what the same command continues from.

Each line is written and flushed whole, after the files that it speaks of. A line cut short by a kill is not JSON, and a
damaged one does not have its checksum; it and those after it are dropped and their work is done again. The first line
is a header: when it differs from the current run's (other settings, another model), the journal is of another run and
is started afresh. A row that was made from files holds their stamps, so that it is not taken for that of others.
"""

import json
import zlib
from collections.abc import Iterator, MutableMapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from segqc.base.files import atomic_path
from segqc.base.storage.growing import Appendable, open_to_append
from segqc.base.storage.paths import as_path


class PackedRows(MutableMapping[str, dict[str, Any]]):
    """Rows of JSON values by key, deflated: a tenth of what they take as objects. Each look makes a row anew, so that a
    change to it changes nothing here.
    """

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, key: str) -> dict[str, Any]:
        return json.loads(zlib.decompress(self._packed[key]))

    def __setitem__(self, key: str, row: dict[str, Any]) -> None:
        self._packed[key] = zlib.compress(json.dumps(row, separators=(",", ":")).encode(), 1)

    def __delitem__(self, key: str) -> None:
        del self._packed[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, key: object) -> bool:
        return key in self._packed


class Journal:
    """Rows of finished work, by key.

    Parameters
    ----------
    path : Path
        One file per writing process.
    header : dict
        What the rows depend on, JSON values.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = as_path(path)
        self.header = json.loads(json.dumps(header))
        self.rows = PackedRows()
        lines = _whole_lines(self.path)
        if next(lines, None) == {"header": self.header}:
            for line in takewhile(_is_row, lines):
                self.rows[line["key"]] = line["row"]
        self._file: Appendable | None = None

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def append(self, key: str, row: dict[str, Any]) -> None:
        """Add a row of JSON values; it survives a kill from here on.

        Raises
        ------
        TypeError
            The row is not JSON; nothing is added.
        """
        line = _line(key, row)
        if self._file is None:
            self._open()
        assert self._file is not None
        self._file.write(line)
        self._file.flush()
        self.rows[key] = row

    def _open(self) -> None:
        """Rewrite what was valid (a torn last line would swallow the next row), then append."""
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"header": self.header}) + "\n")
            file.writelines(_line(key, row) for key, row in self.rows.items())
        self._file = open_to_append(self.path)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole, up to the first that is neither a header nor a row."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                value = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                return
            if not (_is_row(value) or (isinstance(value, dict) and value.keys() == {"header"})):
                return
            yield value


def _line(key: str, row: dict[str, Any]) -> str:
    return json.dumps({"key": key, "row": row, "crc": _checksum(key, row)}) + "\n"


def _checksum(key: str, row: dict[str, Any]) -> int:
    """CRC-32 of what a line says, by its JSON: numbers and texts are the same when they were read and written again."""
    return zlib.crc32(json.dumps([key, row]).encode())


def _is_row(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"key", "row", "crc"}
        and isinstance(value["key"], str)
        and isinstance(value["row"], dict)
        and value["crc"] == _checksum(value["key"], value["row"])
    )
