"""Normalisation as it is computed in training, against PyTorch's."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncsnpp.normalisation import GroupNorm, norm_swish


def norm_of(channels: int, groups: int, dtype: torch.dtype) -> GroupNorm:
    norm = GroupNorm(groups, channels, eps=1e-6)
    nn.init.normal_(norm.weight, 1.0)
    nn.init.normal_(norm.bias)
    return norm.to(dtype)


def by_pytorch(norm: GroupNorm, x: Tensor, film: Tensor | None) -> Tensor:
    h = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    if film is not None:
        h = h * (1 + film[:, : x.shape[1], None, None]) + film[:, x.shape[1] :, None, None]
    return F.silu(h)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(3, 12, 5, 7), (1, 4, 1, 1), (2, 6, 8, 8)])
@pytest.mark.parametrize("with_film", [False, True])
def test_values_and_gradients_are_those_of_pytorch(shape, memory_format, with_film):
    torch.manual_seed(0)
    norm = norm_of(shape[1], 2, torch.float64)
    x = (3 * torch.randn(shape, dtype=torch.float64) + 5).to(memory_format=memory_format).requires_grad_()
    film = torch.randn(shape[0], 2 * shape[1], dtype=torch.float64, requires_grad=True) if with_film else None
    inputs = [t for t in (x, film, norm.weight, norm.bias) if t is not None]
    found, expected = norm_swish(norm, x, film), by_pytorch(norm, x, film)
    torch.testing.assert_close(found, expected)
    arriving = torch.randn_like(expected)
    for own, reference in zip(
        torch.autograd.grad(found, inputs, arriving), torch.autograd.grad(expected, inputs, arriving), strict=True
    ):
        torch.testing.assert_close(own, reference)


def test_without_swish_it_is_group_norm():
    torch.manual_seed(0)
    norm = norm_of(8, 4, torch.float64)
    x = torch.randn(2, 8, 3, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(norm(x), F.group_norm(x, 4, norm.weight, norm.bias, norm.eps))
    assert torch.autograd.gradcheck(norm, (x,))


def test_bfloat16_rounds_once_and_stays_channels_last():
    torch.manual_seed(0)
    norm = norm_of(32, 8, torch.float32)
    x = torch.randn(2, 32, 6, 6).to(torch.bfloat16, memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = norm_swish(norm, x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), by_pytorch(norm, x.float(), None), atol=1e-6, rtol=2**-8)
    (gradient,) = torch.autograd.grad(found.float().sum(), x)
    assert gradient.dtype == torch.bfloat16
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_a_network_that_is_not_trained_uses_pytorchs_kernel():
    norm = norm_of(8, 2, torch.float32)
    x = torch.randn(2, 8, 4, 4)
    with torch.inference_mode():
        assert torch.equal(norm(x), F.group_norm(x, 2, norm.weight, norm.bias, norm.eps))
    assert list(norm.state_dict()) == list(nn.GroupNorm(2, 8).state_dict())
