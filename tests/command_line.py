"""Commands and scripts run inside the test's own process, which has torch loaded already: a process of its own takes
seconds to start, and is left to the tests that kill one or count several.
"""

import io
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from segqc.cli.app import main


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def segqc(*arguments: object) -> Finished:
    """Run `segqc` with these arguments, as its entry point does."""
    return _run(main, "segqc", *arguments)


def script(path: Path, *arguments: object) -> Finished:
    """Run a Python file as `python path` does, with its folder first among those that modules are imported from."""
    with patch.object(sys, "path", [str(path.parent), *sys.path]):
        return _run(lambda: runpy.run_path(str(path), run_name="__main__"), path, *arguments)


def _run(call: Callable[[], object], *argv: object) -> Finished:
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", [str(part) for part in argv]):
        try:
            call()
        except SystemExit as stop:
            code = stop.code
    if code is not None and not isinstance(code, int):  # sys.exit("a message")
        err.write(f"{code}\n")
        code = 1
    return Finished(code or 0, out.getvalue(), err.getvalue())
