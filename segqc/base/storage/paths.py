"""Paths of objects in a store: a `pathlib.Path` whose text is an address and whose file is fetched when it is opened.

`os.fspath` gives the path of a local copy, so that whatever opens files (Pillow, NumPy, pyarrow, `open`) opens that.
Questions (`is_file`, `stat`, `iterdir`, ...) go to the store. Objects are written whole, by
`segqc.base.files.atomic_path`; `open` reads only.
"""

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import IO, Any

from segqc.base.storage import objects
from segqc.base.storage.copies import local_copy
from segqc.base.storage.objects import Entry

# Two letters at least: C:/ is a drive. One slash is left of two where the text was a `Path` before.
_ADDRESS = re.compile(r"([a-z][a-z0-9+]+):/+(?=[^/])")


def is_address(text: str | PurePath) -> bool:
    """Whether a text, or a path made of it, is the address of an object or folder in a store, such as s3://bucket/x."""
    return isinstance(text, RemotePath) or _ADDRESS.match(str(text)) is not None


def as_path(text: str | PurePath) -> Path:
    """The path that a text means: a `RemotePath` for an address, else a `Path`, in which ~ is not replaced."""
    if not isinstance(text, RemotePath) and is_address(text):
        return RemotePath(text)
    return text if isinstance(text, Path) else Path(text)


class RemotePath(PosixPath):
    """An object or a folder in a store.

    Joined to a local path it drops that, as an absolute path does. A folder that was listed knows its children, which
    are then not asked for one by one.
    """

    _known: Entry | None = None
    _children: dict[str, Entry] | None = None

    def __str__(self) -> str:
        # pathlib keeps one slash of the two
        protocol, colon, rest = super().__str__().partition(":/")
        return f"{protocol}://{rest}" if colon and "/" not in protocol else f"{protocol}{colon}{rest}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (str(self), self._known)

    def __fspath__(self) -> str:
        entry = self._entry()
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "does not exist", str(self))
        if entry.size is None:
            raise IsADirectoryError(errno.EISDIR, "is a folder in a store", str(self))
        return str(local_copy(str(self), entry))

    def __truediv__(self, key: str | PurePath) -> Path:  # type: ignore[override]
        if isinstance(key, PurePath) or "/" in key:
            if is_address(key) or PurePath(key).is_absolute():
                return as_path(key)
            return super().__truediv__(key)
        child = super().__truediv__(key)
        if self._children is not None and key in self._children:
            child._known = self._children[key]
        return child

    def __rtruediv__(self, key: Any) -> "RemotePath":
        return self

    def _entry(self) -> Entry | None:
        if self._known is None and len(self.parts) > 1 and self.parts[0].endswith(":"):
            self._known = objects.find(str(self))
        return self._known

    def forget(self) -> None:
        """Ask the store again from now on: the object was written by this path."""
        self._known = None

    def stamp(self) -> list[Any]:
        """What changes when the object is replaced, as JSON values: its address, size and tag."""
        entry = self._entry()
        return [str(self), None, None] if entry is None else [str(self), entry.size, entry.tag]

    def exists(self, **_: Any) -> bool:
        return self._entry() is not None

    def is_file(self, **_: Any) -> bool:
        entry = self._entry()
        return entry is not None and entry.size is not None

    def is_dir(self, **_: Any) -> bool:
        entry = self._entry()
        return entry is not None and entry.size is None

    def is_symlink(self) -> bool:
        return False

    def is_absolute(self) -> bool:
        return True

    def absolute(self) -> "RemotePath":
        return self

    def resolve(self, strict: bool = False) -> "RemotePath":
        return self

    def relative_to(self, *other: Any, **_: Any) -> PurePosixPath:  # type: ignore[override]
        return PurePosixPath(*super().relative_to(*other).parts)

    def samefile(self, other_path: Any) -> bool:
        return self == as_path(other_path)

    def stat(self, **_: Any) -> os.stat_result:
        entry = self._entry()
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "does not exist", str(self))
        kind = stat.S_IFDIR if entry.size is None else stat.S_IFREG
        times, nanoseconds = (entry.changed,) * 3, int(entry.changed * 1e9)
        known = {f"st_{name}time_ns": nanoseconds for name in "amc"}
        return os.stat_result((kind | 0o444, 0, 0, 1, 0, 0, entry.size or 0, *times), known)

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:  # type: ignore[override]
        if set(mode) & set("wax+"):
            raise OSError(errno.EROFS, "cannot be written in place: objects of a store are replaced whole", str(self))
        return super().open(mode, *args, **kwargs)

    def iterdir(self) -> Generator["RemotePath", None, None]:
        self._children = objects.children(str(self))
        for name in self._children:
            yield self / name  # type: ignore[misc]

    def walk(self, **_: Any) -> Iterator[tuple["RemotePath", list[str], list[str]]]:  # type: ignore[override]
        """As `os.walk`: the folder, and the names of the folders and objects in it; names taken off are not visited."""
        self._children = objects.children(str(self))
        folders = [name for name, entry in self._children.items() if entry.size is None]
        yield self, folders, [name for name in self._children if name not in set(folders)]
        for name in folders:
            yield from (self / name).walk()  # type: ignore[attr-defined]

    def glob(self, pattern: str, **_: Any) -> Generator["RemotePath", None, None]:  # type: ignore[override]
        first, slash, rest = pattern.partition("/")
        for path in self.iterdir():
            if fnmatch.fnmatchcase(path.name, first):
                if not slash:
                    yield path
                elif path.is_dir():
                    yield from path.glob(rest)

    def rglob(self, pattern: str, **_: Any) -> Generator["RemotePath", None, None]:  # type: ignore[override]
        for folder, folders, names in self.walk():
            yield from (folder / n for n in (*folders, *names) if fnmatch.fnmatchcase(n, pattern))  # type: ignore[misc]

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Stores have no empty folders: there is nothing to make."""

    def rmdir(self) -> None:
        """Nor anything to remove."""

    def replace(self, target: str | PurePath) -> Path:  # type: ignore[override]
        objects.move(str(self), str(target))
        self.forget()
        return as_path(target)

    def unlink(self, missing_ok: bool = False) -> None:
        if not missing_ok and not self.exists():
            raise FileNotFoundError(errno.ENOENT, "does not exist", str(self))
        objects.remove([str(self)])
        self.forget()


def _restored(text: str, known: Entry | None) -> RemotePath:
    path = RemotePath(text)
    path._known = known
    return path


def absolute_text(path: Path) -> str:
    """A path from the root of the file system, as text, by which places are compared; stores count as folders there."""
    return os.path.abspath(f"/{path}" if isinstance(path, RemotePath) else path)


def common_folder(paths: Iterable[Path]) -> Path:
    """The innermost folder above all of these files, of which there is one at least; the root where they lie in a store
    and on the disk.
    """
    text = os.path.commonpath([absolute_text(path.parent) for path in paths])
    return as_path(text[1:] if is_address(text[1:]) else text)


def walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Folders below a local folder or one of a store, and the names of folders and files in each; links are followed,
    each folder once. Folders that the caller takes off the list are not visited.
    """
    if isinstance(folder, RemotePath):
        yield from folder.walk()
        return
    visited: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        yield Path(parent), folders, names
