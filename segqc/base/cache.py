"""The folder where segqc keeps what it can make again: one a user, outside of all runs."""

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "SEGQC_CACHE"
"""Environment variable that names another folder, such as one that an image for containers has been filled with."""


def cache_folder() -> Path:
    """The folder, which need not be there, nor be writable."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "segqc" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "segqc"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segqc"
