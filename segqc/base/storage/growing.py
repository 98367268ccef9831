"""A file that grows, in a store that replaces objects whole: lines are added to a local copy, which is sent from time
to time and when it is closed.
"""

import shutil
import time
from pathlib import Path
from typing import Protocol

from segqc.base.storage import objects
from segqc.base.storage.copies import sent_when_written
from segqc.base.storage.paths import RemotePath

LEAST_PAUSE = 5.0
"""Seconds between two sendings, which is what a killed process may lose."""

_SHARE = 10  # a pause is so many times as long as the last sending took: a tenth of the time at most goes to it


class Appendable(Protocol):
    """A text file, open to append."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...

    def close(self) -> object: ...


def open_to_append(path: Path) -> Appendable:
    """Open a text file that is there, on the disk or in a store."""
    return GrowingObject(path) if isinstance(path, RemotePath) else path.open("a", encoding="utf-8")


class GrowingObject:
    """An object to append to."""

    def __init__(self, path: RemotePath) -> None:
        self._sending = sent_when_written(str(path), path.name)
        self._path, self._local = path, self._sending.__enter__()
        shutil.copyfile(path, self._local)
        self._file = self._local.open("a", encoding="utf-8")
        self._due = time.monotonic() + LEAST_PAUSE

    def write(self, text: str, /) -> None:
        self._file.write(text)

    def flush(self) -> None:
        self._file.flush()
        began = time.monotonic()
        if began >= self._due:
            objects.send(self._local, str(self._path))
            ended = time.monotonic()
            self._due = ended + max(LEAST_PAUSE, _SHARE * (ended - began))

    def close(self) -> None:
        self._file.close()
        self._sending.__exit__(None, None, None)
        self._path.forget()
