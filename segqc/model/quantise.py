"""Weights in 8 bits: a quarter of the size, for a model that is to be shipped.

Each row of a matrix or kernel (an output channel) is stored as whole numbers from -127 to 127 and one scale, so that
its greatest weight is exact and no other is off by more than half a step. Vectors (biases, norms) stay as they are.
Weights are restored when they are loaded: scoring is in float32.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

_SCALE = ".scale"


def quantise(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating tensors of two and more axes as int8 beside `NAME.scale`, float32 `[rows]`; all others unchanged."""
    stored = {}
    for name, tensor in state.items():
        if tensor.ndim < 2 or not tensor.is_floating_point():
            stored[name] = tensor
            continue
        rows = tensor.float().flatten(1)
        scale = (rows.abs().amax(1) / 127).clamp_min(torch.finfo(torch.float32).tiny)
        stored[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape).contiguous()
        stored[name + _SCALE] = scale
    return stored


def restore(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state that `quantise` was given, float32, up to rounding; other states come back as they are."""
    state = {}
    for name, tensor in stored.items():
        if tensor.dtype == torch.int8 and name + _SCALE in stored:
            scale = stored[name + _SCALE]
            state[name] = tensor.float() * scale.view(-1, *(1,) * (tensor.ndim - 1))
        elif not (name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored):
            state[name] = tensor
    return state
