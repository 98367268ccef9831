"""One writer at a time: a lock on a file in the folder that is written.

The kernel holds the lock for its process and lets go when the process ends, however it ends: a killed run leaves
nothing to clean up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.fingerprints import short_digest
from segqc.base.storage.copies import copies_folder
from segqc.base.storage.paths import RemotePath


@contextmanager
def exclusive(path: Path, folder: Path, work: str) -> Iterator[None]:
    """Hold the lock on `path`, which is made where it is missing.

    No lock on Windows, nor on file systems that have none. In a store the lock file is only left as a mark: the lock
    itself is on this machine, and keeps no other machine out.

    It is a record lock, since processes that are forked do not inherit it: a loader's workers may outlive their killed
    parent for seconds. Within a process it excludes nobody.

    Parameters
    ----------
    path : Path
        The lock file. It stays when the lock is gone.
    folder : Path
        What is written, for the message.
    work : str
        What another holder is doing there ("audit").

    Raises
    ------
    BadInput
        Another process holds it.
    OSError
        The file cannot be made.
    """
    if isinstance(path, RemotePath):
        path = _local_lock(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if _held_by_another(file):
            raise BadInput(folder, f"another {work} is writing here", "wait for its end, or choose another --out")
        yield


@contextmanager
def locked(file: IO[Any]) -> Iterator[None]:
    """Hold the lock on an open file that several processes write to, and wait for it; none where the system has none.

    Like `exclusive` it excludes other processes only, not threads of this one.
    """
    try:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX)
    except (ImportError, OSError):  # Windows, and some network file systems
        yield
        return
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN)


def _local_lock(path: RemotePath) -> Path:
    """Leave the lock file in the store, and return the file whose lock stands for it on this machine."""
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.touch()
    return copies_folder() / "locks" / short_digest(str(path), size=16)


def _held_by_another(file: TextIO) -> bool:
    """Take the lock on an open file, where the system has locks; whether another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:  # some network file systems know no locks
        return False
    return False
