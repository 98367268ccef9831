"""Importing large libraries."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def large_imports() -> Iterator[None]:
    """Inside, Python does not look for garbage, and after the first time not among what is there then: what an import
    makes stays, and to search it time and again takes a tenth of the time that PyTorch and all that comes with it take
    to import. For programs, not for libraries, whose users may want otherwise.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # later there may be garbage, which would stay
            gc.freeze()
        if enabled:
            gc.enable()
