"""What several test files need, made once per run: pytest-xdist starts a process per worker, each with fixtures of its
own, so that the first worker that needs a folder makes it and the others wait for it.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that all workers of a run share; tests read it and leave it as it is.

    Parameters
    ----------
    tmp_path_factory : pytest.TempPathFactory
    name : str
        Name of the folder, one for each thing made.
    make : callable
        Fills the folder that it is given, which does not exist yet.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # a worker's own folder lies in that of the run
    folder, done = base / name, base / f"{name}.made"
    with FileLock(base / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # left by a worker that failed
            make(folder)
            done.touch()
    return folder
