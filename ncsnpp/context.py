"""The image's way into the network: a small feature pyramid, computed once per image and shared by all noise levels.

A denoiser is asked about the same picture at many levels. What depends on the picture alone (laterals, top-down
pathway, refinement, projections to each level's width) is therefore done here, once; a denoising pass only adds the
result. The pyramid follows Lin et al. 2017 (FPN), with GroupNorm and NCSN++ residual blocks.
"""

import math
from typing import NamedTuple

from torch import Tensor, nn

from ncsnpp.config import NCSNppConfig
from ncsnpp.layers import SKIP_RESCALE, ResBlock, conv, group_norm
from ncsnpp.resample import half, resize, space_to_depth

MAX_FOLD = 4  # largest space-to-depth factor: a map finer than that is averaged down first


class Context(NamedTuple):
    """What the denoiser adds at each level, finest first; every tensor is [M, width of the level, h, w]."""

    encoder: tuple[Tensor, ...]
    decoder: tuple[Tensor, ...]


class ContextPyramid(nn.Module):
    """Feature maps of a backbone to one injection per encoder and decoder level.

    Each map goes to the level of nearest resolution: a finer one by space-to-depth, which loses nothing, a coarser one
    by interpolation.

    Parameters
    ----------
    config : uses `context_*`, `resolutions` and `widths`
    """

    def __init__(self, config: NCSNppConfig) -> None:
        super().__init__()
        width = config.context_width
        base, levels = config.resolutions[0], len(config.resolutions)
        self.map_levels = []  # level of each map
        self.folds = []  # space-to-depth factor of each map
        self.laterals = nn.ModuleList()
        for channels, side in zip(config.context_channels, config.context_sizes, strict=True):
            octave = round(math.log2(base / side))
            fold = min(MAX_FOLD, 2 ** max(0, -octave))
            self.map_levels.append(min(max(0, octave), levels - 1))
            self.folds.append(fold)
            self.laterals.append(nn.Sequential(conv(channels * fold**2, width, kernel=1), group_norm(width)))
        self.refine = nn.ModuleList(
            nn.ModuleList(ResBlock(width, width, embedding=None) for _ in range(config.context_blocks))
            for _ in range(levels)
        )
        self.to_encoder = nn.ModuleList(conv(width, channels, kernel=1) for channels in config.encoder_entries)
        self.to_decoder = nn.ModuleList(conv(width, channels, kernel=1) for channels in config.decoder_entries)

    def forward(self, features: list[Tensor], size: tuple[int, int]) -> Context:
        """`features` [M, C_i, h_i, w_i] of any sizes; `size` is that of the denoiser's first level."""
        if len(features) != len(self.laterals):
            raise ValueError(f"Expected `features` to hold {len(self.laterals)} maps, but got {len(features)}")
        sizes = [size]
        while len(sizes) < len(self.refine):
            sizes.append(half(sizes[-1]))
        terms: list[list[Tensor]] = [[] for _ in sizes]
        for feature, level, fold, lateral in zip(features, self.map_levels, self.folds, self.laterals, strict=True):
            height, width = sizes[level]
            # A map close to twice (or four times) the level keeps its detail in channels; any other is brought to the
            # level's size.
            folded = space_to_depth(resize(feature, (height * fold, width * fold)), fold)
            terms[level].append(lateral(folded))
        coarsest = max(self.map_levels)
        maps: list[Tensor] = []
        for level in range(coarsest, -1, -1):
            parts = terms[level] + ([resize(maps[0], sizes[level])] if maps else [])
            total = sum(parts[1:], start=parts[0])
            maps.insert(0, self._refined(total * (1 / math.sqrt(len(parts))), level))
        for level in range(coarsest + 1, len(sizes)):  # levels coarser than every map see the pyramid from above
            maps.append(self._refined(resize(maps[-1], sizes[level]), level))
        return Context(
            tuple(project(x) for project, x in zip(self.to_encoder, maps, strict=True)),
            tuple(project(x) for project, x in zip(self.to_decoder, maps, strict=True)),
        )

    def _refined(self, x: Tensor, level: int) -> Tensor:
        blocks = self.refine[level]
        assert isinstance(blocks, nn.ModuleList)
        for block in blocks:
            x = block(x)
        return x


def inject(h: Tensor, context: Tensor) -> Tensor:
    """(h + context) / sqrt(2), where h [N, C, H, W] holds N / M consecutive passes of each of the M images in context
    [M, C, h, w].
    """
    context = resize(context, (h.shape[-2], h.shape[-1]))
    images = context.shape[0]
    if h.shape[0] == images:
        return (h + context) * SKIP_RESCALE
    return ((h.unflatten(0, (images, -1)) + context[:, None]) * SKIP_RESCALE).flatten(0, 1)
