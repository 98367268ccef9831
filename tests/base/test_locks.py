"""A lock keeps other processes out, and is gone when its process is, however that ended."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from segqc.base.errors import BadInput
from segqc.base.locks import exclusive

HOLDER = """
import os, sys, time
from pathlib import Path
from segqc.base.locks import exclusive
with exclusive(Path(sys.argv[1]), Path("out"), "audit"):
    if os.fork() == 0:  # as a loader's worker, which may outlive its parent
        time.sleep(60)
        os._exit(0)
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen]:
    """Another process, and a child that it forked, while they hold the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_another_process_is_refused_until_the_holder_is_killed_though_its_child_lives_on(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with held(path) as holder:
        with (
            pytest.raises(BadInput, match=r"^out: another audit is writing here"),
            exclusive(path, Path("out"), "audit"),
        ):
            pytest.fail("two at once")
        holder.kill()
        holder.wait()
        with exclusive(path, Path("out"), "audit"):
            pass


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), exclusive(tmp_path / "lock", tmp_path, "audit"):
        raise KeyError
    with held(tmp_path / "lock"):
        pass


def test_a_file_system_without_locks_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    with exclusive(tmp_path / "lock", tmp_path, "audit"):
        pass
