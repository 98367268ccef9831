"""Counting costs against figures worked out by hand."""

import pytest
import torch
from torch import nn

from ncsnpp import NCSNpp, NCSNppConfig, cpu
from ncsnpp.complexity import count, measure


def test_convolution_and_dense_layer_by_hand():
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, device="meta"), nn.Flatten(), nn.Linear(8 * 16, 5, device="meta")
    )
    cost = measure(module, lambda: module(torch.empty(2, 3, 4, 4, device="meta")))
    assert cost.parameters == 8 * 3 * 9 + 8 + 5 * 8 * 16 + 5
    assert cost.macs == 2 * 16 * 8 * 3 * 9 + 2 * 128 * 5
    # kept: the input of the convolution and (as a view) the input of the dense layer
    assert cost.activation_bytes == 4 * (2 * 3 * 16 + 2 * 8 * 16)


def test_a_storage_kept_twice_counts_once():
    x = torch.zeros(100, requires_grad=True)
    cost = measure(nn.Identity(), lambda: (x * x) + x.view(10, 10).square().sum())
    assert cost.activation_bytes == 400


def test_parts_add_up_to_the_network():
    config = cpu(num_classes=4)
    complexity = count(config)
    network = NCSNpp(config)
    assert complexity.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert complexity.encoder is None
    assert complexity.macs_per_image(10) == complexity.context.macs + 10 * complexity.denoiser.macs


def test_cpu_preset_stays_within_what_two_cores_can_train():
    complexity = count(cpu(), encoder="tf_efficientnet_lite2", image_size=384)
    assert complexity.denoiser.macs <= 0.55e9
    assert complexity.context.macs <= 0.1e9
    assert 4e6 <= complexity.parameters <= 6e6
    assert 1.5e9 < complexity.encoder.macs < 2.2e9  # 0.89 GMAC at its native 260 pixels
    assert complexity.macs_per_image(3) < 5e9  # what a score takes: three passes
    assert complexity.encoder.activation_bytes == 0  # frozen


def test_cost_grows_with_the_grid():
    config = NCSNppConfig(
        3, 3, grid_size=16, channels=8, channel_mult=(1, 2), blocks=1, attention_resolutions=(), attention_middle=False
    )
    small, large = count(config).denoiser, count(config, grid_size=32).denoiser
    assert large.macs == pytest.approx(4 * small.macs, rel=0.01)
    assert large.activation_bytes == pytest.approx(4 * small.activation_bytes, rel=0.05)
    assert large.parameters == small.parameters


def test_concat_and_plain_networks_have_no_context():
    plain = count(NCSNppConfig(3, 3, grid_size=16, channels=8, channel_mult=(1,), attention_resolutions=()))
    concat = count(
        NCSNppConfig(3, 3, grid_size=16, channels=8, channel_mult=(1,), attention_resolutions=(), conditioning="concat")
    )
    assert plain.context is None
    assert concat.context is None
    assert concat.denoiser.macs - plain.denoiser.macs == 16 * 16 * 8 * 3 * 9


def test_encoder_needs_the_picture_size():
    with pytest.raises(ValueError, match="image_size"):
        count(cpu(), encoder="tf_efficientnet_lite0")
