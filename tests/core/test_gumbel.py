"""The Gumbel core against autograd of the log-density, brute-force sums and simulation."""

import math
from itertools import pairwise

import pytest
import torch
from scipy.stats import kstest
from torch.distributions import Dirichlet

from segqc import gumbel as g

K = 21


def levels_of(keep: list[float], temperature: list[float]) -> g.Levels:
    return g.NoiseLadder(tuple(keep), tuple(temperature)).all()


def random_onehot(n: int, k: int, *shape: int, seed: int = 0) -> torch.Tensor:
    labels = torch.randint(0, k, (n, *shape), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.one_hot(labels, k).movedim(-1, 1).float()


def log_density(x_tilde: torch.Tensor, log_a: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation (8) of the paper, up to a constant, summed over everything."""
    z = log_a - temperature * x_tilde
    return (z.sum(1) - x_tilde.shape[1] * torch.logsumexp(z, 1)).sum()


@pytest.mark.parametrize("temperature", [0.1, 1.0, 2.0, 7.3, 20.0])
@pytest.mark.parametrize("keep", [0.0, 0.0015, 0.19, g.keep_from_delta(1e-5, K)])
def test_analytic_score_is_the_gradient_of_the_log_density(temperature: float, keep: float) -> None:
    onehot = random_onehot(3, K, 4, 5)
    levels = levels_of([keep] * 3, [temperature] * 3)
    log_a = g.log_location(onehot, levels)
    x_tilde = g.sample_expconcrete(log_a, levels, g.sample_exponential(onehot.shape, torch.Generator().manual_seed(1)))
    exact = x_tilde.double().requires_grad_(True)
    log_density(exact, log_a.double(), temperature).backward()
    assert torch.allclose(
        g.analytic_score(x_tilde, log_a, levels).double(), exact.grad, rtol=1e-4, atol=1e-3 * temperature
    )


def test_location_is_the_papers_up_to_scale() -> None:
    onehot = random_onehot(2, K, 6)
    levels = g.paper_ladder(K).at([0, 19])
    paper = torch.log((onehot.double() + 1e-5) / (1 + K * 1e-5))
    assert torch.allclose(g.log_location(onehot, levels).double(), paper, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999999])
def test_location_is_a_distribution_and_void_is_uniform(keep: float) -> None:
    onehot = random_onehot(1, 5, 7)
    onehot[..., 3] = 0
    log_a = g.log_location(onehot, levels_of([keep], [1.0]))
    assert torch.isfinite(log_a).all()
    assert torch.allclose(log_a.exp().sum(1), torch.ones(1, 7), atol=1e-5)
    assert torch.allclose(log_a[..., 3], torch.full((1, 5), -math.log(5)))


def test_paper_ladder_is_geometric_from_2_to_20() -> None:
    temperature = g.paper_ladder(K).temperature
    assert len(temperature) == 20
    assert temperature[0] == pytest.approx(2)
    assert temperature[-1] == pytest.approx(20)
    assert {round(b / a, 9) for a, b in pairwise(temperature)} == {round(10 ** (1 / 19), 9)}
    assert set(g.paper_ladder(K).keep) == {1 / (1 + K * 1e-5)}


def test_softmax_of_eps_is_a_flat_dirichlet_whatever_the_level() -> None:
    """The fact that all temperatures carry the same information: softmax(eps) = E/sum(E)."""
    noise = g.sample_exponential((1, 4, 200_000), torch.Generator().manual_seed(3))
    expected = Dirichlet(torch.ones(4))
    for keep, temperature in [
        (0.0, 1.0),
        (0.19, 1.0),
        (g.keep_from_delta(1e-5, 4), 2.0),
        (g.keep_from_delta(1e-5, 4), 20.0),
    ]:
        levels = levels_of([keep], [temperature])
        log_a = g.log_location(random_onehot(1, 4, 200_000), levels)
        q = torch.softmax(g.eps_target(g.sample_expconcrete(log_a, levels, noise), log_a, levels), 1)
        assert torch.allclose(q, noise / noise.sum(1, keepdim=True), atol=2e-4)
        assert torch.allclose(q.mean((0, 2)), expected.mean, atol=3e-3)
        assert torch.allclose(q.var((0, 2)), expected.variance, atol=2e-3)


@pytest.mark.parametrize("keep", [0.0, 0.0015, 0.19, 0.8])
def test_argmax_keeps_the_class_with_the_stated_probability(keep: float) -> None:
    onehot = random_onehot(1, K, 100_000)
    levels = levels_of([keep], [1.0])
    x_tilde = g.sample_expconcrete(
        g.log_location(onehot, levels), levels, g.sample_exponential(onehot.shape, torch.Generator().manual_seed(4))
    )
    kept = (x_tilde.argmax(1) == onehot.argmax(1)).float().mean().item()
    stated = keep + (1 - keep) / K
    assert kept == pytest.approx(stated, abs=5 * math.sqrt(stated * (1 - stated) / 100_000))


def test_seeded_noise_is_exponential_and_a_function_of_its_seed() -> None:
    noise = g.seeded_exponential((3, 50_000), seed=8)
    assert noise.dtype == torch.float32
    assert kstest(noise.flatten().numpy(), "expon").pvalue > 1e-3
    assert torch.equal(g.seeded_exponential((3, 50_000), seed=8), noise)
    assert not torch.equal(g.seeded_exponential((3, 50_000), seed=9), noise)
    assert noise.min() > 0


def test_temperature_carries_no_information() -> None:
    """x~ at temperature l, multiplied by l and renormalised, is x~ at temperature 1 for the same noise."""
    onehot = random_onehot(1, K, 50)
    noise = g.sample_exponential(onehot.shape, torch.Generator().manual_seed(5))
    one, twenty = levels_of([0.3], [1.0]), levels_of([0.3], [20.0])
    a, b = (g.sample_expconcrete(g.log_location(onehot, lv), lv, noise) for lv in (one, twenty))
    assert torch.allclose(torch.log_softmax(20 * b, 1), a, atol=1e-4)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("keep", [0.0, 0.0015, 0.19, 0.9, g.keep_from_delta(1e-5, 7)])
def test_posterior_score_equals_the_brute_force_sum_over_classes(keep: float, temperature: float) -> None:
    k = 7
    levels = levels_of([keep] * 2, [temperature] * 2)
    onehot = random_onehot(2, k, 11)
    x_tilde = g.sample_expconcrete(
        g.log_location(onehot, levels), levels, g.sample_exponential(onehot.shape, torch.Generator().manual_seed(6))
    )
    posterior = torch.softmax(3 * torch.randn(2, k, 11, generator=torch.Generator().manual_seed(7)), 1)
    expected = torch.zeros_like(x_tilde, dtype=torch.float64)
    for c in range(k):
        candidate = torch.zeros_like(onehot)
        candidate[:, c] = 1
        a = keep * candidate.double() + (1 - keep) / k
        eps = a.log() - temperature * x_tilde.double()
        expected += posterior[:, c : c + 1].double() * (-temperature + temperature * k * torch.softmax(eps, 1))
    assert torch.allclose(
        g.score_from_posterior(posterior.log(), x_tilde, levels).double(), expected, rtol=1e-4, atol=2e-4 * temperature
    )


def test_the_true_posterior_minimises_both_the_score_loss_and_the_cross_entropy() -> None:
    """At t with a known prior, Bayes' posterior beats perturbed ones under every loss."""
    k, n = 4, 60_000
    generator = torch.Generator().manual_seed(8)
    prior = torch.tensor([0.6, 0.2, 0.15, 0.05])
    labels = torch.multinomial(prior, n, replacement=True, generator=generator)
    onehot = torch.nn.functional.one_hot(labels, k).T[None].float()
    levels = levels_of([0.25], [1.0])
    log_a = g.log_location(onehot, levels)
    x_tilde = g.sample_expconcrete(log_a, levels, g.sample_exponential(onehot.shape, generator))
    target = g.eps_target(x_tilde, log_a, levels)
    log_e = torch.log_softmax(-x_tilde, 1)
    weight = k * 0.25 / 0.75
    # p(x~ | c) is proportional to a_c / D_c^K with a_c = 1 + B at c
    log_bayes = torch.log_softmax(prior.log()[None, :, None] - k * torch.log1p(weight * log_e.exp()), 1)
    for other in (
        torch.full_like(log_bayes, -math.log(k)),
        torch.log_softmax(0.5 * log_bayes, 1),
        torch.log_softmax(2 * log_bayes, 1),
    ):
        for loss in (
            lambda p: g.surprise(p, onehot),
            lambda p: g.mse_loss(g.log_softmax_from_posterior(p, x_tilde, levels), target, levels),
            lambda p: g.kl_loss(g.log_softmax_from_posterior(p, x_tilde, levels), target, levels),
        ):
            assert loss(log_bayes).mean() < loss(other).mean()


def test_losses_against_their_formulas() -> None:
    levels = levels_of([0.1, 0.2], [2.0, 20.0])
    log_q = torch.log_softmax(torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(9)), 1)
    eps = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(10))
    p, q = torch.softmax(eps, 1), log_q.exp()
    squared = torch.tensor([2.0, 20.0]).square()[:, None] * 25
    assert torch.allclose(g.mse_loss(log_q, eps, levels), squared * (q - p).square().sum(1), rtol=1e-5)
    kl = (p * (p.log() - log_q)).sum(1)
    assert torch.allclose(g.kl_loss(log_q, eps, levels), kl, atol=1e-6)
    assert torch.allclose(g.kl_loss(log_q, eps, levels, weighted=True), squared * kl, rtol=1e-4)
    assert torch.allclose(g.mse_loss(torch.log_softmax(eps, 1), eps, levels), torch.zeros(2, 3), atol=1e-6)
    # the squared score difference is exactly the MSE loss
    difference = g.score_from_log_softmax(log_q, levels) - g.score_from_log_softmax(torch.log_softmax(eps, 1), levels)
    assert torch.allclose(g.score_norm(difference), g.mse_loss(log_q, eps, levels), rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("keep", [0.0, 1e-6, 0.5, g.keep_from_delta(1e-5, 256), 1 - 1e-9])
def test_everything_is_finite_at_the_extremes(temperature: float, keep: float) -> None:
    onehot = random_onehot(2, 256, 9)
    levels = levels_of([keep] * 2, [temperature] * 2)
    noise = torch.stack([torch.full((256, 9), 1e-20), torch.full((256, 9), 80.0)])
    noise[:, ::2] = 1.0
    log_a = g.log_location(onehot, levels)
    x_tilde = g.sample_expconcrete(log_a, levels, noise)
    certain = torch.log_softmax(1e4 * onehot, 1)
    log_q = g.log_softmax_from_posterior(certain, x_tilde, levels)
    target = g.eps_target(x_tilde, log_a, levels)
    for value in (
        x_tilde,
        log_q,
        g.analytic_score(x_tilde, log_a, levels),
        g.mse_loss(log_q, target, levels),
        g.kl_loss(log_q, target, levels),
        g.centred_input(x_tilde, levels),
        g.log_input(x_tilde),
        g.keep_condition(levels),
        g.temperature_condition(levels),
    ):
        assert torch.isfinite(value).all()
    assert g.centred_input(x_tilde, levels).abs().max() <= 15 / 4


def test_at_keep_zero_the_sample_does_not_depend_on_the_class() -> None:
    levels = levels_of([0.0], [1.0])
    noise = g.sample_exponential((1, K, 8), torch.Generator().manual_seed(11))
    a, b = (g.sample_expconcrete(g.log_location(random_onehot(1, K, 8, seed=s), levels), levels, noise) for s in (1, 2))
    assert torch.equal(a, b)


def test_bfloat16_inputs_are_computed_in_float32() -> None:
    levels = levels_of([0.1], [2.0])
    eps = torch.randn(1, K, 6, generator=torch.Generator().manual_seed(12)).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_q = g.log_softmax_from_eps(eps)
        assert log_q.dtype == torch.float32
        assert g.kl_loss(log_q, eps.float(), levels).abs().max() < 1e-5


def test_void_elements_leave_no_trace_in_the_mean() -> None:
    values = torch.tensor([[1.0, 2.0, float("nan")], [5.0, 6.0, 7.0]])
    valid = torch.tensor([[True, True, False], [False, False, False]])
    assert g.masked_mean(values, valid).tolist() == [1.5, 0.0]


def test_surprise_is_cross_entropy_and_void_has_none() -> None:
    logits = torch.randn(2, K, 5, generator=torch.Generator().manual_seed(13))
    onehot = random_onehot(2, K, 5)
    expected = torch.nn.functional.cross_entropy(logits, onehot.argmax(1), reduction="none")
    assert torch.allclose(g.surprise(torch.log_softmax(logits, 1), onehot), expected, atol=1e-5)
    onehot[..., 0] = 0
    assert (g.surprise(torch.log_softmax(logits, 1), onehot)[..., 0] == 0).all()


def test_columns_of_a_table_and_pixels_of_a_mask_are_the_same_to_the_core() -> None:
    """[N, K, C] and [N, K, H, W] with the same elements give the same numbers."""
    onehot = random_onehot(2, 5, 12)
    levels = levels_of([0.1, 0.4], [1.0, 3.0])
    noise = g.sample_exponential(onehot.shape, torch.Generator().manual_seed(14))
    flat = g.sample_expconcrete(g.log_location(onehot, levels), levels, noise)
    grid = g.sample_expconcrete(g.log_location(onehot.reshape(2, 5, 3, 4), levels), levels, noise.reshape(2, 5, 3, 4))
    assert torch.equal(flat.reshape(2, 5, 3, 4), grid)


@pytest.mark.parametrize(
    ("keep", "temperature"), [((1.0,), (1.0,)), ((-0.1,), (1.0,)), ((0.5,), (0.0,)), ((0.5, 0.5), (1.0,)), ((), ())]
)
def test_impossible_ladders_are_refused(keep: tuple, temperature: tuple) -> None:
    with pytest.raises(ValueError, match="Expected"):
        g.NoiseLadder(keep, temperature)


def test_the_core_imports_nothing_of_images() -> None:
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(g))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)} | {
        a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    assert not {m for m in modules if m and m.split(".")[0] in {"PIL", "torchvision", "timm", "ncsnpp", "segqc"}}
