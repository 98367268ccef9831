"""Layout and model of tables against loops, autograd and distributions that are known."""

import math

import numpy as np
import torch

from segqc.tabular.encoding import Encoded
from segqc.tabular.network.models import Batch, PaperModel
from segqc.tabular.network.ragged import RaggedLayout
from segqc.tabular.scoring.batches import BLOCK, by_distinct, in_blocks
from segqc.tabular.scoring.paper import level_norms

SIZES = np.array([3, 1, 5, 2])
NO_NUMBERS = np.empty(0, np.int64)


def encoded(codes: np.ndarray) -> Encoded:
    return Encoded(np.asarray(codes, np.int64), np.empty((len(codes), 0), np.float32))


def test_padded_log_softmax_is_a_loop_over_the_columns() -> None:
    layout = RaggedLayout(SIZES)
    flat = torch.randn(6, SIZES.sum(), generator=torch.Generator().manual_seed(0))
    together = layout.flat(torch.log_softmax(layout.padded(flat, -1e30), dim=1))
    apart = torch.cat([torch.log_softmax(part, dim=1) for part in flat.split(SIZES.tolist(), dim=1)], dim=1)
    assert torch.allclose(together, apart, atol=1e-6)


def test_flat_undoes_padded() -> None:
    layout = RaggedLayout(SIZES)
    flat = torch.arange(2 * SIZES.sum()).reshape(2, -1).float()
    assert torch.equal(layout.flat(layout.padded(flat)), flat)


def test_paper_norms_are_those_of_the_network_column_by_column() -> None:
    """One column at a time, with the unpadded functions."""
    torch.manual_seed(0)
    model = PaperModel(SIZES, NO_NUMBERS, 16, 1, 0.0).eval()
    torch.nn.init.normal_(model.network.head.weight)
    codes = torch.tensor([[2, 0, 4, 1], [0, 0, 1, 0]])
    norms = level_norms(model, encoded(codes.numpy()))
    for i, temperature in ((0, 2.0), (19, 20.0)):
        cells = [torch.nn.functional.one_hot(codes[:, j], int(size)).double() for j, size in enumerate(SIZES)]
        clean = torch.cat(
            [((x + 1e-5) / (1 + x.shape[1] * 1e-5)).log().clamp_min(math.log(1e-5)) for x in cells], 1
        ).float()
        eps = model.network(clean, torch.full((2, 1), math.log(temperature))).split(SIZES.tolist(), 1)
        for j, size in enumerate(SIZES):
            score = -temperature + temperature * float(size) * torch.softmax(eps[j], 1)
            assert np.allclose(norms[:, i, j], score.square().sum(1).detach().numpy(), rtol=1e-3, atol=1e-3), (i, j)


def test_paper_loss_is_the_divergence_of_the_columns() -> None:
    """An untrained network says softmax(eps) = uniform; the target is a Dirichlet(1) draw, whose mean divergence from
    the uniform is known.
    """
    model = PaperModel(np.array([4]), NO_NUMBERS, 8, 1, 0.0)
    torch.nn.init.zeros_(model.network.head.weight)
    loss = model.loss(
        Batch(torch.zeros(20000, 1, dtype=torch.int64), torch.zeros(20000, 0)), torch.Generator().manual_seed(0)
    ).mean()
    harmonic = sum(1 / k for k in range(2, 5))
    # E sum q log q = psi(2) - psi(K + 1) = -(1/2 + ... + 1/K)
    assert abs(float(loss.detach()) - (math.log(4) - harmonic)) < 0.01


def test_blocks_have_one_shape_and_repeated_rows_are_computed_once() -> None:
    seen = []

    def compute(batch: Batch) -> torch.Tensor:
        seen.append(len(batch))
        return batch.codes[:, 0].float()

    codes = np.arange(2 * BLOCK + 1)[:, None].repeat(2, 1)
    rows = encoded(np.concatenate([codes, codes]))
    assert np.array_equal(
        by_distinct(rows, lambda part: in_blocks(part, torch.device("cpu"), compute)), rows.codes[:, 0]
    )
    assert seen == [BLOCK] * 3
