"""The networks of Deep SVDD: nothing in them can be a constant."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from evaluation.baselines.svdd import networks as svdd_networks
from evaluation.baselines.svdd.networks import (
    FeatureNetwork,
    Pixels,
    V2Network,
    encode,
    make_networks,
    one_hot,
    remove_biases,
)

SMALL = "test_efficientnet"  # timm's own backbone for tests; has squeeze-and-excite like the large ones


def constants(module: nn.Module) -> list[str]:
    """Names of parameters that are added or that scale a channel: all that have fewer than two dimensions."""
    return [name for name, parameter in module.named_parameters() if parameter.ndim < 2]


def inputs(count: int = 4, side: int = 64, seed: int = 0) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(count, 3, side, side, generator=generator) * 255], torch.randint(
        0, 4, (count, side, side), generator=generator
    ).byte()


@pytest.mark.parametrize("name", ["v2_b0", "v2_s", "v2_m"])
def test_efficientnets_have_neither_a_bias_nor_an_affine_normalisation(name: str) -> None:
    backbone = svdd_networks.V2_BACKBONES[name]
    with torch.device("meta"):
        original, network = timm.create_model(backbone, pretrained=False, num_classes=0), V2Network(backbone, 21, 64)
    assert constants(original)
    assert constants(network) == []
    assert all(
        m.weight is None and m.bias is None and not m.affine for m in network.modules() if isinstance(m, nn.BatchNorm2d)
    )
    assert any("se.conv_reduce" in name for name, _ in network.named_parameters())  # squeeze-and-excite is still there
    weights = [p.numel() for p in original.parameters() if p.ndim >= 2]
    # All weights are kept; 21 more input channels in a 3 x 3 stem, and a linear map to 64.
    stem = original.conv_stem.out_channels
    assert sum(p.numel() for p in network.parameters()) == sum(weights) + 21 * 9 * stem + 64 * original.num_features


def test_the_frozen_variant_trains_no_bias_and_no_feature() -> None:
    encoder, network = make_networks("frozen_lite", 4, 8)
    assert constants(network) == []
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(isinstance(m, nn.BatchNorm2d) and m.training for m in encoder.train().modules())
    maps = encode(encoder, torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert [tuple(m.shape) for m in maps] == [(2, 40, 8, 8), (2, 112, 4, 4), (2, 320, 2, 2)]
    mask = torch.zeros(2, 8, 8, dtype=torch.uint8)
    assert network((maps, mask)).shape == (2, 8)


@pytest.mark.parametrize("kind", ["pixels", "features"])
def test_nothing_in_nothing_out(kind: str) -> None:
    """Without biases the embedding of zeros is zero, as long as no mean has been measured."""
    if kind == "pixels":
        network, maps = V2Network(SMALL, 4, 8), [torch.full((1, 3, 64, 64), 127.5)]
    else:
        network, maps = FeatureNetwork((5, 6), 4, 8), [torch.zeros(1, 5, 64, 64), torch.zeros(1, 6, 32, 32)]
    void = torch.full((1, 64, 64), 255, dtype=torch.uint8)
    network.eval()
    with torch.no_grad():
        assert torch.equal(network((maps, void)), torch.zeros(1, 8))
        assert network((maps, torch.zeros_like(void))).abs().max() > 0
        for parameter in network.parameters():
            parameter.zero_()
        assert torch.equal(network((maps, torch.zeros_like(void))), torch.zeros(1, 8))


def test_picture_and_mask_both_reach_the_embedding() -> None:
    network = V2Network(SMALL, 4, 8).train()
    (pixels,), mask = inputs()
    with torch.no_grad():
        reference, other_mask, other_picture = (
            network(([pixels], mask)),
            network(([pixels], 3 - mask)),
            network(([255 - pixels], mask)),
        )
    assert (reference - other_mask).abs().max() > 1e-3
    assert (reference - other_picture).abs().max() > 1e-3


def test_training_mode_takes_the_statistics_of_the_batch_and_evaluation_mode_does_not() -> None:
    network = V2Network(SMALL, 4, 8)
    (pixels,), mask = inputs()
    with torch.no_grad():
        alone, in_company = (network.train()(([pixels[:n]], mask[:n]))[:1] for n in (2, 4))
        assert (alone - in_company).abs().max() > 1e-4
        alone, in_company = (network.eval()(([pixels[:n]], mask[:n]))[:1] for n in (1, 4))
        assert torch.allclose(alone, in_company, atol=1e-5)


def test_one_hot_of_void_is_zero() -> None:
    mask = torch.tensor([[[0, 2], [255, 1]]], dtype=torch.uint8)
    expected = torch.tensor([[[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [0, 0]]]], dtype=torch.float32)
    assert torch.equal(one_hot(mask, 3), expected)
    assert one_hot(torch.full((1, 2, 2), 254, dtype=torch.uint8), 255)[0, 254].all()


def test_remove_biases_leaves_plain_operations() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.BatchNorm2d(4), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 2)
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.uniform_(1, 2)
    x = torch.randn(5, 3, 2, 2)
    weight, last = layers[0].weight, layers[5].weight
    assert remove_biases(layers) is layers
    assert constants(layers) == []
    expected = F.batch_norm(F.group_norm(F.conv2d(x, weight), 2), None, None, training=True)
    expected = F.linear(F.layer_norm(expected.flatten(1), (16,)), last)
    assert torch.allclose(layers.train()(x), expected, atol=1e-6)


def test_encoding_in_pieces_changes_nothing() -> None:
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    (pixels,) = encode(Pixels(), images)
    assert pixels.dtype == torch.float32
    assert torch.equal(pixels, images.float())


def test_weights_follow_the_global_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(svdd_networks.V2_BACKBONES, "v2_b0", SMALL)
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(make_networks("v2_b0", 4, 8)[1].state_dict()["backbone.conv_stem.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert states[0].shape[1] == 3 + 4


def test_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="v2_b0, v2_s, v2_m, frozen_lite"):
        make_networks("resnet50", 4, 8)
