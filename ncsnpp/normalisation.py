"""GroupNorm, with swish and FiLM in one piece where a network is trained on a CPU.

PyTorch's own kernels take a third of such a step: on channels-last maps in bfloat16 a GroupNorm and its gradient cost
several times the convolution beside them. `_Normalised` computes the same in float32 by whole-map operations, keeps
nothing but its input, and leaves its gradient channels-last, as convolutions want it. Elsewhere (float32 without a
gradient, another device) PyTorch's kernels are used, so that what a trained network says does not depend on this.

With x^ the normalised x, m and s per item and channel, z = m x^ + s and y = swish(z) or z, the gradients follow Wu and
He 2018 (arXiv 1803.08494), equation 1: with D channels a group and P positions, means over the D P values of a group,

    dx = (m dz - mean(m dz) - x^ mean(m dz x^)) / sigma
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm`, computed as the module says; the same weights by the same names."""

    def forward(self, input: Tensor) -> Tensor:
        if not _is_slow(input):
            return super().forward(input)
        return _Normalised.apply(input, *_per_item(self, input), self.num_groups, self.eps, False)


def norm_swish(norm: GroupNorm, x: Tensor, film: Tensor | None = None) -> Tensor:
    """swish of the normalised x `[N, C, H, W]`; `film` `[N, 2 C]` holds scale and shift, x^ (1 + scale) + shift."""
    if _is_slow(x):
        return _Normalised.apply(x, *_per_item(norm, x, film), norm.num_groups, norm.eps, True)
    h = norm(x)
    if film is not None:
        scale, shift = film[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, h, 1 + scale)
    return F.silu(h)


def _is_slow(x: Tensor) -> bool:
    """Whether PyTorch's kernels are slow for this map: on a CPU, with a gradient or in bfloat16."""
    trained = torch.is_grad_enabled() and x.requires_grad
    return x.device.type == "cpu" and x.dim() == 4 and (trained or x.dtype == torch.bfloat16)


def _per_item(norm: GroupNorm, x: Tensor, film: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Factor m and summand s of each item and channel, `[N, C]` in float32 or better."""
    weight, bias = norm.weight.expand(len(x), -1), norm.bias.expand(len(x), -1)
    if film is None:
        return weight, bias
    scale, shift = film.to(weight.dtype).chunk(2, dim=1)
    return weight * (1 + scale), torch.addcmul(shift, bias, 1 + scale)


class _Normalised(torch.autograd.Function):
    """m x^ + s, or its swish, of x `[N, C, H, W]` with m, s `[N, C]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor, summand: Tensor, groups: int, eps: float, swish: bool) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            values = _rows(x, factor.dtype)
            mean, inverse = _moments(values, groups, eps)
            z = _affine(values, factor, summand, mean, inverse)
            ctx.save_for_backward(x, factor, summand, mean, inverse)
            ctx.groups, ctx.swish = groups, swish
            return _map(F.silu(z, inplace=True) if swish else z, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, factor, summand, mean, inverse = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            values, d_z = _rows(x, factor.dtype), _rows(gradients[0], factor.dtype)
            if ctx.swish:
                d_z = torch.ops.aten.silu_backward(d_z, _affine(values, factor, summand, mean, inverse))
            d_summand = d_z.sum(1)
            d_factor = inverse * ((d_z * values).sum(1) - mean * d_summand)
            along_one = _group_means(factor * d_summand, ctx.groups, values)
            along_x = _group_means(factor * d_factor, ctx.groups, values)
            slope = -inverse.square() * along_x
            d_x = torch.addcmul((-mean * slope - inverse * along_one)[:, None], values, slope[:, None])
            d_x.addcmul_(d_z, (factor * inverse)[:, None])
            return _map(d_x, x), d_factor, d_summand, None, None, None


def _rows(x: Tensor, dtype: torch.dtype) -> Tensor:
    """A map `[N, C, H, W]` as `[N, H W, C]`, contiguous, in this dtype."""
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).flatten(1, 2).to(dtype)


def _map(rows: Tensor, like: Tensor) -> Tensor:
    """`[N, H W, C]` as a channels-last map of the shape and dtype of `like`."""
    return rows.to(like.dtype).unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)


def _moments(rows: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and inverse standard deviation of each channel's group, `[N, C]`, of `[N, P, C]`."""
    mean = _group_means(rows.sum(1), groups, rows)
    variance = _group_means(rows.square().sum(1), groups, rows) - mean.square()
    return mean, (variance.clamp_min(0) + eps).rsqrt()


def _group_means(sums: Tensor, groups: int, rows: Tensor) -> Tensor:
    """Mean over positions and channels of each channel's group, from sums over positions, `[N, C]` both."""
    width = sums.shape[1] // groups
    means = sums.unflatten(1, (groups, width)).sum(2, keepdim=True) / (rows.shape[1] * width)
    return means.expand(-1, -1, width).flatten(1)


def _affine(rows: Tensor, factor: Tensor, summand: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """m x^ + s of `[N, P, C]`, the others `[N, C]`."""
    gain = factor * inverse
    return torch.addcmul((summand - mean * gain)[:, None], rows, gain[:, None])
