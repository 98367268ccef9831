"""The blocks of NCSN++: noise-level embedding, BigGAN residual block, attention (Song et al. 2021, appendix H)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncsnpp.normalisation import GroupNorm, norm_swish
from ncsnpp.resample import FIRDownsample, FIRUpsample

SKIP_RESCALE = 1 / math.sqrt(2)  # keeps the variance of a sum of two unit-variance terms at one


def conv(in_channels: int, out_channels: int, kernel: int = 3, zero: bool = False) -> nn.Conv2d:
    """Same-size convolution, initialised uniformly with variance 1 / fan_avg, or to zero; the bias starts at zero."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    return _initialise(layer, zero)


def linear(in_features: int, out_features: int) -> nn.Linear:
    """Dense layer with the same initialisation as `conv`."""
    return _initialise(nn.Linear(in_features, out_features), zero=False)


def _initialise(layer, zero: bool):
    nn.init.zeros_(layer.weight) if zero else nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def group_norm(channels: int) -> GroupNorm:
    """GroupNorm with at least 4 channels a group and at most 32 groups; fewer groups where channels do not divide."""
    groups = max(1, min(channels // 4, 32))
    while channels % groups:
        groups -= 1
    return GroupNorm(groups, channels, eps=1e-6)


class LevelEmbedding(nn.Module):
    """Gaussian Fourier features of a scalar level, then two dense layers: [N] to [N, 4 channels].

    The features are sin and cos of 2 pi f level with `channels` random frequencies f ~ N(0, scale^2) that never change
    (Tancik et al. 2020). `scale` sets how finely levels are told apart: values closer than about 1 / (2 pi scale) look
    alike. Song's 16, on log sigma, resolves hundredths; 0.25 resolves about 0.6, the spacing of a ladder of some ten
    values between -10 and 5, and interpolates smoothly between them. The frequencies are drawn from a fixed seed and
    stored with the weights, so that weights are complete by themselves. Always computed in float32. Ends in swish,
    which every block would otherwise repeat.
    """

    frequencies: Tensor

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        frequencies = torch.randn(channels, generator=torch.Generator("cpu").manual_seed(0), device="cpu") * scale
        self.register_buffer("frequencies", frequencies.to(torch.get_default_device()))
        self.dense0 = linear(2 * channels, 4 * channels)
        self.dense1 = linear(4 * channels, 4 * channels)

    def forward(self, level: Tensor) -> Tensor:
        phase = 2 * math.pi * level.float()[:, None] * self.frequencies.float()
        features = torch.cat([phase.sin(), phase.cos()], dim=1).to(self.dense0.weight.dtype)
        return F.silu(self.dense1(F.silu(self.dense0(features))))


class ResBlock(nn.Module):
    """BigGAN residual block: GroupNorm, swish, (FIR resampling,) convolution, twice; zero-initialised second
    convolution; sum divided by sqrt(2).

    The level enters between the convolutions, added to the features ("additive") or as scale and shift of the second
    normalisation ("film"); with `embedding` None the block does not depend on it. The shortcut is a 1x1 convolution
    when channels or size change, as in Song's code.

    Parameters
    ----------
    in_channels, out_channels : channels in and out
    embedding : width of the level embedding, or None
    film : FiLM instead of addition
    resample : None, "down" or "up"
    dropout : probability, before the second convolution
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding: int | None,
        film: bool = False,
        resample: str | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.film = film
        self.norm0 = group_norm(in_channels)
        self.conv0 = conv(in_channels, out_channels)
        self.level = None if embedding is None else linear(embedding, out_channels * (2 if film else 1))
        self.norm1 = group_norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv1 = conv(out_channels, out_channels, zero=True)
        self.down = FIRDownsample() if resample == "down" else None
        self.up = FIRUpsample() if resample == "up" else None
        changes = in_channels != out_channels or resample is not None
        self.shortcut = conv(in_channels, out_channels, kernel=1) if changes else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor | None = None, size: tuple[int, int] | None = None) -> Tensor:
        """x [N, in, H, W], embedding [N, embedding]; `size` is the exact size to come back to when upsampling."""
        h = norm_swish(self.norm0, x)
        if self.down is not None:
            h, x = self.down(h), self.down(x)
        if self.up is not None:
            h, x = self.up(h, size), self.up(x, size)
        h = self.conv0(h)
        film = None
        if self.level is not None:
            film = self.level(embedding)
            if not self.film:
                h, film = h + film[:, :, None, None], None
        h = self.conv1(self.dropout(norm_swish(self.norm1, h, film)))
        return (self.shortcut(x) + h) * SKIP_RESCALE


class Attention(nn.Module):
    """Self-attention over all positions with a residual connection, [N, C, H, W] to the same shape.

    GroupNorm, 1x1 projections, scaled dot product, zero-initialised output projection, sum divided by sqrt(2).
    """

    def __init__(self, channels: int, heads: int = 1) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"Expected `heads` to divide the {channels} channels of the attention, but got {heads}")
        self.heads = heads
        self.norm = group_norm(channels)
        self.query_key_value = conv(channels, 3 * channels, kernel=1)
        self.output = conv(channels, channels, kernel=1, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        # [3, N, heads, H W, C / heads], without a copy where the map is channels-last
        projected = self.query_key_value(self.norm(x)).permute(0, 2, 3, 1).flatten(1, 2)
        query, key, value = projected.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return (x + self.output(mixed.unflatten(1, x.shape[-2:]).permute(0, 3, 1, 2))) * SKIP_RESCALE
