"""NCSN++ (Song et al. 2021, arXiv 2011.13456), conditioned on a scalar level and on an image."""

import torch
from torch import Tensor, nn

from ncsnpp.config import NCSNppConfig
from ncsnpp.context import Context, ContextPyramid, inject
from ncsnpp.layers import SKIP_RESCALE, Attention, LevelEmbedding, ResBlock, conv, group_norm
from ncsnpp.resample import FIRDownsample, FIRUpsample, depth_to_space, space_to_depth


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


class EncoderLevel(nn.Module):
    """One resolution on the way down: (resample, join the input pyramid,) then residual blocks, each with attention or
    not.
    """

    def __init__(self, config: NCSNppConfig, index: int, pyramid_channels: int) -> None:
        super().__init__()
        block, light, width = _block_maker(config), config.body == "light", config.widths[index]
        entry = config.widths[index - 1] if index and not light else width
        attends = config.resolutions[index] in config.attention_resolutions
        self.down: nn.Module | None = None
        if index:
            before = config.widths[index - 1]
            self.down = Shrink(before, width) if light else block(before, before, resample="down")
        self.combine = conv(pyramid_channels, entry, kernel=1) if index and config.input_pyramid else None
        self.blocks = nn.ModuleList(block(entry if n == 0 else width, width) for n in range(config.blocks))
        self.attentions = nn.ModuleList(
            Attention(width, config.attention_heads) if attends else nn.Identity() for _ in self.blocks
        )


class DecoderLevel(nn.Module):
    """One resolution on the way up: residual blocks fed by the encoder's maps, attention, (own output,) resampling to
    the next.
    """

    def __init__(self, config: NCSNppConfig, index: int, entry: int, skips: list[int]) -> None:
        super().__init__()
        block, light, width = _block_maker(config), config.body == "light", config.widths[index]
        if light:
            self.blocks = nn.ModuleList(block(width, width) for _ in range(config.blocks))
        else:
            self.blocks = nn.ModuleList(block((width if n else entry) + skip, width) for n, skip in enumerate(skips))
        attends = config.resolutions[index] in config.attention_resolutions
        self.attention = Attention(width, config.attention_heads) if attends else nn.Identity()
        out_channels = config.out_channels * config.patch**2
        has_head = config.output_pyramid or index == 0
        self.head = OutputHead(width, out_channels, config.stem_kernel) if has_head else None
        self.up: nn.Module | None = None
        if index:
            self.up = Grow(width, config.widths[index - 1]) if light else block(width, width, resample="up")


