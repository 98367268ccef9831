"""What a module holds of a hook: it hears of each forward pass, plain or compiled, and says how it was made."""

import contextlib
import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Hear = Callable[..., None]
"""Called with args, kwargs, output, and whether the model was training."""


class Listener:
    """A forward hook that hands every forward pass to a function.

    Copies of the module, and files of it, hold something that does nothing, and needs no segqc to be loaded.

    Parameters
    ----------
    hear : callable
        A bound method; called with args, kwargs, output and training.
    """

    def __init__(self, hear: Hear) -> None:
        self.hear = hear
        self.module: weakref.ref[nn.Module] | None = None
        self._key = next(_KEYS)
        self._token = torch.zeros(1, dtype=torch.float32, device="cpu")
        _LISTENERS[self._key] = self

    def attach(self, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        """Listen to a module."""
        self.module = weakref.ref(module)
        return module.register_forward_hook(self, with_kwargs=True)

    def __call__(self, module: nn.Module, args: tuple[Any, ...], *rest: Any) -> None:
        if len(rest) != 2:  # another thread has just removed the hook, and its wish for kwargs with it
            return
        if torch.jit.is_tracing() or torch.compiler.is_exporting():  # nothing is predicted then
            return
        kwargs, output = rest
        if torch.compiler.is_compiling():
            found = tensors_within([list(args), kwargs, output])
            torch.ops.segqc.heard(
                self._token, [value for _, value in found], "\n".join([n for n, _ in found]), self._key
            )
        else:
            self.hear(args, kwargs, output, in_training(module))

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")  # takes any arguments, returns None


_KEYS = itertools.count()
_LISTENERS: "weakref.WeakValueDictionary[int, Listener]" = weakref.WeakValueDictionary()


# Compiled code cannot run a hook, and a break of its graph is an error under `fullgraph=True`. An operator of our own
# is part of the graph, and is called when the graph runs, with the tensors that it has then. It says that it changes
# the token: what changes nothing and returns nothing would be left out of the graph.
@torch.library.custom_op(
    "segqc::heard", mutates_args=("token",), schema="(Tensor(a!) token, Tensor[] tensors, str names, int key) -> ()"
)
def _heard(token: Tensor, tensors: list[Tensor], names: str, key: int) -> None:
    listener = _LISTENERS.get(key)
    module = None if listener is None or listener.module is None else listener.module()
    if listener is None or module is None:
        return
    args, kwargs, output = rebuilt(names.split("\n"), tensors)
    listener.hear(args, kwargs, output, in_training(module))


@_heard.register_fake
def _(token: Tensor, tensors: list[Tensor], names: str, key: int) -> None:
    return None


def is_captured() -> bool:
    """Whether what is computed now is recorded for a CUDA graph: reading a tensor would spoil the recording."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()


def tensors_within(value: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """The tensors in lists and dictionaries, and the way to each: its keys and places, joined by slashes."""
    if isinstance(value, Tensor):
        return [(name, value)]
    found = []
    if isinstance(value, dict):
        for key in value:
            found += tensors_within(value[key], f"{name}/.{key}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            found += tensors_within(item, f"{name}/{place}")
    return found


def rebuilt(names: Sequence[str], tensors: Sequence[Tensor]) -> tuple[list[Any], dict[str, Any], Any]:
    """Args, kwargs and output from what `tensors_within` found in them; what was no tensor is missing."""
    tree: dict[str, Any] = {}
    for name, value in zip(names, tensors, strict=True):
        *way, last = name.split("/")[1:]
        inner = tree
        for step in way:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return _plain(tree.get("0", {})) or [], _plain(tree.get("1", {})), _plain(tree.get("2", {}))


def _plain(tree: Any) -> Any:
    """Dictionaries by place as lists, those by key as dictionaries."""
    if not isinstance(tree, dict):
        return tree
    if tree and not next(iter(tree)).startswith("."):
        return [_plain(value) for value in tree.values()]
    return {key[1:]: _plain(value) for key, value in tree.items()}


def in_training(module: nn.Module) -> bool:
    """Whether the modules that compute are in training mode: those without children that hold parameters, or all
    without children where none does.

    The mode of what is around them says little: `DataParallel(model.eval())` is in training mode itself, as every new
    module, and dropout may be left on for an uncertainty.
    """
    leaves = [part for part in module.modules() if not part._modules]
    holding = [part for part in leaves if any(value is not None for value in part._parameters.values())]
    return any(part.training for part in holding or leaves)
