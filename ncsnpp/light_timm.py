"""timm without torch's compiler, which nothing here uses: importing both takes twice as long as importing timm alone.

Two lines load the compiler (`torch._dynamo`) while timm is imported: torchvision's `ops/roi_align.py` takes a function
from it, and timm's `models/naflexvit.py` decorates functions with `torch.compiler.disable`. In both places the compiler
is loaded once such a function is called. Import timm from here: `from ncsnpp.light_timm import timm`. Beside other
threads, which may import the compiler meanwhile, timm is imported as it is.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

try:
    from torch._compile import _disable_dynamo
except ImportError:  # not part of torch's public interface
    _disable_dynamo = None  # type: ignore[assignment]

_COMPILER = "torch._dynamo.utils"


class _CompilerOnDemand(ModuleType):
    """Stands for the compiler's module while timm is imported: its functions load it when they are called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*args: Any, **options: Any) -> Any:
            return getattr(import_module(_COMPILER), name)(*args, **options)

        return call


def _disable(function: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """As `torch.compiler.disable`, in the form that torch uses for its own functions."""
    return _disable_dynamo(function, recursive)


@contextmanager
def _compiler_on_demand() -> Iterator[None]:
    """Inside, an import does not load the compiler; nothing changes where it is loaded already, or beside threads."""
    if _disable_dynamo is None or _COMPILER in sys.modules or threading.active_count() > 1:
        yield
        return
    stand_in, disable = _CompilerOnDemand(_COMPILER), torch.compiler.disable
    sys.modules[_COMPILER], torch.compiler.disable = stand_in, _disable
    try:
        yield
    finally:
        torch.compiler.disable = disable
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]


with _compiler_on_demand():
    import timm

__all__ = ["timm"]
