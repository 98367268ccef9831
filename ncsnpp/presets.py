"""Named configurations."""

import dataclasses

from ncsnpp.config import NCSNppConfig


def voc256(num_classes: int = 21, image_channels: int = 3) -> NCSNppConfig:
    """The reference's network for Pascal VOC: Song's NCSN++ at 256 x 256, 33.4 M parameters (33,375,934).

    The parts that decide the count, all as in Song et al.: level embedding of 4 x 64 by two dense layers; the image's
    channels beside the mask's (24 in, 21 out); two residual blocks a level on the way down and three on the way up,
    each of those taking one concatenated skip; resampling by residual blocks with a 1x1 shortcut; attention after each
    encoder block and once in the decoder at 16 x 16, and between the two middle blocks; a 1x1 convolution of the
    FIR-downsampled input, summed, at each coarser level; GroupNorm and a 3x3 convolution to 21 channels at each decoder
    level, summed over the FIR-upsampled levels. The Fourier frequencies have Song's scale 16, made for log sigma:
    levels to be given are logarithms (of lambda, for the paper's ladder).
    """
    return NCSNppConfig(
        in_channels=num_classes,
        out_channels=num_classes,
        grid_size=256,
        channels=64,
        channel_mult=(1, 2, 2, 2, 4, 4),
        blocks=2,
        attention_resolutions=(16,),
        level_embedding="additive",
        fourier_scale=16.0,
        input_pyramid=True,
        output_pyramid=True,
        conditioning="concat",
        image_channels=image_channels,
    )


def voc128(
    num_classes: int = 21,
    context_channels: tuple[int, ...] = (24, 48, 120, 352),
    context_reductions: tuple[int, ...] = (4, 8, 16, 32),
    image_size: int = 256,
    grid_size: int = 128,
) -> NCSNppConfig:
    """For one GPU: 128 x 128 grid, FiLM, image through a backbone's feature maps."""
    return NCSNppConfig(
        in_channels=num_classes,
        out_channels=num_classes,
        grid_size=grid_size,
        patch=2,
        channels=80,
        channel_mult=(1, 1.5, 2, 2),
        blocks=2,
        attention_resolutions=_sides(grid_size, 2, (2, 3)),
        attention_heads=4,
        conditioning="pyramid",
        context_channels=context_channels,
        context_sizes=_map_sizes(image_size, grid_size, context_reductions),
        context_width=192,
        dropout=0.1,
    )


def cpu(
    num_classes: int = 21,
    context_channels: tuple[int, ...] = (24, 48, 120, 352),
    context_reductions: tuple[int, ...] = (4, 8, 16, 32),
    image_size: int = 384,
    grid_size: int = 64,
) -> NCSNppConfig:
    """For two CPU cores: 64 x 64 grid worked on at 32, 16 and 8, image through a backbone's feature maps.

    A finer grid is folded by four, not by two: 128 x 128 cells are worked on at 32, 16 and 8, too, and cost what
    64 x 64 do but for the cells' own noise and loss.

    The defaults fit `ImageEncoder("tf_efficientnet_lite2")` on 384 x 384 pictures. The image's way in is short (no
    blocks of its own), the passes are wide: with the few passes that a score takes, a block is best spent where it sees
    picture and mask together.
    """
    return NCSNppConfig(
        in_channels=num_classes,
        out_channels=num_classes,
        grid_size=grid_size,
        patch=2 if grid_size <= 64 else 4,
        channels=64,
        channel_mult=(1, 2, 3),
        blocks=1,
        body="light",
        attention_resolutions=(),
        attention_heads=4,
        stem_kernel=1,
        conditioning="pyramid",
        context_channels=context_channels,
        context_sizes=_map_sizes(image_size, grid_size, context_reductions),
        context_width=128,
        context_blocks=0,
    )


def fast(
    num_classes: int = 21,
    context_channels: tuple[int, ...] = (24, 40, 112, 320),
    context_reductions: tuple[int, ...] = (4, 8, 16, 32),
    image_size: int = 256,
    grid_size: int = 64,
) -> NCSNppConfig:
    """`cpu` at half the width, for masks that are judged beside a segmenter at work.

    The defaults fit `ImageEncoder("tf_efficientnet_lite0")` on 256 x 256 pictures.
    """
    network = cpu(num_classes, context_channels, context_reductions, image_size, grid_size)
    return dataclasses.replace(network, channels=48, channel_mult=(1, 2, 2), context_width=64)


def _map_sizes(image_size: int, grid_size: int, reductions: tuple[int, ...]) -> tuple[int, ...]:
    """Nominal side of each map: as the backbone gives it, but the map of reduction 4 no finer than the grid, and the
    others in its octaves.
    """
    return tuple(min(-(-image_size // reduction), -(-4 * grid_size // reduction)) for reduction in reductions)


def _sides(grid_size: int, patch: int, levels: tuple[int, ...]) -> tuple[int, ...]:
    """Nominal sides of some levels."""
    return tuple(-(-grid_size // (patch * 2**level)) for level in levels)
