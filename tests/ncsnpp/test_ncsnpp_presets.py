"""Presets build, have the size they promise, and fit the encoder that they name."""

import pytest
import torch

from ncsnpp import ImageEncoder, NCSNpp, cpu, fast, voc128, voc256


def parameters(config) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in NCSNpp(config).parameters())


def test_voc256_has_the_references_33_4_million_parameters():
    assert round(parameters(voc256()) / 1e6, 1) == 33.4


def test_voc256_is_the_references_network():
    config = voc256()
    assert (config.in_channels + config.image_channels, config.out_channels) == (24, 21)
    assert config.resolutions == (256, 128, 64, 32, 16, 8)
    assert config.widths == (64, 128, 128, 128, 256, 256)
    with torch.device("meta"):
        net = NCSNpp(config)
        assert net(torch.empty(1, 21, 256, 256), torch.empty(1), torch.empty(1, 3, 256, 256)).shape == (1, 21, 256, 256)


def test_voc128_is_between():
    assert 15e6 <= parameters(voc128()) <= 20e6


def test_cpu_works_at_32_16_8():
    assert cpu().resolutions == (32, 16, 8)


def test_fast_is_less_than_half_of_cpu():
    assert parameters(fast()) < parameters(cpu()) / 2


@pytest.mark.parametrize(
    ("preset", "encoder_name"),
    [(cpu, "tf_efficientnet_lite2"), (voc128, "tf_efficientnet_lite2"), (fast, "tf_efficientnet_lite0")],
)
def test_defaults_fit_the_default_encoder(preset, encoder_name):
    config = preset()
    with torch.device("meta"):
        encoder, net = ImageEncoder(encoder_name, pretrained=False), NCSNpp(config)
        maps = encoder(torch.empty(2, 3, 256, 256))
        assert encoder.channels == config.context_channels
        assert tuple(feature.shape[-1] for feature in maps) == config.context_sizes
        side = config.grid_size
        y = net(torch.empty(4, 21, side, side), torch.empty(4), net.encode_context(maps))
    assert y.shape == (4, 21, side, side)


@pytest.mark.parametrize(("num_classes", "grid_size", "image_size"), [(2, 32, 128), (150, 48, 224), (3, 33, 97)])
def test_cpu_takes_any_problem(num_classes, grid_size, image_size):
    config = cpu(
        num_classes, context_channels=(24, 40), context_reductions=(4, 8), image_size=image_size, grid_size=grid_size
    )
    with torch.device("meta"):
        net = NCSNpp(config)
        maps = [
            torch.empty(1, channels, side, side) for channels, side in zip((24, 40), config.context_sizes, strict=True)
        ]
        y = net(torch.empty(2, num_classes, grid_size, grid_size), torch.empty(2), net.encode_context(maps))
    assert y.shape == (2, num_classes, grid_size, grid_size)
