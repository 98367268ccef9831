"""NCSN++ (Song et al. 2021, arXiv 2011.13456), conditioned on a scalar level and on an image."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ncsnpp.config import NCSNppConfig
from ncsnpp.context import Context, ContextPyramid
from ncsnpp.layers import Attention, LevelEmbedding, conv
from ncsnpp.levels import (
    BlockMaker,
    DecoderLevel,
    EncoderLevel,
    FullDecoderLevel,
    FullEncoderLevel,
    LightDecoderLevel,
    LightEncoderLevel,
)
from ncsnpp.resample import depth_to_space, space_to_depth


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
        widths, block = config.widths, BlockMaker(config)
        light = config.body == "light"
        encoder_level: Callable[[NCSNppConfig, int, int], EncoderLevel] = (
            LightEncoderLevel if light else FullEncoderLevel
        )
        decoder_level: Callable[[NCSNppConfig, int], DecoderLevel] = LightDecoderLevel if light else FullDecoderLevel
        stem_channels = config.in_channels + (config.image_channels if config.conditioning == "concat" else 0)
        stem_channels *= config.patch**2

        self.embed = LevelEmbedding(config.channels, config.fourier_scale)
        self.stem = conv(stem_channels, widths[0], config.stem_kernel)
        self.encoder = nn.ModuleList(encoder_level(config, index, stem_channels) for index in range(len(widths)))
        self.middle0 = block(widths[-1], widths[-1])
        self.middle_attention = (
            Attention(widths[-1], config.attention_heads) if config.attention_middle else nn.Identity()
        )
        self.middle1 = block(widths[-1], widths[-1])
        self.decoder = nn.ModuleList(decoder_level(config, index) for index in range(len(widths)))
        self.context = ContextPyramid(config) if config.conditioning == "pyramid" else None

    def encode_context(self, features: Sequence[Tensor], size: tuple[int, int] | None = None) -> Context:
        """Everything about the images that no noise level changes; call once, use for all passes.

        Parameters
        ----------
        features : sequence of Tensor, [M, C_i, h_i, w_i]
            Channels as in `config.context_channels`, any sizes.
        size : (H, W), optional
            Size of the x to come; `config.grid_size` squared by default. Another size later costs an interpolation, not
            an error.

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
        x : Tensor, [N, in_channels, H, W]
        level : Tensor, [N]
            Conditioning value of the noise level, of order -10 to 10.
        context : Context, Tensor or None
            For "pyramid" what `encode_context` returned, for "concat" the images [M, image_channels, H, W] in [-1, 1],
            else None. N is a multiple of M; the passes of an image are contiguous in x.

        Returns
        -------
        Tensor, [N, out_channels, H, W]

        Raises
        ------
        ValueError
            The context is missing, not expected, of another size, or M does not divide N.
        """
        size = (x.shape[-2], x.shape[-1])
        x = self._joined(x, context)
        nothing = (None,) * len(self.encoder)
        down, up = context if isinstance(context, Context) else (nothing, nothing)
        embedding = self.embed(level)

        pyramid = space_to_depth(x, self.config.patch)
        h = self.stem(pyramid)
        skips: list[list[Tensor]] = []
        for stage, term in zip(self.encoder, down, strict=True):
            h, pyramid, kept = stage(h, embedding, pyramid, term)
            skips.append(kept)

        h = self.middle1(self.middle_attention(self.middle0(h, embedding)), embedding)

        output: Tensor | None = None
        for index, stage in reversed(list(enumerate(self.decoder))):
            finer = skips[max(0, index - 1)][-1]
            h, output = stage(h, embedding, skips[index], up[index], output, (finer.shape[-2], finer.shape[-1]))
        assert output is not None  # the finest level has a head
        return depth_to_space(output, self.config.patch, size)

    def _joined(self, x: Tensor, context: Context | Tensor | None) -> Tensor:
        """Check the context, and append the images' channels to x for "concat"."""
        conditioning = self.config.conditioning
        kinds: dict[str, type] = {"none": type(None), "concat": Tensor, "pyramid": Context}
        expected = kinds[conditioning]
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
            size, found = tuple(x.shape[-2:]), tuple(context.shape[-2:])
            raise ValueError(f"Expected the images of `context` to have the size {size} of x, but got {found}")
        passes = x.shape[0] // images
        return torch.cat([x, context.to(x.dtype).repeat_interleave(passes, dim=0)], dim=1)
