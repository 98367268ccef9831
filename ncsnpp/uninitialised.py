"""Modules whose weights are not drawn: for weights that are loaded next, and where only shapes are asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_DRAWS = (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, Tensor.uniform_, Tensor.normal_)


class Uninitialised(TorchFunctionMode):
    """Context in which a module's weights are left as their memory is, and no random number is drawn for them.

    Buffers have their values, since those that no file holds are not loaded. On the meta device, where a draw changes
    nothing but has torch load its compiler, none is made.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            tensor = args[0] if args else kwargs["tensor"]
            if isinstance(tensor, nn.Parameter) or tensor.is_meta:
                return tensor
        return func(*args, **kwargs)
