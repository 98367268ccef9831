"""Items padded to a common number of outcomes: the same numbers as items of their own size, and nothing from the
padding.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from segqc import gumbel as g

SIZES = (1, 2, 5, 3)
K_MAX = 7


def padded_levels() -> g.Levels:
    """One item a size, at four different levels, t = 0 among them."""
    return g.Levels(torch.tensor([0.4, -torch.inf, -1.0, 2.0]), torch.tensor([1.0, 1.0, 2.0, 5.0]), torch.tensor(SIZES))


def single(levels: g.Levels, i: int) -> g.Levels:
    return g.Levels(levels.logit_keep[i : i + 1], levels.temperature[i : i + 1])


def onehot() -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([0, 1, 3, 2]), K_MAX).float()


def noise() -> Tensor:
    return g.sample_exponential((len(SIZES), K_MAX), torch.Generator().manual_seed(3))


def sampled(levels: g.Levels, x: Tensor, exponential: Tensor) -> tuple[Tensor, Tensor]:
    log_a = g.log_location(x, levels)
    return log_a, g.sample_expconcrete(log_a, levels, exponential)


def network_output(size: int) -> Tensor:
    return torch.linspace(-1, 2, K_MAX)[None, :size]


CALCULATIONS: dict[str, Callable[[g.Levels, Tensor, Tensor], Tensor]] = {
    "location": lambda levels, x, e: g.log_location(x, levels).exp(),
    "sample": lambda levels, x, e: sampled(levels, x, e)[1].exp(),
    "target": lambda levels, x, e: g.eps_target(sampled(levels, x, e)[1], g.log_location(x, levels), levels),
    "score": lambda levels, x, e: g.analytic_score(sampled(levels, x, e)[1], g.log_location(x, levels), levels),
    "input": lambda levels, x, e: g.centred_input(sampled(levels, x, e)[1], levels),
    "posterior score": lambda levels, x, e: g.score_from_posterior(
        g.log_softmax_from_eps(network_output(x.shape[1]).expand(x.shape), levels), sampled(levels, x, e)[1], levels
    ),
    "likelihood": lambda levels, x, e: torch.softmax(g.log_class_likelihood(sampled(levels, x, e)[1], levels), 1),
}


@pytest.mark.parametrize("name", CALCULATIONS)
def test_padding_changes_nothing_and_gets_nothing(name: str) -> None:
    levels, padded = padded_levels(), CALCULATIONS[name](padded_levels(), onehot(), noise())
    for i, size in enumerate(SIZES):
        alone = CALCULATIONS[name](single(levels, i), onehot()[i : i + 1, :size], noise()[i : i + 1, :size])
        assert torch.allclose(padded[i, :size], alone[0], rtol=1e-5, atol=1e-6), size
        assert (padded[i, size:] == 0).all()


@pytest.mark.parametrize("loss", ["kl", "weighted kl", "mse"])
def test_losses_of_padded_items_are_those_of_their_own_size(loss: str) -> None:
    def of(levels: g.Levels, x: Tensor, e: Tensor) -> Tensor:
        log_a, x_tilde = sampled(levels, x, e)
        log_q = g.log_softmax_from_eps(network_output(x.shape[1]).expand(x.shape), levels)
        target = g.eps_target(x_tilde, log_a, levels)
        return (
            g.mse_loss(log_q, target, levels)
            if loss == "mse"
            else g.kl_loss(log_q, target, levels, weighted=loss == "weighted kl")
        )

    levels, padded = padded_levels(), of(padded_levels(), onehot(), noise())
    for i, size in enumerate(SIZES):
        alone = of(single(levels, i), onehot()[i : i + 1, :size], noise()[i : i + 1, :size])
        assert torch.allclose(padded[i], alone[0], rtol=1e-4, atol=1e-6), size


def test_score_of_padded_items_is_the_gradient_of_the_log_density() -> None:
    levels = padded_levels()
    log_a, x_tilde = sampled(levels, onehot(), noise())
    score = g.analytic_score(x_tilde, log_a, levels)
    for i, size in enumerate(SIZES):
        x = x_tilde[i, :size].double().requires_grad_(True)
        z = log_a[i, :size].double() - float(levels.temperature[i]) * x
        (z.sum() - size * torch.logsumexp(z, 0)).backward()
        assert torch.allclose(score[i, :size].double(), x.grad, atol=1e-4)


def test_gradients_through_padding_are_finite() -> None:
    levels = padded_levels()
    log_a, x_tilde = sampled(levels, onehot(), noise())
    eps = torch.zeros(len(SIZES), K_MAX, requires_grad=True)
    g.kl_loss(g.log_softmax_from_eps(eps, levels), g.eps_target(x_tilde, log_a, levels), levels).sum().backward()
    assert torch.isfinite(eps.grad).all()
    assert (eps.grad[0] == 0).all()  # one real outcome: nothing to learn


def test_class_likelihood_is_the_density_as_a_function_of_the_class() -> None:
    size = 5
    levels = g.Levels(torch.tensor([-1.0, 0.5, 3.0]), torch.tensor([1.0, 2.0, 1.0]))
    x = torch.nn.functional.one_hot(torch.tensor([0, 4, 2]), size).float()
    _, x_tilde = sampled(levels, x, g.sample_exponential((3, size), torch.Generator().manual_seed(0)))
    density = []
    for c in range(size):
        log_a = g.log_location(torch.eye(size)[c].expand(3, size), levels).double()
        z = log_a - levels.temperature[:, None] * x_tilde.double()
        density.append(z.sum(1) - size * torch.logsumexp(z, 1))
    expected = torch.log_softmax(torch.stack(density, 1), 1)
    assert torch.allclose(torch.log_softmax(g.log_class_likelihood(x_tilde, levels).double(), 1), expected, atol=1e-4)
