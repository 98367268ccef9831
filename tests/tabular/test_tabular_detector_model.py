"""Layout, views and models of tables against loops, autograd and distributions that are known."""

import math

import numpy as np
import pytest
import torch

from segqc import gumbel
from segqc.tabular.encoding import Encoded
from segqc.tabular.network.models import Batch, MixingModel, PaperModel
from segqc.tabular.network.ragged import RaggedLayout
from segqc.tabular.network.training import TrainingConfig, train
from segqc.tabular.network.views import half_views
from segqc.tabular.scoring.batches import BLOCK, by_distinct, in_blocks
from segqc.tabular.scoring.mixing import network_surprise
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


def test_flat_undoes_padded_and_slots_know_their_column() -> None:
    layout = RaggedLayout(SIZES)
    flat = torch.arange(2 * SIZES.sum()).reshape(2, -1).float()
    assert torch.equal(layout.flat(layout.padded(flat)), flat)
    assert layout.per_slot(torch.arange(4)[None])[0].tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 3]


def test_evidence_of_clear_cells_is_their_outcome_and_of_hidden_ones_nothing() -> None:
    layout = RaggedLayout(SIZES)
    codes = torch.tensor([[2, 0, 4, 1]])
    for logit_keep, expected in ((9.0, layout.clean_evidence(codes)), (-math.inf, torch.zeros(1, SIZES.sum()))):
        levels = layout.levels(torch.full((1, 4), logit_keep))
        log_a = gumbel.log_location(layout.one_hot(codes), levels)
        x_tilde = gumbel.sample_expconcrete(log_a, levels, torch.ones(4, 5))
        assert torch.allclose(layout.evidence(gumbel.log_class_likelihood(x_tilde, levels)), expected, atol=1e-3)


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 33])
@pytest.mark.parametrize("views", [1, 3, 9])
def test_views_hide_half_and_weigh_every_column_alike(columns: int, views: int) -> None:
    hidden, weights = half_views(columns, views, seed=1)
    assert set((~hidden).sum(1).tolist()) == {columns // 2}
    assert hidden.any(0).all()
    assert (weights[~hidden] == 0).all()
    assert np.allclose(weights.sum(0), 1)
    assert len(hidden) >= min(views, columns)
    assert np.array_equal(half_views(columns, views, 1)[0], hidden)


JOINT = np.array([[0.4, 0.1], [0.05, 0.45]])
CELLS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
# p(a | b), p(b | a) of CELLS
CONDITIONALS = np.stack([(JOINT / JOINT.sum(0)).ravel(), (JOINT / JOINT.sum(1, keepdims=True)).ravel()], axis=1)


def test_two_columns_are_judged_given_each_other() -> None:
    class Truth(MixingModel):
        def view_surprise(self, batch: Batch, hidden: torch.Tensor) -> torch.Tensor:
            a, b = batch.codes.numpy().T
            assert int(hidden.sum()) == 1
            return (
                torch.as_tensor(-np.log(CONDITIONALS[2 * a + b])).masked_fill(~hidden, math.inf).nan_to_num(posinf=99.0)
            )

    found = network_surprise(Truth(np.array([2, 2]), NO_NUMBERS, 4, 1, 0.0), encoded(CELLS), *half_views(2, 1, seed=0))
    assert np.allclose(found, -np.log(CONDITIONALS))


def test_trained_on_a_known_joint_the_model_finds_its_conditionals() -> None:
    cells = np.random.default_rng(0).choice(4, 4000, p=JOINT.ravel())
    rows = encoded(np.stack([cells // 2, cells % 2], 1))
    torch.manual_seed(0)
    model = MixingModel(np.array([2, 2]), NO_NUMBERS, 16, 1, 0.0)
    train(model, rows, rows, TrainingConfig(steps=300, batch_size=128, learning_rate=1e-2), seed=0)
    found = network_surprise(model, encoded(CELLS), *half_views(2, 1, seed=0))
    assert np.allclose(np.exp(-found), CONDITIONALS, atol=0.06)


def test_the_untrained_model_says_the_marginals() -> None:
    model = MixingModel(SIZES, NO_NUMBERS, 8, 2, 0.0).eval()
    marginals = np.concatenate([np.arange(1, size + 1) / np.arange(1, size + 1).sum() for size in SIZES])
    model.set_marginals(marginals)
    codes = torch.tensor([[2, 0, 4, 1], [0, 0, 0, 0]])
    surprise = model.view_surprise(Batch(codes, torch.zeros(2, 0)), torch.tensor([True, False, True, True]))
    assert torch.allclose(surprise[0], -torch.tensor([3 / 6, 1.0, 5 / 15, 2 / 3]).log(), atol=1e-6)


def test_a_hidden_column_is_not_seen() -> None:
    torch.manual_seed(0)
    model = MixingModel(np.array([4, 4, 3]), np.array([2]), 16, 2, 0.0).eval()
    torch.nn.init.normal_(model.network.head.weight)
    codes = torch.tensor([[0, 1, 0]]).repeat(4, 1)
    codes[:, 0] = torch.arange(4)
    numbers = torch.tensor([[0.0], [1.0], [5.0], [-3.0]])
    hidden = torch.tensor([True, False, True])
    assert model.view_surprise(Batch(codes, numbers), hidden)[:, 1].unique().numel() == 1
    assert model.view_surprise(Batch(codes, numbers), ~hidden)[:, 1].unique().numel() == 4


def test_a_missing_number_is_neither_seen_nor_scored() -> None:
    torch.manual_seed(0)
    model = MixingModel(np.array([4, 3]), np.array([1]), 16, 2, 0.0).eval()
    torch.nn.init.normal_(model.network.head.weight)
    surprise = model.view_surprise(
        Batch(torch.tensor([[0, 1], [0, 1]]), torch.tensor([[0.0], [7.0]])), torch.tensor([True, False])
    )
    assert torch.equal(surprise[0], surprise[1])


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