class NCSNpp(nn.Module):
    """The network: x [N, in_channels, H, W] and level [N] to [N, out_channels, H, W], for any H, W of at least one.

    The output is exactly zero before training (zero-initialised heads).

    Parameters
    ----------
    config : see `NCSNppConfig`

    Notes
    -----
    Under autocast the output has autocast's dtype: cast it to float32 before a loss.
    """

    def __init__(self, config: NCSNppConfig) -> None:
        super().__init__()
        self.config = config
        channels, widths, light = config.channels, config.widths, config.body == "light"
        block = _block_maker(config)
        stem_channels = config.in_channels + (config.image_channels if config.conditioning == "concat" else 0)
        stem_channels *= config.patch**2

        self.embed = LevelEmbedding(channels, config.fourier_scale)
        self.stem = conv(stem_channels, widths[0], config.stem_kernel)
        self.encoder = nn.ModuleList(EncoderLevel(config, index, stem_channels) for index in range(len(widths)))
        self.middle0 = block(widths[-1], widths[-1])
        self.middle_attention = (
            Attention(widths[-1], config.attention_heads) if config.attention_middle else nn.Identity()
        )
        self.middle1 = block(widths[-1], widths[-1])

        # A full level leaves its entry and every block's output as skips; its decoder takes them back in reverse.
        entries = [widths[0], *widths[:-1]]
        decoder_widths = tuple(widths) if light else (*widths[1:], widths[-1])
        self.decoder = nn.ModuleList(
            DecoderLevel(config, index, decoder_widths[index], skips=[width] * config.blocks + [entries[index]])
            for index, width in enumerate(widths)
        )
        self.pyramid_down = FIRDownsample() if config.input_pyramid else None
        self.pyramid_up = FIRUpsample() if config.output_pyramid else None
        self.context = ContextPyramid(config, decoder_widths) if config.conditioning == "pyramid" else None

    def encode_context(self, features: list[Tensor], size: tuple[int, int] | None = None) -> Context:
        """Everything about the images that no noise level changes; call once, use for all passes.

        Parameters
        ----------
        features : list of Tensor
            Maps `[M, C_i, h_i, w_i]`, channels as in `config.context_channels`, any sizes.
        size : (int, int), optional
            (H, W) of the x to come; by default `config.grid_size` squared. Another size later costs an interpolation,
            not an error.

        Raises
        ------
        ValueError
            The network was not built with conditioning "pyramid", or the number of maps is wrong.
        """
        if self.context is None:
            raise ValueError(f'Expected a network with conditioning "pyramid", but got "{self.config.conditioning}"')
        height, width = size or (self.config.grid_size, self.config.grid_size)
        patch = self.config.patch
        return self.context(list(features), (-(-height // patch), -(-width // patch)))

    def forward(self, x: Tensor, level: Tensor, context: Context | Tensor | None = None) -> Tensor:
        """One denoising pass.

        Parameters
        ----------
        x : Tensor
            `[N, in_channels, H, W]`.
        level : Tensor
            `[N]`, the conditioning value of the noise level, of order -10 to 10.
        context : Context or Tensor, optional
            For "pyramid" what `encode_context` returned, for "concat" the images `[M, image_channels, H, W]` in
            [-1, 1], else None. N must be a multiple of M; the passes of an image are contiguous in x.

        Raises
        ------
        ValueError
            The context is missing, not expected, of another size, or M does not divide N.
        """
        size = (x.shape[-2], x.shape[-1])
        x = self._joined(x, context)
        injected = context if isinstance(context, Context) else None
        embedding = self.embed(level)

        pyramid = space_to_depth(x, self.config.patch)
        h = self.stem(pyramid)
        full = self.config.body == "full"
        skips: list[Tensor] = []
        sizes: list[tuple[int, int]] = []
        for index, stage in enumerate(self.encoder):
            if stage.down is not None:
                h = stage.down(h, embedding)
            if self.pyramid_down is not None and stage.combine is not None:
                pyramid = self.pyramid_down(pyramid)
                h = h + stage.combine(pyramid)
            if injected is not None:
                h = inject(h, injected.encoder[index])
            sizes.append((h.shape[-2], h.shape[-1]))
            if full:
                skips.append(h)
            for block, attention in zip(stage.blocks, stage.attentions, strict=True):
                h = attention(block(h, embedding))
                if full:
                    skips.append(h)
            if not full:
                skips.append(h)

        h = self.middle1(self.middle_attention(self.middle0(h, embedding)), embedding)

        output: Tensor | None = None
        for index in range(len(self.decoder) - 1, -1, -1):
            stage = self.decoder[index]
            if injected is not None:
                h = inject(h, injected.decoder[index])
            if not full:
                h = (h + skips.pop()) * SKIP_RESCALE
            for block in stage.blocks:
                h = block(torch.cat([h, skips.pop()], dim=1) if full else h, embedding)
            h = stage.attention(h)
            if stage.head is not None:
                own = stage.head(h)
                output = own if output is None else self.pyramid_up(output, sizes[index]) + own
            if stage.up is not None:
                h = stage.up(h, embedding, sizes[index - 1])
        return depth_to_space(output, self.config.patch, size)

    def _joined(self, x: Tensor, context: Context | Tensor | None) -> Tensor:
        """Check the context, and append the images' channels to x for "concat"."""
        conditioning = self.config.conditioning
        expected = {"none": type(None), "concat": Tensor, "pyramid": Context}[conditioning]
        if not isinstance(context, expected):
            wanted, got = expected.__name__, type(context).__name__
            raise ValueError(f'Expected `context` to be a {wanted} with conditioning "{conditioning}", but got {got}')
        if context is None:
            return x
        images = context.encoder[0].shape[0] if isinstance(context, Context) else context.shape[0]
        if images == 0 or x.shape[0] % images:
            raise ValueError(
                f"Expected the batch of x to be a multiple of the {images} images of `context`, but got {x.shape[0]}"
            )
        if isinstance(context, Context):
            return x
        if context.shape[-2:] != x.shape[-2:]:
            wanted, got = tuple(x.shape[-2:]), tuple(context.shape[-2:])
            raise ValueError(f"Expected the images of `context` to have the size {wanted} of x, but got {got}")
        passes = x.shape[0] // images
        return torch.cat([x, context.to(x.dtype).repeat_interleave(passes, dim=0)], dim=1)


def _block_maker(config: NCSNppConfig):
    """`ResBlock` with what all blocks of a network share."""

    def block(in_channels: int, out_channels: int, resample: str | None = None) -> ResBlock:
        film = config.level_embedding == "film"
        return ResBlock(in_channels, out_channels, 4 * config.channels, film, resample, config.dropout)

    return block
