"""The resolution levels of NCSN++, in two bodies.

full   as Song et al. 2021: residual blocks resample; every block's output is a skip, concatenated on the way up
light  FIR and 1x1 convolutions resample; one skip a level, added on the way up
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ncsnpp.config import NCSNppConfig
from ncsnpp.context import inject
from ncsnpp.layers import SKIP_RESCALE, Attention, ResBlock, conv, group_norm
from ncsnpp.resample import FIRDownsample, FIRUpsample


class BlockMaker:
    """`ResBlock` with what all blocks of a network share."""

    def __init__(self, config: NCSNppConfig) -> None:
        self.config = config

    def __call__(self, in_channels: int, out_channels: int, resample: str | None = None) -> ResBlock:
        config = self.config
        film = config.level_embedding == "film"
        return ResBlock(in_channels, out_channels, 4 * config.channels, film, resample, config.dropout)


class Shrink(nn.Module):
    """The light way down: FIR, then 1x1 to the next level's width. [N, in, H, W] to [N, out, ceil(H/2), ceil(W/2)]."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.down = FIRDownsample()
        self.project = conv(in_channels, out_channels, kernel=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.project(self.down(x))


class Grow(nn.Module):
    """The light way up: 1x1 to the next level's width while the map is small, then FIR. [N, in, h, w] to [N, out,
    *size].
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = conv(in_channels, out_channels, kernel=1)
        self.up = FIRUpsample()

    def forward(self, x: Tensor, embedding: Tensor, size: tuple[int, int]) -> Tensor:
        return self.up(self.project(x), size)


class OutputHead(nn.Sequential):
    """GroupNorm, swish, zero-initialised convolution: the output is exactly zero before training."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(group_norm(in_channels), nn.SiLU(), conv(in_channels, out_channels, kernel, zero=True))


def _attention(config: NCSNppConfig, index: int) -> nn.Module:
    """Attention where the level has it, else the identity."""
    attends = config.resolutions[index] in config.attention_resolutions
    return Attention(config.widths[index], config.attention_heads) if attends else nn.Identity()


class EncoderLevel(nn.Module, ABC):
    """One resolution on the way down; `FullEncoderLevel` and `LightEncoderLevel` say which skips it leaves.

    Parameters
    ----------
    config : NCSNppConfig
    index : int
        0 is the finest.
    pyramid_channels : int
        Channels of the input pyramid.
    entry : int
        Channels of the features that enter the first block.
    down : module or None
        From the level before; None at the finest.
    """

    def __init__(
        self, config: NCSNppConfig, index: int, pyramid_channels: int, entry: int, down: nn.Module | None
    ) -> None:
        super().__init__()
        block, width, joins = BlockMaker(config), config.widths[index], index > 0 and config.input_pyramid
        self.down = down
        self.shrink_pyramid = FIRDownsample() if joins else None
        self.combine = conv(pyramid_channels, entry, kernel=1) if joins else None
        self.blocks = nn.ModuleList(block(entry if n == 0 else width, width) for n in range(config.blocks))
        self.attentions = nn.ModuleList(_attention(config, index) for _ in self.blocks)

    def forward(
        self, h: Tensor, embedding: Tensor, pyramid: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Features, input pyramid at this resolution, and skips in the order in which they arise.

        Parameters
        ----------
        h : Tensor, [N, C, H, W]
            Features of the level before.
        embedding : Tensor, [N, 4 channels]
        pyramid : Tensor, [N, pyramid_channels, H, W]
            The input at the resolution of the level before.
        context : Tensor, [M, entry, h, w], or None
            What the images add to this level.
        """
        if self.down is not None:
            h = self.down(h, embedding)
        if self.shrink_pyramid is not None and self.combine is not None:
            pyramid = self.shrink_pyramid(pyramid)
            h = h + self.combine(pyramid)
        if context is not None:
            h = inject(h, context)
        entered, outputs = h, []
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            h = attention(block(h, embedding))
            outputs.append(h)
        return h, pyramid, self.skips(entered, outputs)

    @abstractmethod
    def skips(self, entered: Tensor, outputs: list[Tensor]) -> list[Tensor]:
        """The maps to keep, of what entered the blocks and of their outputs."""


class FullEncoderLevel(EncoderLevel):
    """Keeps its entry and every block's output."""

    def __init__(self, config: NCSNppConfig, index: int, pyramid_channels: int) -> None:
        entry = config.encoder_entries[index]
        down = BlockMaker(config)(entry, entry, resample="down") if index else None
        super().__init__(config, index, pyramid_channels, entry, down)

    def skips(self, entered: Tensor, outputs: list[Tensor]) -> list[Tensor]:
        return [entered, *outputs]


class LightEncoderLevel(EncoderLevel):
    """Keeps the last block's output alone."""

    def __init__(self, config: NCSNppConfig, index: int, pyramid_channels: int) -> None:
        width = config.widths[index]
        down = Shrink(config.widths[index - 1], width) if index else None
        super().__init__(config, index, pyramid_channels, config.encoder_entries[index], down)

    def skips(self, entered: Tensor, outputs: list[Tensor]) -> list[Tensor]:
        return outputs[-1:]


class DecoderLevel(nn.Module, ABC):
    """One resolution on the way up; `FullDecoderLevel` and `LightDecoderLevel` say how skips join.

    Parameters
    ----------
    config : NCSNppConfig
    index : int
        0 is the finest.
    blocks : modules
        Residual blocks.
    """

    def __init__(self, config: NCSNppConfig, index: int, blocks: Sequence[ResBlock]) -> None:
        super().__init__()
        width = config.widths[index]
        self.blocks = nn.ModuleList(blocks)
        self.attention = _attention(config, index)
        has_head = config.output_pyramid or index == 0
        out_channels = config.out_channels * config.patch**2
        self.head = OutputHead(width, out_channels, config.stem_kernel) if has_head else None
        self.grow_output = FIRUpsample() if config.output_pyramid else None
        self.up = self.make_up(config, index) if index else None

    @abstractmethod
    def make_up(self, config: NCSNppConfig, index: int) -> nn.Module:
        """What resamples to the next finer level."""

    @abstractmethod
    def joined(self, h: Tensor, embedding: Tensor, skips: list[Tensor]) -> Tensor:
        """The blocks' output, skips joined."""

    def forward(
        self,
        h: Tensor,
        embedding: Tensor,
        skips: list[Tensor],
        context: Tensor | None,
        output: Tensor | None,
        finer: tuple[int, int],
    ) -> tuple[Tensor, Tensor | None]:
        """Features for the next finer level, and the output so far at this resolution.

        Parameters
        ----------
        h : Tensor, [N, C, h, w]
        embedding : Tensor, [N, 4 channels]
        skips : list of Tensor
            What the encoder's level of this resolution kept.
        context : Tensor, [M, C, h', w'], or None
            What the images add to this level.
        output : Tensor or None
            Output of the coarser levels; None before the first.
        finer : (int, int)
            Size of the next finer level.
        """
        if context is not None:
            h = inject(h, context)
        h = self.attention(self.joined(h, embedding, skips))
        if self.head is not None:
            own = self.head(h)
            if output is not None and self.grow_output is not None:
                own = self.grow_output(output, (own.shape[-2], own.shape[-1])) + own
            output = own
        return (h if self.up is None else self.up(h, embedding, finer)), output


class FullDecoderLevel(DecoderLevel):
    """Every block takes one skip, concatenated, the latest first."""

    def __init__(self, config: NCSNppConfig, index: int) -> None:
        block, width, entry = BlockMaker(config), config.widths[index], config.decoder_entries[index]
        skips = [width] * config.blocks + [config.encoder_entries[index]]
        super().__init__(config, index, [block((width if n else entry) + skip, width) for n, skip in enumerate(skips)])

    def make_up(self, config: NCSNppConfig, index: int) -> nn.Module:
        width = config.widths[index]
        return BlockMaker(config)(width, width, resample="up")

    def joined(self, h: Tensor, embedding: Tensor, skips: list[Tensor]) -> Tensor:
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            h = block(torch.cat([h, skip], dim=1), embedding)
        return h


class LightDecoderLevel(DecoderLevel):
    """One skip, added before the first block."""

    def __init__(self, config: NCSNppConfig, index: int) -> None:
        block, width = BlockMaker(config), config.widths[index]
        super().__init__(config, index, [block(width, width) for _ in range(config.blocks)])

    def make_up(self, config: NCSNppConfig, index: int) -> nn.Module:
        return Grow(config.widths[index], config.widths[index - 1])

    def joined(self, h: Tensor, embedding: Tensor, skips: list[Tensor]) -> Tensor:
        h = (h + skips[-1]) * SKIP_RESCALE
        for block in self.blocks:
            h = block(h, embedding)
        return h
