"""One kind of error for inputs that cannot be used: which, why, and what to do about it."""

from pathlib import Path


class BadInput(Exception):
    """An input that cannot be used: which, why, and what to do about it.

    Parameters
    ----------
    path : Path or str
        The offending file or folder, or the name of the option that held it.
    reason : str
        What is wrong, as a clause ("is truncated after 512 bytes").
    fix : str
        What the user can do; may be empty.
    """

    def __init__(self, path: Path | str, reason: str, fix: str = "") -> None:
        # all of them in args: the exception survives pickling between worker processes
        super().__init__(path, reason, fix)
        self.path = path
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.fix})" if self.fix else "")


class StorageError(Exception):
    """An object store that does not answer, or refuses: the work ends, and the same command continues it.

    It is no `BadInput`, which costs one file: with the store away, every later file would be one.

    Parameters
    ----------
    address : str
        The object or folder.
    reason, fix : str
        As for `BadInput`.
    """

    def __init__(self, address: str, reason: str, fix: str) -> None:
        super().__init__(address, reason, fix)
        self.address = address
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.address}: {self.reason} ({self.fix})"


def describe_os_error(error: OSError) -> str:
    """What the system would not do, in one line: the file and the reason."""
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError):
        reason = "is in the way: it is a file, and a folder is needed there"
    return reason if error.filename is None else f"{error.filename}: {reason}"
