"""Seeds, digests and stamps: values that depend on their parts alone, in every process and on every machine.

Each is written to files or decides what is drawn, so none may change: audits, caches and runs begun before would not be
recognised.
"""

import hashlib
from pathlib import Path
from typing import Any

from segqc.base.storage.paths import RemotePath


def stable_seed(*parts: object) -> int:
    """A 63-bit seed of any values, by their `repr`."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1


def wide_seed(text: str) -> int:
    """A 128-bit seed of a text."""
    return int.from_bytes(_digest(text, 16), "big")


def uniform_of_text(text: str) -> float:
    """A number in [0, 1), uniform over texts, with 48 random bits."""
    return int.from_bytes(_digest(text, 6), "big") / 2.0**48


def short_digest(text: str, size: int = 8, errors: str = "surrogateescape") -> str:
    """A short name of a text, 2 `size` hexadecimal digits; `errors` is that of `str.encode`."""
    return _digest(text, size, errors).hex()


def text_sha256(text: str) -> bytes:
    """SHA-256 of a text in UTF-8, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def bytes_sha256(content: bytes) -> str:
    """SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    return _file_digest(path).hex()


def files_digest(paths: list[Path]) -> str:
    """A short name of the contents of files in their order, 16 hexadecimal digits; a file that is not there is passed
    over.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        if path.is_file():
            digest.update(_file_digest(path))
    return digest.hexdigest()


def file_stamp(path: Path) -> list[Any]:
    """What changes when a file is replaced, as JSON values: where it really lies, its size, and when it and its entry
    in the folder changed.

    The last is there for archives, which set a file's own time back to what it was. An object in a store has its own
    stamp.
    """
    if isinstance(path, RemotePath):
        return path.stamp()
    real = path.resolve()
    try:
        stat = real.stat()
    except OSError:
        return [str(real), None, None, None]
    return [str(real), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _digest(text: str, size: int, errors: str = "surrogateescape") -> bytes:
    """BLAKE2b of a text in UTF-8; by default, file names that are not UTF-8 count by their bytes."""
    return hashlib.blake2b(text.encode("utf-8", errors), digest_size=size).digest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
