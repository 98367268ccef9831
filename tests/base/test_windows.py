"""Windows has none of the modules that only POSIX systems have: segqc is imported, and works, without them."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from segqc.base.devices import peak_memory_gib
from segqc.base.locks import exclusive

CPU = torch.device("cpu")

IMPORT_ALL = """
import builtins, importlib, pkgutil

POSIX_ONLY = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
OURS = ("segqc", "evaluation", "ncsnpp")
real_import = builtins.__import__

def windows_import(name, globals=None, locals=None, fromlist=(), level=0):
    # Hidden from our modules alone: other packages know by sys.platform what there is.
    importer = (globals or {}).get("__name__", "")
    if level == 0 and name.split(".")[0] in POSIX_ONLY and importer.split(".")[0] in OURS:
        raise ModuleNotFoundError(f"{importer} imports {name}, which Windows does not have")
    return real_import(name, globals, locals, fromlist, level)

builtins.__import__ = windows_import
try:
    exec("import fcntl", {"__name__": "segqc.base.locks"})
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("nothing is hidden")

names = list(OURS)
for package in OURS:
    path = importlib.import_module(package).__path__
    names += [module.name for module in pkgutil.walk_packages(path, package + ".")]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names))
"""


def test_every_module_can_be_imported_without_posix_only_modules() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


@pytest.fixture
def without_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)


@pytest.mark.usefixtures("without_resource")
def test_the_peak_memory_on_windows_is_that_of_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=2**30, peak_wset=3 * 2**29))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert peak_memory_gib(CPU) == 1.5


@pytest.mark.usefixtures("without_resource")
def test_where_no_peak_is_known_none_is_given_rather_than_the_present_size(monkeypatch: pytest.MonkeyPatch) -> None:
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=2**30))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert peak_memory_gib(CPU) is None
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert peak_memory_gib(CPU) is None


def test_the_peak_memory_on_posix_is_that_of_the_system() -> None:
    resource = pytest.importorskip("resource", reason="POSIX only")
    scale = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**30
    assert peak_memory_gib(CPU) == pytest.approx(before, abs=0.02)


def test_without_locks_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with exclusive(tmp_path / "lock", tmp_path, "audit"):
        assert (tmp_path / "lock").is_file()
