"""Blocks of the network, each against its formula."""

import math

import pytest
import torch
from torch.nn import functional as F

from ncsnpp.layers import Attention, LevelEmbedding, ResBlock, group_norm


def perturb(module: torch.nn.Module) -> torch.nn.Module:
    """Move every parameter away from its zero initialisation."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def test_embedding_frequencies_are_the_same_in_every_network_and_saved():
    torch.manual_seed(3)
    first = LevelEmbedding(8, scale=0.25)
    torch.manual_seed(4)
    second = LevelEmbedding(8, scale=0.25)
    assert torch.equal(first.frequencies, second.frequencies)
    assert "frequencies" in first.state_dict()
    assert LevelEmbedding(600, scale=0.25).frequencies.std().item() == pytest.approx(0.25, rel=0.1)


def test_embedding_tells_the_levels_of_a_ladder_apart_and_nearby_levels_less():
    embedding = LevelEmbedding(64, scale=0.25)
    ladder = embedding(torch.tensor([-9.2, -6.5, -5.0, -3.5, -2.0, 0.0, 2.0]))
    distance = torch.cdist(ladder, ladder) + torch.eye(7) * 1e9
    near = torch.dist(*embedding(torch.tensor([-5.0, -4.98])))
    assert distance.min() > 10 * near > 0


def test_embedding_computes_in_float32_under_autocast():
    embedding = LevelEmbedding(8, scale=16.0)
    level = torch.tensor([-9.2103])
    with torch.autocast("cpu", torch.bfloat16):
        low = embedding(level)
    torch.testing.assert_close(low.float(), embedding(level), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("channels", [1, 3, 6, 21, 48, 100, 256, 352])
def test_group_norm_takes_any_width(channels):
    norm = group_norm(channels)
    assert channels % norm.num_groups == 0
    assert norm.num_groups <= 32
    assert channels / norm.num_groups >= min(channels, 4)


@pytest.mark.parametrize("resample", [None, "down", "up"])
@pytest.mark.parametrize("film", [False, True])
def test_block_starts_as_its_shortcut(resample, film):
    block = ResBlock(8, 8, embedding=16, film=film, resample=resample)
    x = torch.randn(2, 8, 6, 6)
    shortcut = block.shortcut(block.down(x) if block.down else block.up(x) if block.up else x)
    torch.testing.assert_close(block(x, torch.randn(2, 16)), shortcut / math.sqrt(2))


@pytest.mark.parametrize("film", [False, True])
def test_block_follows_its_formula(film):
    block = perturb(ResBlock(6, 8, embedding=5, film=film))
    x, e = torch.randn(2, 6, 5, 7), torch.randn(2, 5)
    h = block.conv0(F.silu(block.norm0(x)))
    level = (e @ block.level.weight.T + block.level.bias)[..., None, None]
    h = block.norm1(h) * (1 + level[:, :8]) + level[:, 8:] if film else block.norm1(h + level)
    expected = (block.shortcut(x) + block.conv1(F.silu(h))) / math.sqrt(2)
    torch.testing.assert_close(block(x, e), expected)


def test_block_returns_to_an_odd_size():
    down, up = ResBlock(8, 8, None, resample="down"), ResBlock(8, 8, None, resample="up")
    assert up(down(torch.zeros(1, 8, 5, 9)), size=(5, 9)).shape == (1, 8, 5, 9)


def test_dropout_acts_in_training_only():
    block = perturb(ResBlock(8, 8, None, dropout=0.5))
    x = torch.randn(1, 8, 6, 6)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_softmax_of_scaled_products(heads):
    attention = perturb(Attention(8, heads))
    x = torch.randn(2, 8, 3, 5)
    q, k, v = attention.query_key_value(attention.norm(x)).flatten(2).chunk(3, dim=1)
    mixed = []
    for n in range(heads):
        part = slice(n * 8 // heads, (n + 1) * 8 // heads)
        weight = torch.softmax(torch.einsum("bcq,bck->bqk", q[:, part], k[:, part]) / math.sqrt(8 / heads), dim=-1)
        mixed.append(torch.einsum("bqk,bck->bcq", weight, v[:, part]))
    expected = (x + attention.output(torch.cat(mixed, dim=1).view_as(x))) / math.sqrt(2)
    torch.testing.assert_close(attention(x), expected)


def test_attention_heads_must_divide():
    with pytest.raises(ValueError, match="heads"):
        Attention(8, heads=3)
