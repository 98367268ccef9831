"""The gradient of a batch taken apart is that of the whole batch."""

import numpy as np
import pytest
import torch
from tiny import picture, tiny_model
from torch import nn

from segqc.base.devices import make_accelerator
from segqc.gumbel import seeded_exponential
from segqc.training import gradients
from segqc.training.gradients import PART, BatchGradient
from segqc.training.samples import Batch
from segqc.training.schedule import Draw

COUNT = 2 * PART + 3  # the last part is smaller


@pytest.fixture(scope="module")
def model():
    return tiny_model("structured")


@pytest.fixture(scope="module")
def batch(model) -> Batch:
    generator = np.random.default_rng(0)
    size, classes = model.config.grid_size, model.config.num_classes
    masks = generator.integers(0, classes, (COUNT, size, size)).astype(np.uint8)
    masks[2] = 255  # void alone: its mean has no cells
    images = torch.from_numpy(np.stack([picture(number) for number in range(COUNT)]))
    draws = [Draw(number, None, number % len(model.config.ladder), number, 0) for number in range(COUNT)]
    return Batch(images, [], torch.from_numpy(masks), draws, list(range(COUNT)))


def loss_of(model):
    def loss(batch: Batch) -> torch.Tensor:
        ladder = model.config.ladder
        noise = batch.noise(model.config.num_classes, ladder, torch.device("cpu"))
        return model(batch.image_features(model), batch.masks, ladder.at([draw.level for draw in batch.draws]), noise)

    return loss


def gradient_of(model) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in model.network.parameters()]


def test_parts_hold_the_samples_once_and_in_order(batch) -> None:
    parts = batch.parts(PART)
    assert [len(part.draws) for part in parts] == [PART, PART, 3]
    assert torch.equal(torch.cat([part.masks for part in parts]), batch.masks)
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
    assert [row for part in parts for row in part.rows] == batch.rows
    assert [draw for part in parts for draw in part.draws] == batch.draws


def test_loss_and_gradient_are_those_of_the_whole_batch(model, batch) -> None:
    whole = BatchGradient(model.network, loss_of(model), make_accelerator("cpu"), whole=True)
    apart = BatchGradient(model.network, loss_of(model), make_accelerator("cpu"))
    model.network.zero_grad(set_to_none=True)
    expected_loss = whole.backward(batch)
    expected = gradient_of(model)
    model.network.zero_grad(set_to_none=True)
    assert apart.backward(batch) == pytest.approx(expected_loss, rel=1e-6)
    for own, other in zip(gradient_of(model), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-7)
    assert apart.value(batch) == pytest.approx(expected_loss, rel=1e-6)
    assert whole.value(batch) == pytest.approx(expected_loss, rel=1e-6)


def test_the_bits_do_not_depend_on_the_number_of_cores(model, batch, monkeypatch) -> None:
    found = []
    for cores in (1, 2, 3):
        monkeypatch.setattr("segqc.base.scoring.usable_cores", lambda cores=cores: cores)
        model.network.zero_grad(set_to_none=True)
        loss = BatchGradient(model.network, loss_of(model), make_accelerator("cpu")).backward(batch)
        found.append((loss, gradient_of(model)))
    for loss, gradient in found[1:]:
        assert loss == found[0][0]
        assert all(torch.equal(own, first) for own, first in zip(gradient, found[0][1], strict=True))


@pytest.mark.parametrize(("allowed", "each"), [(8, 2), (2, 2), (1, 1)])
def test_parts_share_the_cores_and_leave_the_number_of_threads_as_it_was(
    model, batch, monkeypatch, allowed, each
) -> None:
    """Two for each of three parts on six cores, where OMP_NUM_THREADS, which is PyTorch's number, allows as many."""
    monkeypatch.setattr("segqc.base.scoring.usable_cores", lambda: 6)
    seen = []
    loss = loss_of(model)

    def watched(part: Batch) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return loss(part)

    before = torch.get_num_threads()
    torch.set_num_threads(allowed)
    try:
        BatchGradient(model.network, watched, make_accelerator("cpu")).backward(batch)
        assert torch.get_num_threads() == allowed
    finally:
        torch.set_num_threads(before)
    assert seen == [each] * 3


def test_what_draws_from_one_generator_stays_whole(batch, monkeypatch) -> None:
    monkeypatch.setattr(gradients, "side_by_side", lambda *_: pytest.fail("taken apart"))
    network = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.1))
    parts = []

    def loss(part: Batch) -> torch.Tensor:
        parts.append(len(part.draws))
        return network(seeded_exponential((5, 3), 0, torch.device("cpu"))).mean()

    gradient = BatchGradient(network, loss, make_accelerator("cpu"))
    gradient.backward(batch)
    gradient.value(batch)
    assert parts == [COUNT, COUNT]


def test_a_parameter_that_a_loss_does_not_use_has_a_gradient_of_zero(batch) -> None:
    network = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])

    def loss(part: Batch) -> torch.Tensor:
        return network[0](torch.ones(len(part.draws), 2)).mean()

    BatchGradient(network, loss, make_accelerator("cpu")).backward(batch)
    assert torch.equal(network[0].weight.grad, torch.ones(1, 2))
    assert torch.equal(network[1].weight.grad, torch.zeros(1, 2))
