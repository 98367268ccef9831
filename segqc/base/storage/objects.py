"""Objects of a store by their addresses ("s3://bucket/key"): listed, fetched, written and removed by fsspec, with
retries.

fsspec and the package of the protocol are imported when the first address is used. Credentials and endpoint are those
of the environment, as the protocol's own tools take them; none of them is asked for, printed or stored here.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from segqc.base.errors import StorageError

T = TypeVar("T")

ATTEMPTS = 8
FIRST_PAUSE = 0.5
"""Seconds before the second attempt, on average; each later pause is twice as long."""

_OF_S3 = {"config_kwargs": {"retries": {"total_max_attempts": 1}}}
"""botocore's own attempts, five with pauses of up to 20 s, would be multiplied by those here."""

_LISTED_FROM = 16  # questions after single objects of one folder, from which the folder is listed instead
_TRUSTED = 60  # seconds for which such a list is believed


class Entry(NamedTuple):
    """What a store says of an object or a folder.

    Attributes
    ----------
    size : int or None
        Bytes; None for a folder.
    changed : float
        When it was written, seconds since 1970; 0 where the store does not say.
    tag : str
        What changes with the content: the ETag, or what the store has in its place.
    """

    size: int | None
    changed: float
    tag: str


def children(address: str) -> dict[str, Entry]:
    """What lies in a folder, by name; empty where there is no such folder.

    Raises
    ------
    StorageError
        The store does not answer, or refuses.
    """
    system = _system(address)
    path = system._strip_protocol(address)
    try:
        found = _tried(lambda: system.ls(path, detail=True), address, "listed")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    inside = ((info["name"].rstrip("/"), info) for info in found)
    # Listed by its own name are an object, and a folder that was made by hand, as an empty object.
    return {name.rpartition("/")[2]: _entry(info) for name, info in inside if name != path.rstrip("/")}


def find(address: str) -> Entry | None:
    """An object or a folder; None where there is none.

    From the 16th question after objects of one folder the answer is taken from a list of the folder, which is at most
    a minute old; what is not on the list is asked for.

    Raises
    ------
    StorageError
        As for `children`.
    """
    folder, _, name = address.rpartition("/")
    _ASKED[folder] += 1
    if _ASKED[folder] >= _LISTED_FROM and (known := _listed(folder, int(time.time()) // _TRUSTED).get(name)):
        return known
    system = _system(address)
    try:
        return _entry(_tried(lambda: system.info(system._strip_protocol(address)), address, "looked up"))
    except FileNotFoundError:
        return None


_ASKED: Counter[str] = Counter()
_listed = lru_cache(maxsize=8)(lambda folder, minute: children(folder))


def fetch(address: str, target: Path) -> None:
    """Copy an object to a local file.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    StorageError
        As for `children`.
    """
    system = _system(address)
    _tried(lambda: system.get_file(system._strip_protocol(address), str(target)), address, "fetched")


def send(source: Path, address: str) -> None:
    """Copy a local file to an object, which appears, or is replaced, whole.

    Raises
    ------
    StorageError
        As for `children`.
    """
    system = _system(address)
    _tried(lambda: system.put_file(str(source), system._strip_protocol(address)), address, "written")
    _listed.cache_clear()


def move(address: str, target: str) -> None:
    """Give an object another address in the same store.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    StorageError
        As for `children`.
    """
    system = _system(address)
    _tried(lambda: system.mv(system._strip_protocol(address), system._strip_protocol(target)), address, "moved")
    _listed.cache_clear()


def remove(addresses: Iterable[str]) -> None:
    """Remove objects, and folders with all that is in them; one that is not there is passed over.

    Raises
    ------
    StorageError
        As for `children`.
    """
    for address in addresses:
        system = _system(address)

        def run(system: Any = system, address: str = address) -> None:
            system.rm(system._strip_protocol(address), recursive=True)

        try:
            _tried(run, address, "removed")
        except FileNotFoundError:
            continue
    _listed.cache_clear()


def _system(address: str) -> Any:
    """The file system of the address, which keeps no lists of its own: another process may write."""
    try:
        import fsspec

        options: dict[str, Any] = _OF_S3 if _is_s3(address) else {}
        return fsspec.filesystem(address.partition("://")[0], use_listings_cache=False, **options)
    except ImportError as error:
        raise StorageError(address, f"needs a package that is not installed: {error}", _install(address)) from error
    except ValueError as error:
        raise StorageError(address, f"is of no known kind: {error}", "give a local path or s3://BUCKET/KEY") from error


def _is_s3(address: str) -> bool:
    return address.startswith(("s3:", "s3a:"))


def _install(address: str) -> str:
    if _is_s3(address):
        return "pip install 'segqc[s3]'"
    return "install fsspec and its package for this protocol"


def _tried(call: Callable[[], T], address: str, what: str) -> T:
    """The call's result, after up to `ATTEMPTS` attempts; what is simply not there is not asked for again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except (FileNotFoundError, NotADirectoryError):
            raise
        except Exception as error:  # each protocol's package has errors of its own
            if attempt == ATTEMPTS or _is_refused(error):
                raise _storage_error(address, what, attempt, error) from error
        time.sleep(FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


def _is_refused(error: Exception) -> bool:
    """Whether the store, or the search for credentials, says no: asking again changes nothing."""
    return isinstance(error, PermissionError) or "Credentials" in type(error).__name__


def _storage_error(address: str, what: str, attempts: int, error: Exception) -> StorageError:
    said = " ".join(str(error).split()) or type(error).__name__
    of_s3 = _is_s3(address)
    if not _is_refused(error):
        fix = f"check the network{' and AWS_ENDPOINT_URL' if of_s3 else ''}, then run the same command again"
        return StorageError(address, f"could not be {what} in {attempts} attempts: {said}", fix)
    fix = "check the credentials and what they allow, then run the same command again"
    if of_s3:
        fix = (
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to credentials that allow it; "
            "FSSPEC_S3_ANON=true reads public buckets"
        )
    return StorageError(address, f"could not be {what}: {said}", fix)


def _entry(info: dict[str, Any]) -> Entry:
    """From what fsspec says, whose words for the time and the tag differ between protocols."""
    if info.get("type") == "directory":
        return Entry(None, 0.0, "")
    changed = next((info[name] for name in ("LastModified", "last_modified", "mtime", "created") if info.get(name)), 0)
    seconds = changed.timestamp() if isinstance(changed, datetime) else changed
    tag = next((info[name] for name in ("ETag", "etag", "md5Hash", "content_md5") if info.get(name)), changed)
    return Entry(int(info["size"]), float(seconds) if isinstance(seconds, (int, float)) else 0.0, str(tag).strip('"'))
