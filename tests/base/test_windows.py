"""Windows has none of the modules that only POSIX systems have: segqc is imported, and works, without them."""

import builtins
import importlib
import multiprocessing
import pkgutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from segqc.base.devices import peak_memory_gib
from segqc.base.locks import exclusive

CPU = torch.device("cpu")

OURS = ("segqc", "evaluation", "ncsnpp")
POSIX_ONLY = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
REAL_IMPORT = builtins.__import__


def windows_import(name: str, namespace: dict[str, Any] | None = None, *rest: Any, **options: Any) -> ModuleType:
    """Hides the modules from ours alone: other packages know by `sys.platform` what there is."""
    namespace = options.pop("globals", namespace) or {}
    importer = namespace.get("__name__", "")
    level = options.get("level", rest[2] if len(rest) > 2 else 0)
    if level == 0 and name.split(".")[0] in POSIX_ONLY and importer.split(".")[0] in OURS:
        raise ModuleNotFoundError(f"{importer} imports {name}, which Windows does not have")
    return REAL_IMPORT(name, namespace, *rest, **options)


def import_all() -> None:
    """Import all of our modules anew, in a process of its own."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    builtins.__import__ = windows_import
    with pytest.raises(ModuleNotFoundError):
        exec("import fcntl", {"__name__": "segqc.base.locks"})
    names = list(OURS)
    for package in OURS:
        path = importlib.import_module(package).__path__
        names += [module.name for module in pkgutil.walk_packages(path, f"{package}.")]
    for name in names:
        if not name.endswith(".__main__"):
            importlib.import_module(name)
    assert len(names) > 150


def test_every_module_can_be_imported_without_posix_only_modules(capfd: pytest.CaptureFixture[str]) -> None:
    # a child has the packages of others already, which take seconds to import
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    process = context.Process(target=import_all)
    process.start()
    process.join()
    assert process.exitcode == 0, capfd.readouterr().err


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
