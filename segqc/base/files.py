"""Files that are written whole or not at all, and JSON files.

Everything written goes to a temporary sibling first and is renamed over its final name, so that a run killed at any
moment leaves either the old file or the new one. Temporary names begin with a dot: every folder listing in this package
passes over hidden files.
"""

import dataclasses
import json
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.parallel import ordered_map
from segqc.base.storage import objects
from segqc.base.storage.copies import sent_when_written
from segqc.base.storage.paths import RemotePath, as_path

_AT_ONCE = 16  # transfers, which mostly wait
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp(\..+)?")

FLAT_PNG: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""How Pillow writes masks and heat maps: their rows are runs of equal steps, which zlib's search for longer repetitions
makes hardly smaller (5 %), in three to ten times as long.
"""


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, renamed over it on success and removed on error.

    The sibling has the suffix of `path`, since many writers choose their format by it. Missing parent folders are made.
    For an object in a store it is a local file, which is sent on success.

    Raises
    ------
    OSError
        When the folder cannot be made or written to.
    StorageError
        The store does not take the object.
    """
    path = as_path(path)
    if isinstance(path, RemotePath):
        with sent_when_written(str(path), path.name) as local:
            yield local
        path.forget()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # A full disk names no file, and the temporary name tells nobody anything.
        if error.errno is not None and error.filename in (None, str(temporary), temporary):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def send_folder(source: Path, target: RemotePath) -> None:
    """Copy all files of a local folder to one of a store, many at a time."""
    files = [path for path in source.rglob("*") if path.is_file()]
    for _ in ordered_map(
        lambda path: objects.send(path, f"{target}/{path.relative_to(source).as_posix()}"), files, workers=_AT_ONCE
    ):
        pass


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it, as far as the system allows; none may be there."""
    if isinstance(folder, RemotePath):
        objects.remove([str(folder)])
    else:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path, below: Iterable[str] = ()) -> None:
    """Remove temporary files and folders that a killed command left in `folder` and anywhere in its subfolders `below`;
    nobody else may be writing there.
    """
    if isinstance(folder, RemotePath) or not folder.is_dir():
        return
    inside = (path for name in below for path in (folder / name).rglob(".*"))
    for path in [path for path in (*folder.glob(".*"), *inside) if _TEMPORARY.fullmatch(path.name)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """What `json` cannot write by itself: NumPy scalars and arrays, paths, dataclasses."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"Expected something JSON can hold, but got {type(value).__name__}")


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as indented UTF-8 JSON.

    Raises
    ------
    ValueError
        For NaN and infinities: JSON has no word for them and browsers refuse the file. Write None, and say why it is
        None.
    TypeError
        For objects that are neither JSON types, NumPy values, paths nor dataclasses.
    """
    content = json_bytes(obj)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def json_bytes(obj: Any) -> bytes:
    """What `write_json` writes; raises as it does."""
    text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    # A file name that is not UTF-8 arrives here as lone surrogates; "backslashreplace" writes them as JSON's own
    # \\udcxx escapes.
    return text.encode("utf-8", "backslashreplace")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    BadInput
        When the file is missing, unreadable, or not JSON (with line and column).
    """
    try:
        return json.loads(as_path(path).read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise BadInput(path, "does not exist") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(path, f"is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise BadInput(path, f"is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise BadInput(path, "is not valid JSON: nested too deeply") from error
