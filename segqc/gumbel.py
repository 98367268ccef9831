"""Gumbel noise score matching: the noise ladder, ExpConcrete samples, their scores, and the losses.

Letters follow the paper (Gumbel Noise Score Matching, arXiv 2304.03220), equation numbers too:

    x      one-hot value, K outcomes                      a = x + d    location, d > 0
    l      temperature (the paper's lambda)               E = exp(-G)  i.i.d. Exp(1), G i.i.d. Gumbel
    x~_k = (log a_k - log E_k)/l - logsumexp_i(...)       a sample on the log-simplex            (3)
    s_j  = -l + l K softmax(log a - l x~)_j               its score                              (4)
    eps  = log a - l x~                                   what the paper's network predicts      (5)

A noise level is written (t, l). t in [0, 1) is the share of x that the normalised location keeps: a = t x + (1 - t)/K,
which is the paper's x + d up to scale when t = 1/(1 + K d). Only t destroys information; l re-scales x~ (see
`mixing_ladder`). t = 0 is "the context alone".

Tensors have the class axis second, `[N, K, ...]`, with any number of trailing element axes: `[N, K, H, W]` for masks,
`[N, K, C]` for C table columns of K outcomes. Per-element results are `[N, ...]`. Everything is computed in float32,
outside autocast, and knows nothing of images.

Table columns with different K, each at its own level, are items of their own, padded to the largest K: `[N, K_max]`,
with `Levels.classes`, their K. A padded outcome has probability and score 0, and no share in any mean or loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PAPER_DELTA = 1e-5  # d of the reference implementation
_MIN_KEEP_SEEN = 1e-4  # the network's conditioning clips logit t here, so that t = 0 is a finite input
# log-probability of a padded outcome: exp gives 0, and unlike -inf it makes no NaN in a difference or a product
_PADDED = -1e30
_MIN_EXPONENTIAL, _MAX_EXPONENTIAL = 1e-20, 80.0  # both have probability below 1e-19: clamping only removes log(0)


def logit(keep: float) -> float:
    """log(t / (1 - t)) in double precision; -inf at t = 0."""
    if not 0.0 <= keep < 1.0:
        raise ValueError(f"Expected the kept share t to be in [0, 1), but got {keep}")
    return math.log(keep) - math.log1p(-keep) if keep > 0 else -math.inf


def keep_from_delta(delta: float, num_classes: int) -> float:
    """t = 1/(1 + K d): the kept share of the location x + d (design: same score, normalised)."""
    return 1.0 / (1.0 + num_classes * delta)


@dataclass(frozen=True)
class Levels:
    """Noise levels of N items.

    Attributes
    ----------
    logit_keep : Tensor, `[N]` float32
        log(t / (1 - t)); -inf for t = 0. Kept as a logit because 1 - t loses its digits in float32 near t = 1.
    temperature : Tensor, `[N]` float32
        l > 0.
    classes : Tensor, `[N]` int64, or None
        K of each item where items are padded to a common K; None when all outcomes are real.
    """

    logit_keep: Tensor
    temperature: Tensor
    classes: Tensor | None = None

    def to(self, device: torch.device | str) -> "Levels":
        """The same levels on another device."""
        classes = None if self.classes is None else self.classes.to(device)
        return Levels(self.logit_keep.to(device), self.temperature.to(device), classes)

    def __len__(self) -> int:
        return len(self.temperature)


@dataclass(frozen=True)
class NoiseLadder:
    """The L noise levels of a model, in the order in which they are scored.

    Attributes
    ----------
    keep : tuple of float
        t per level, in [0, 1).
    temperature : tuple of float
        l per level, > 0.
    """

    keep: tuple[float, ...]
    temperature: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.keep) != len(self.temperature) or not self.keep:
            raise ValueError(
                "Expected as many kept shares as temperatures, at least one, "
                f"but got {len(self.keep)} and {len(self.temperature)}"
            )
        for t in self.keep:
            logit(t)
        if min(self.temperature) <= 0:
            raise ValueError(f"Expected temperatures to be positive, but got {min(self.temperature)}")

    def __len__(self) -> int:
        return len(self.keep)

    def at(self, indices: Sequence[int] | Tensor) -> Levels:
        """Levels with these indices, one per item, on the CPU."""
        indices = [int(i) for i in indices]
        return Levels(
            torch.tensor([logit(self.keep[i]) for i in indices], dtype=torch.float32, device="cpu"),
            torch.tensor([self.temperature[i] for i in indices], dtype=torch.float32, device="cpu"),
        )

    def all(self) -> Levels:
        """All levels, one item each."""
        return self.at(range(len(self)))


def _geometric(first: float, last: float, count: int) -> list[float]:
    ratio = (last / first) ** (1 / (count - 1)) if count > 1 else 1.0
    return [first * ratio**i for i in range(count)]


def paper_ladder(
    num_classes: int, levels: int = 20, low: float = 2.0, high: float = 20.0, delta: float = PAPER_DELTA
) -> NoiseLadder:
    """The paper's ladder: l geometric from 2 to 20 in 20 levels (its section 4), one constant d (the reference
    implementation's 1e-5).
    """
    return NoiseLadder((keep_from_delta(delta, num_classes),) * levels, tuple(_geometric(low, high, levels)))


def mixing_ladder(levels: int = 8, low: float = 0.0015, high: float = 0.19) -> NoiseLadder:
    """A ladder that moves the location instead of the temperature (ours): t = 0, then `levels` geometric steps from
    `low` to `high`.

    For one-hot x, softmax(eps) = E/sum(E) whatever l is, and x~ <-> l x~ is a bijection: all temperatures carry the
    same information. What hides x is the location. Its argmax survives with probability t + (1 - t)/K, and because
    independent flips average out over a neighbourhood most levels belong near t = 0. At t = 0 the network is told
    nothing of the mask: what does the context alone say?
    """
    keep = (0.0, *_geometric(low, high, levels))
    return NoiseLadder(keep, (1.0,) * len(keep))


def _per_item(value: Tensor, like: Tensor) -> Tensor:
    """`[N]` -> `[N, 1, ...]`, float32 on the device of `like` (`[N, K, ...]`)."""
    return value.to(like.device, torch.float32).reshape(-1, *(1,) * (like.ndim - 1))


def _classes(levels: Levels, like: Tensor) -> int | Tensor:
    """K: the size of axis 1, or `[N, 1, ...]` where items are padded."""
    return like.shape[1] if levels.classes is None else _per_item(levels.classes, like)


def _fill_padded(values: Tensor, levels: Levels, filling: float) -> Tensor:
    """`values` `[N, K, ...]` with `filling` at padded outcomes."""
    if levels.classes is None:
        return values
    outcome = torch.arange(values.shape[1], device=values.device).reshape(1, -1, *(1,) * (values.ndim - 2))
    return values.masked_fill(outcome >= _classes(levels, values), filling)


def _log_softmax(values: Tensor, levels: Levels) -> Tensor:
    """log_softmax over the real outcomes of `[N, K, ...]`."""
    return torch.log_softmax(_fill_padded(values, levels, _PADDED), dim=1)


def _centred(values: Tensor, levels: Levels) -> Tensor:
    """`values` minus their mean over the real outcomes; 0 at padded ones."""
    if levels.classes is None:
        return values - values.mean(1, keepdim=True)
    values = _fill_padded(values, levels, 0.0)
    return _fill_padded(values - values.sum(1, keepdim=True) / _classes(levels, values), levels, 0.0)


def _class_weight(levels: Levels, like: Tensor) -> Tensor:
    """B = 1/d = K t/(1 - t), the extra weight of the true class, `[N, 1, ...]`."""
    return _classes(levels, like) * _per_item(levels.logit_keep, like).exp()


def log_location(onehot: Tensor, levels: Levels) -> Tensor:
    """log a of the normalised location a = t x + (1 - t)/K.

    Parameters
    ----------
    onehot : Tensor, `[N, K, ...]`
        One-hot along axis 1. An all-zero column (a void element) gets the uniform location.
    levels : Levels of N items

    Returns
    -------
    Tensor, `[N, K, ...]` float32, finite for every t in [0, 1).
    """
    classes = _classes(levels, onehot)
    log_uniform = -math.log(classes) if isinstance(classes, int) else -classes.log()
    log_miss = log_uniform - F.softplus(_per_item(levels.logit_keep, onehot))  # log((1 - t)/K)
    log_a = log_miss + torch.log1p(_class_weight(levels, onehot)) * onehot.float()
    empty = onehot.sum(1, keepdim=True) == 0
    return _fill_padded(torch.where(empty, log_uniform, log_a), levels, _PADDED)


def sample_exponential(
    shape: Sequence[int], generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """E = exp(-G), i.i.d. Exp(1), float32 and safe to take the log of."""
    noise = torch.empty(tuple(shape), dtype=torch.float32, device=device).exponential_(generator=generator)
    return noise.clamp_(_MIN_EXPONENTIAL, _MAX_EXPONENTIAL)


def seeded_exponential(shape: Sequence[int], seed: int, device: torch.device | str = "cpu") -> Tensor:
    """`sample_exponential` from a generator of its own; on a CPU NumPy's, which takes a third of PyTorch's time."""
    if torch.device(device).type != "cpu":
        return sample_exponential(shape, torch.Generator(device).manual_seed(seed), device)
    noise = np.random.Generator(np.random.SFC64(seed)).standard_exponential(tuple(shape), np.float32)
    return torch.from_numpy(noise).clamp_(_MIN_EXPONENTIAL, _MAX_EXPONENTIAL)


def sample_expconcrete(log_a: Tensor, levels: Levels, exponential: Tensor) -> Tensor:
    """x~ on the log-simplex for given noise, equation (3): log_softmax((log a - log E)/l).

    With `exponential` all ones this is the tempered, noise-free x~; with l = 1 as well, the clean log a.
    """
    return _log_softmax((log_a.float() - exponential.float().log()) / _per_item(levels.temperature, log_a), levels)


def eps_target(x_tilde: Tensor, log_a: Tensor, levels: Levels) -> Tensor:
    """eps = log a - l x~, centred over the classes (softmax(eps) is all that matters), equation (5)."""
    return _centred(log_a.float() - _per_item(levels.temperature, log_a) * x_tilde.float(), levels)


def score_from_log_softmax(log_q: Tensor, levels: Levels) -> Tensor:
    """s_j = -l + l K q_j for log q `[N, K, ...]`, equation (4)."""
    temperature = _per_item(levels.temperature, log_q)
    return _fill_padded(temperature * (_classes(levels, log_q) * log_q.float().exp() - 1), levels, 0.0)


def analytic_score(x_tilde: Tensor, log_a: Tensor, levels: Levels) -> Tensor:
    """grad log p_l(x~; a) of the ExpConcrete density, `[N, K, ...]`, equation (4)."""
    return score_from_log_softmax(_log_softmax(eps_target(x_tilde, log_a, levels), levels), levels)


def log_softmax_from_eps(eps: Tensor, levels: Levels | None = None) -> Tensor:
    """log softmax(eps_theta), `[N, K, ...]`: the paper's parametrisation; `levels` are needed for padded outcomes
    alone.
    """
    return torch.log_softmax(eps.float(), dim=1) if levels is None else _log_softmax(eps.float(), levels)


def log_class_likelihood(x_tilde: Tensor, levels: Levels) -> Tensor:
    """log p(x~ | x = c) of every class c up to a constant, `[N, K, ...]`: added to what the context says, it gives the
    posterior (Bayes' rule).

    The ExpConcrete density depends on the class through (sum_k a_k exp(-l x~_k))^-K alone, that is through (1 + B
    e_c)^-K with e = softmax(-l x~) and B = 1/d. At t = 0 (B = 0) it is 0 for all: only the context speaks.

    Parameters
    ----------
    x_tilde : Tensor, `[N, K, ...]`
    levels : Levels of N items
    """
    log_e = _log_softmax(-_per_item(levels.temperature, x_tilde) * x_tilde.float(), levels)
    likelihood = -_classes(levels, x_tilde) * torch.log1p(_class_weight(levels, x_tilde) * log_e.exp())
    return _fill_padded(likelihood, levels, _PADDED)


def log_softmax_from_posterior(log_posterior: Tensor, x_tilde: Tensor, levels: Levels) -> Tensor:
    """log of softmax(eps) averaged over the class posterior p_c = p(x = c | x~, context).

    With e = softmax(-l x~), B = 1/d and D = 1 + B e, class c alone gives softmax(eps)_j = e_j (1 + B [j = c]) / D_c, so
    the average is e_j (sum_c p_c/D_c + B p_j/D_j): exact and O(K) instead of O(K^2).

    Parameters
    ----------
    log_posterior : Tensor, `[N, K, ...]`
        Normalised along axis 1.
    x_tilde : Tensor, `[N, K, ...]`
        Log-simplex sample that the posterior was given.
    levels : Levels of N items
    """
    log_e = _log_softmax(-_per_item(levels.temperature, x_tilde) * x_tilde.float(), levels)
    weight = _class_weight(levels, x_tilde)
    share = log_posterior.float().exp() / (1 + weight * log_e.exp())  # p_c / D_c
    mixed = log_e + (share.sum(1, keepdim=True) + weight * share).clamp_min(torch.finfo(torch.float32).tiny).log()
    return _log_softmax(mixed, levels)  # it sums to one already; this removes the rounding


def score_from_posterior(log_posterior: Tensor, x_tilde: Tensor, levels: Levels) -> Tensor:
    """The score of x~ implied by a class posterior, `[N, K, ...]`."""
    return score_from_log_softmax(log_softmax_from_posterior(log_posterior, x_tilde, levels), levels)


def _weight(levels: Levels, like: Tensor) -> Tensor:
    """l^2 K^2, `[N, 1, ...]` shaped for a per-element result."""
    return (_per_item(levels.temperature, like) * _classes(levels, like)).square().squeeze(1)


def mse_loss(log_q: Tensor, target_eps: Tensor, levels: Levels) -> Tensor:
    """l^2 K^2 || q - softmax(eps) ||^2 per element, `[N, ...]`, equations (5) and (6)."""
    return _weight(levels, log_q) * (
        log_q.float().exp() - torch.softmax(_fill_padded(target_eps.float(), levels, _PADDED), 1)
    ).square().sum(1)


def kl_loss(log_q: Tensor, target_eps: Tensor, levels: Levels, weighted: bool = False) -> Tensor:
    """KL(softmax(eps) || q) per element, `[N, ...]`, equation (17); `weighted` multiplies by l^2 K^2 as printed there.

    The public reference implementation drops the weight.
    """
    kl = F.kl_div(log_q.float(), _log_softmax(target_eps.float(), levels), reduction="none", log_target=True).sum(1)
    return _weight(levels, log_q) * kl if weighted else kl


def surprise(log_posterior: Tensor, onehot: Tensor) -> Tensor:
    """-log p(x | x~, context) per element, `[N, ...]`: the cross-entropy loss, and a feature of the observed value. 0
    for an all-zero column.
    """
    return -(log_posterior.float() * onehot.float()).sum(1)


def score_norm(score: Tensor) -> Tensor:
    """|| s ||^2 over the classes per element, `[N, ...]`, equation (7)."""
    return score.float().square().sum(1)


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid elements of each item.

    Parameters
    ----------
    values : Tensor, `[N, ...]`
    valid : Tensor, `[N, ...]` bool

    Returns
    -------
    Tensor, `[N]`; 0 for an item without any valid element (there is nothing to be wrong about).
    """
    values, valid = values.flatten(1), valid.flatten(1)
    return torch.where(valid, values, 0.0).sum(1) / valid.sum(1).clamp_min(1)


def centred_input(x_tilde: Tensor, levels: Levels) -> Tensor:
    """What a `mixing` network sees: l x~ centred over the classes, clamped to +-15, over 4; a uniform x~ is zero."""
    return _centred(_per_item(levels.temperature, x_tilde) * x_tilde.float(), levels).clamp(-15, 15) / 4


def log_input(x_tilde: Tensor) -> Tensor:
    """What the `paper` network sees: x~ itself, clamped at log 1e-5 as in the reference."""
    return x_tilde.float().clamp_min(math.log(PAPER_DELTA))


def keep_condition(levels: Levels) -> Tensor:
    """Conditioning value of a `mixing` network: logit t, clipped at t = 1e-4, `[N]`."""
    return levels.logit_keep.clamp_min(logit(_MIN_KEEP_SEEN))


def temperature_condition(levels: Levels) -> Tensor:
    """Conditioning value of the `paper` network: log l, `[N]`."""
    return levels.temperature.log()
