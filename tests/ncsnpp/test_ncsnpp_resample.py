"""FIR resampling against the definition of upfirdn, and the rules for sizes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ncsnpp.resample import FIRDownsample, FIRUpsample, depth_to_space, half, resize, space_to_depth

SIZES = [(8, 8), (7, 7), (37, 53), (1, 1), (1, 6), (2, 5)]


def upfirdn(
    image: np.ndarray, kernel: np.ndarray, up: int, down: int, pad: tuple[tuple[int, int], tuple[int, int]]
) -> np.ndarray:
    """Insert zeros, pad, correlate, decimate; one channel, by loops."""
    inserted = np.zeros((image.shape[0] * up, image.shape[1] * up))
    inserted[::up, ::up] = image
    padded = np.pad(inserted, pad)
    rows, columns = padded.shape[0] - kernel.shape[0] + 1, padded.shape[1] - kernel.shape[1] + 1
    filtered = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            window = padded[row : row + kernel.shape[0], column : column + kernel.shape[1]]
            filtered[row, column] = (window * kernel[::-1, ::-1]).sum()
    return filtered[::down, ::down]


KERNEL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@pytest.mark.parametrize("size", SIZES)
def test_downsampling_is_upfirdn(size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    out = FIRDownsample()(x)
    assert out.shape[-2:] == half(size)
    pad = tuple((1, 1 + side % 2) for side in size)
    for item, expected_item in zip(out.flatten(0, 1), x.flatten(0, 1), strict=True):
        np.testing.assert_allclose(
            item, upfirdn(expected_item.double().numpy(), KERNEL, up=1, down=2, pad=pad), atol=1e-6
        )


@pytest.mark.parametrize("size", SIZES)
def test_upsampling_is_upfirdn_with_gain_four(size):
    x = torch.randn(2, 3, *half(size), generator=torch.Generator().manual_seed(0))
    out = FIRUpsample()(x, size)
    assert out.shape[-2:] == size
    for item, source in zip(out.flatten(0, 1), x.flatten(0, 1), strict=True):
        expected = upfirdn(source.double().numpy(), 4 * KERNEL, up=2, down=1, pad=((2, 1), (2, 1)))
        assert expected.shape == (2 * half(size)[0], 2 * half(size)[1])
        np.testing.assert_allclose(item, expected[: size[0], : size[1]], atol=1e-6)


def test_upsampling_without_a_size_doubles():
    assert FIRUpsample()(torch.zeros(1, 2, 3, 5)).shape == (1, 2, 6, 10)


def test_a_constant_survives_both_ways_inside():
    x = torch.full((1, 1, 12, 12), 2.5)
    torch.testing.assert_close(FIRDownsample()(x)[..., 1:-1, 1:-1], x[..., :4, :4])
    torch.testing.assert_close(FIRUpsample()(x)[..., 1:-1, 1:-1], x.new_full((1, 1, 22, 22), 2.5))


def test_upsampling_is_four_times_the_adjoint_of_downsampling():
    x, y = torch.randn(1, 2, 8, 6), torch.randn(1, 2, 4, 3)
    torch.testing.assert_close(4 * (FIRDownsample()(x) * y).sum(), (x * FIRUpsample()(y)).sum())


@pytest.mark.parametrize("module", [FIRDownsample(), FIRUpsample()])
def test_dtype_is_kept_with_and_without_autocast(module):
    x = torch.randn(1, 4, 8, 8)
    assert module(x.bfloat16()).dtype == torch.bfloat16
    assert module(x.double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(module(x), module(x).float())
    torch.testing.assert_close(module(x.bfloat16()).float(), module(x), atol=0.05, rtol=0.02)


@pytest.mark.parametrize("module", [FIRDownsample(), FIRUpsample()])
def test_channels_last_is_kept_and_no_weight_is_stored(module):
    x = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last)
    assert module(x).is_contiguous(memory_format=torch.channels_last)
    assert not module.state_dict()
    assert not list(module.parameters())


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 1)])
def test_space_to_depth_comes_back_for_any_size(factor, size):
    x = torch.randn(2, 3, *size)
    folded = space_to_depth(x, factor)
    assert folded.shape == (2, 3 * factor**2, -(-size[0] // factor), -(-size[1] // factor))
    assert torch.equal(depth_to_space(folded, factor, size), x)


def test_resize_averages_when_shrinking_and_leaves_equal_sizes_alone():
    x = torch.randn(1, 2, 8, 8)
    assert resize(x, (8, 8)) is x
    torch.testing.assert_close(resize(x, (4, 4)), x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)))
    assert resize(x, (13, 5)).shape[-2:] == (13, 5)
    torch.testing.assert_close(resize(torch.ones(1, 1, 3, 3), (7, 9)), torch.ones(1, 1, 7, 9))


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (8, 2), (1, 7)])
def test_resize_is_the_adaptive_average_also_as_the_exporter_sees_it(monkeypatch, size):
    x = torch.randn(2, 3, 8, 8)
    expected = F.adaptive_avg_pool2d(x, size)
    torch.testing.assert_close(resize(x, size), expected)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    torch.testing.assert_close(resize(x, size), expected)
