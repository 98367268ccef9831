"""Local copies of objects: fetched when they are opened, kept up to a limit, removed by when they were last used."""

import hashlib
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segqc.base.cache import cache_folder
from segqc.base.errors import StorageError
from segqc.base.storage import objects
from segqc.base.storage.objects import Entry

LIMIT_VARIABLE = "SEGQC_STORE_GB"
"""Environment variable with the size of all copies together, GB."""

_DEFAULT_GB = 20.0
_SWEPT_TO = 0.8  # of the limit
_SWEPT_EVERY = 0.05  # of the limit, fetched by this process: what other processes fetch meanwhile is the margin
_IN_USE = 10.0  # seconds since the last use in which a copy stays: its path was given out and may not be open yet
_ABANDONED = 86_400.0  # seconds after which a file that is not finished was left by a process that was killed


def copies_folder() -> Path:
    """Where copies lie; processes of all runs share them."""
    return cache_folder() / "store"


def local_copy(address: str, entry: Entry) -> Path:
    """The copy of an object, fetched if need be. Its name ends as the object's does.

    Raises
    ------
    FileNotFoundError
        The object is gone.
    StorageError
        It cannot be fetched, or not be kept.
    """
    name = address.rpartition("/")[2]
    digest = hashlib.blake2b(f"{address}\n{entry.tag}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    path = copies_folder() / digest[:2] / f"{digest}-{name[-100:]}"
    try:
        os.utime(path)  # by which the least recently used is known
        return path
    except OSError:
        pass
    with _kept_locally(address):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(path.parent, path.suffix) as temporary:
            _fetch(address, entry, temporary)
            size = temporary.stat().st_size
            os.replace(temporary, path)
    _SWEEPER.fetched(size)
    return path


@contextmanager
def sent_when_written(address: str, name: str) -> Iterator[Path]:
    """Yield a local file's path, to be written to; on success it is sent to the address."""
    folder = copies_folder() / "new"
    with _kept_locally(address):
        folder.mkdir(parents=True, exist_ok=True)
    with _unfinished(folder, Path(name).suffix) as temporary:
        yield temporary
        objects.send(temporary, address)


def _fetch(address: str, entry: Entry, target: Path) -> None:
    """Fetch an object whole: connections that end early are not noticed by every protocol."""
    objects.fetch(address, target)
    got = target.stat().st_size
    if got == entry.size:
        return
    now = objects.find(address)  # it may have been replaced since it was listed
    if now is None or now.size != got:
        objects.fetch(address, target)
        got, now = target.stat().st_size, objects.find(address)
    if now is None or now.size != got:
        wanted = "an unknown number" if now is None else f"{now.size:,}"
        reason = f"came with {got:,} of {wanted} bytes, twice"
        raise StorageError(address, reason, "check the network, then run the same command again")


@contextmanager
def _unfinished(folder: Path, suffix: str) -> Iterator[Path]:
    temporary = folder / f".{secrets.token_hex(8)}.tmp{suffix}"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _kept_locally(address: str) -> Iterator[None]:
    """Say of an error of the local disk what it is about: the object itself has none."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = f"cannot be kept at {error.filename or copies_folder()}: {error.strerror or error}"
        fix = f"name a folder with room by SEGQC_CACHE, or allow less by {LIMIT_VARIABLE} (GB)"
        raise StorageError(address, reason, fix) from error


def limit_bytes() -> float:
    """Size of all copies together, from the environment.

    Raises
    ------
    ValueError
        The variable holds no number.
    """
    text = os.environ.get(LIMIT_VARIABLE, str(_DEFAULT_GB))
    try:
        limit = float(text) * 1e9
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise ValueError(f"Expected {LIMIT_VARIABLE} to be a number of GB, but got {text!r}")
    return limit


class _Sweeper:
    """Removes copies of this user's cache when this process has fetched enough since it last did."""

    def __init__(self) -> None:
        self._since = math.inf  # the first fetch sweeps: earlier runs may have left more than is allowed now

    def fetched(self, size: int) -> None:
        """Count a fetched copy of `size` bytes."""
        limit = limit_bytes()
        self._since += size
        if self._since > _SWEPT_EVERY * limit:
            self._since = 0.0
            sweep(limit)


_SWEEPER = _Sweeper()


def sweep(limit: float) -> None:
    """Remove copies, the least recently used first, until they take four fifths of `limit` bytes.

    Several processes may do so at a time; those used in the last ten seconds stay, whatever the limit.
    """
    now, found = time.time(), []
    for parent, _, names in os.walk(copies_folder()):
        for name in names:
            path = os.path.join(parent, name)
            try:
                stat = os.stat(path)
            except OSError:  # removed by another process
                continue
            found.append((stat.st_mtime, stat.st_size, path, name.startswith(".")))
    total = sum(size for _, size, _, _ in found)
    for used, size, path, unfinished in sorted(found):
        if now - used < (_ABANDONED if unfinished else _IN_USE) or (total <= _SWEPT_TO * limit and not unfinished):
            continue
        Path(path).unlink(missing_ok=True)
        total -= size
