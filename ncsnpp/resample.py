"""Resampling by two with the FIR filter (1, 3, 3, 1), and space-to-depth for any size.

NCSN++ replaces nearest-neighbour resampling by the anti-aliased filter of StyleGAN2 (Song et al. 2021, section 4.1 and
appendix H; Zhang 2019). The definition is `upfirdn`: insert zeros, pad, correlate with the kernel, decimate. Both
directions are written as one depthwise convolution that gives exactly those numbers.

Sizes. Downsampling maps n to ceil(n / 2): an odd axis gets one more zero at its far end. Upsampling maps n to 2 n and
drops what lies beyond the requested size, so that it returns to the exact size that was downsampled, odd or even.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FIR_TAPS = (1.0, 3.0, 3.0, 1.0)


def _kernel(gain: float) -> Tensor:
    """The separable two-dimensional kernel [1, 1, 4, 4], summing to `gain`. Every entry is exact in bfloat16."""
    taps = torch.tensor(FIR_TAPS) / sum(FIR_TAPS)
    return (gain * torch.outer(taps, taps))[None, None]


def _depthwise(convolve: Callable[..., Tensor], x: Tensor, kernel: Tensor) -> Tensor:
    """Stride 2, padding 1, every channel on its own; the result has the dtype of x.

    On a CPU the work is done in float32: there, depthwise kernels in bfloat16 take 30 times as long, not half.
    """
    channels = int(x.shape[1])  # a constant to tracers, which do not know the shape of a kernel of a traced size
    weight = kernel.expand(channels, 1, 4, 4)
    if x.device.type != "cpu":
        return convolve(x, weight.to(x.dtype), stride=2, padding=1, groups=channels)
    with torch.autocast("cpu", enabled=False):
        return convolve(x.float(), weight.float(), stride=2, padding=1, groups=channels).to(x.dtype)


class FIRDownsample(nn.Module):
    """Halve both axes: [N, C, H, W] to [N, C, ceil(H/2), ceil(W/2)].

    upfirdn with up = 1, down = 2 and padding (1, 1); (1, 2) on an odd axis. The kernel is a buffer (it follows
    `.to()`), but no part of the weights.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _kernel(gain=1.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            x = F.pad(x, (0, width % 2, 0, height % 2))
        return _depthwise(F.conv2d, x, self.kernel)


class FIRUpsample(nn.Module):
    """Double both axes: [N, C, H, W] to [N, C, 2H, 2W], or to `size` = (2H or 2H - 1, 2W or 2W - 1).

    upfirdn with up = 2, down = 1, padding (2, 1) and gain 4, so that a constant stays the same constant inside.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _kernel(gain=4.0), persistent=False)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        x = _depthwise(F.conv_transpose2d, x, self.kernel)
        return x if size is None else x[..., : size[0], : size[1]]


def half(size: tuple[int, int]) -> tuple[int, int]:
    """Size after one downsampling: (ceil(H/2), ceil(W/2))."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def space_to_depth(x: Tensor, factor: int) -> Tensor:
    """[N, C, H, W] to [N, C factor^2, ceil(H/factor), ceil(W/factor)]; zeros fill the far ends when a side does not
    divide.
    """
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        x = F.pad(x, (0, -width % factor, 0, -height % factor))
    return F.pixel_unshuffle(x, factor) if factor > 1 else x


def depth_to_space(x: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    """Inverse of `space_to_depth`: [N, C factor^2, h, w] to [N, C, *size], dropping what lies beyond `size`."""
    x = F.pixel_shuffle(x, factor) if factor > 1 else x
    return x[..., : size[0], : size[1]]


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring [N, C, H, W] to [N, C, *size] exactly: adaptive average when both axes shrink, bilinear otherwise, nothing
    when equal.
    """
    current, size = (int(x.shape[-2]), int(x.shape[-1])), (int(size[0]), int(size[1]))  # constants to tracers
    if current == size:
        return x
    if current[0] >= size[0] and current[1] >= size[1]:
        # The same means, written as torch's ONNX exporter can follow: it knows no size of an interpolated map.
        if current[0] % size[0] == current[1] % size[1] == 0:
            return F.avg_pool2d(x, (current[0] // size[0], current[1] // size[1]))
        if torch.onnx.is_in_onnx_export():
            rows, columns = (_averaging(has, wanted) for has, wanted in zip(current, size, strict=True))
            return rows @ x @ columns.T
        return F.adaptive_avg_pool2d(x, size)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _averaging(has: int, wanted: int) -> Tensor:
    """One axis of an adaptive average as a matrix, [wanted, has]: a constant to tracers."""
    matrix = np.zeros((wanted, has), np.float32)
    for row in range(wanted):
        first, end = row * has // wanted, -(-(row + 1) * has // wanted)
        matrix[row, first:end] = 1 / (end - first)
    return torch.from_numpy(matrix)
