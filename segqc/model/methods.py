"""The four methods for masks, one class each: everything in which they differ, chosen once by name.

A method says which noise levels there are, what the network sees, what its output means, how it is trained, and how a
score and a heat map are made of what it says. Letters and equation numbers are those of `segqc.gumbel`:

    structured  t = 0, 0.05, 0.3 above masks with segment noise; posterior of the true mask; a score reads t = 0.05
    mixing      t = 0, 0.0015..0.19; posterior; a score reads all levels
    segmenter   t = 0 alone; posterior given the picture: the ablation of noise and of the sight of the mask
    paper       t from d = 1e-5, l = 2..20; eps; a score is the density of the score norms of all levels
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ncsnpp import NCSNppConfig
from segqc import gumbel
from segqc.gumbel import Levels, NoiseLadder
from segqc.model.catalogue import Method


@dataclass(frozen=True)
class NoisyMasks:
    """N masks with Gumbel noise.

    Attributes
    ----------
    log_a : Tensor, `[N, K, S, S]` float32
        Log location of the masks that the noise is laid over.
    x_tilde : Tensor, `[N, K, S, S]` float32
        The noisy masks, on the log-simplex.
    levels : Levels of N items
    """

    log_a: Tensor
    x_tilde: Tensor
    levels: Levels


@dataclass(frozen=True)
class PairScore:
    """The score of one pair and its parts.

    Attributes
    ----------
    score : float
        Higher = worse.
    agreement : float or None
        Estimated Dice of the mask in [0, 1]; None for a method without a class posterior.
    density : float or None
        Negative log-likelihood of the features under the inliers' mixture; None where it is not known.
    """

    score: float
    agreement: float | None
    density: float | None


class MaskMethod(ABC):
    """One way to train the network on pairs of picture and mask, and to score with it.

    Attributes
    ----------
    name : Method
    draws : int
        Noise draws per level when scoring; 0: the noise-free location.
    feature_names : tuple of str
        Features per noise level, each the mean of a map over the valid cells.
    uses_segment_noise : bool
        Training lays the noise over wrong masks (`segqc.model.segment_noise`) instead of the true ones.
    needs_all_levels : bool
        A score is defined over all noise levels together, not over some.
    fourier_scale : float
        `NCSNppConfig.fourier_scale` that fits the conditioning value of `network_input`.
    """

    name: ClassVar[Method]
    draws: ClassVar[int]
    feature_names: ClassVar[tuple[str, ...]]
    uses_segment_noise: ClassVar[bool] = False
    needs_all_levels: ClassVar[bool] = False
    fourier_scale: ClassVar[float]

    @abstractmethod
    def ladder(self, num_classes: int) -> NoiseLadder:
        """The noise levels of a new model."""

    def score_levels(self, ladder: NoiseLadder) -> tuple[int, ...]:
        """Indices of the levels that a score reads unless told otherwise: all."""
        return tuple(range(len(ladder)))

    @abstractmethod
    def network_input(self, x_tilde: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
        """What the network sees of x~, `[N, K, S, S]`, and its conditioning value, `[N]`."""

    @abstractmethod
    def loss(self, log_p: Tensor, noisy: NoisyMasks, truth: Tensor) -> Tensor:
        """Training loss per cell, `[N, S, S]`.

        Parameters
        ----------
        log_p : Tensor, `[N, K, S, S]`
            Log-softmax of the network's output.
        noisy : NoisyMasks
            What the network was shown.
        truth : Tensor, `[N, K, S, S]`
            The true masks, one-hot.
        """

    @abstractmethod
    def feature_maps(self, log_p: Tensor, noisy: NoisyMasks, observed: Tensor, wanted: bool) -> Tensor:
        """Maps of `feature_names`, `[N, F, S, S]`; F is 0 where they are not `wanted` and no score needs them.

        `observed`, `[N, K, S, S]`, holds the masks that are judged, one-hot.
        """

    @abstractmethod
    def posterior(self, probability: Tensor) -> Tensor | None:
        """p(class | noisy mask, picture) `[K, S, S]` from the mean probability of all passes; None without one."""

    @abstractmethod
    def heat(self, probability: Tensor, maps: Tensor, observed: Tensor, unit: Tensor) -> Tensor:
        """How suspect each cell is, `[S, S]`, about 0 to 1.

        Parameters
        ----------
        probability : Tensor, `[K, S, S]`
            Mean over all passes of exp(log_p).
        maps : Tensor, `[L, F, S, S]`
            Mean `feature_maps` of each level.
        observed : Tensor, `[K, S, S]`
            The mask, one-hot.
        unit : Tensor, `[L]`
            Mean score norm of an inlier's cell per level; 1 where it is not known.
        """

    @abstractmethod
    def score(self, agreement: float | None, density: float | None) -> PairScore:
        """The score of a pair, of its agreement (None without a posterior) or of its density (None where not known).

        Raises
        ------
        ValueError
            The method is scored by the density, and there is none.
        """


class PosteriorMethod(MaskMethod):
    """Methods whose network is a classifier of the true mask's cells; trained by cross-entropy, scored by agreement."""

    feature_names = ("norm", "error", "surprise")
    fourier_scale = NCSNppConfig.fourier_scale  # logit t spans ten units

    def network_input(self, x_tilde: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
        """Centred l x~, and logit t."""
        return gumbel.centred_input(x_tilde, levels), gumbel.keep_condition(levels)

    def loss(self, log_p: Tensor, noisy: NoisyMasks, truth: Tensor) -> Tensor:
        """Cross-entropy with the true classes."""
        return gumbel.surprise(log_p, truth)

    def feature_maps(self, log_p: Tensor, noisy: NoisyMasks, observed: Tensor, wanted: bool) -> Tensor:
        """Score norm, denoising error || s_theta - grad log q ||^2, and surprise."""
        if not wanted:
            return log_p.new_empty(len(noisy.levels), 0, *log_p.shape[2:])
        log_q = gumbel.log_softmax_from_posterior(log_p, noisy.x_tilde, noisy.levels)
        target = gumbel.eps_target(noisy.x_tilde, noisy.log_a, noisy.levels)
        maps = [
            gumbel.score_norm(gumbel.score_from_log_softmax(log_q, noisy.levels)),
            gumbel.mse_loss(log_q, target, noisy.levels),
            gumbel.surprise(log_p, observed),
        ]
        return torch.stack(maps, 1)

    def posterior(self, probability: Tensor) -> Tensor:
        """The mean probability itself."""
        return probability

    def heat(self, probability: Tensor, maps: Tensor, observed: Tensor, unit: Tensor) -> Tensor:
        """1 - p(observed class)."""
        return 1 - (probability * observed).sum(0)

    def score(self, agreement: float | None, density: float | None) -> PairScore:
        """1 - agreement of the mask with the posterior; the density stands beside it."""
        assert agreement is not None
        return PairScore(1 - agreement, agreement, density)


class Structured(PosteriorMethod):
    """Segment noise below the noise ladder (ours): the default."""

    name = "structured"
    draws = 1
    uses_segment_noise = True

    def ladder(self, num_classes: int) -> NoiseLadder:
        """t = 0, then locations that blur the cells of an already wrong mask to two degrees.

        What is to be judged stays visible at every level but the first. A clearer level (t = 0.9) is of no use: what
        is nearly copied is nearly believed.
        """
        return NoiseLadder((0.0, 0.05, 0.3), (1.0,) * 3)

    def score_levels(self, ladder: NoiseLadder) -> tuple[int, ...]:
        """The first level that sees the mask. A second one costs a pass and gained nothing: docs/results-voc.md."""
        return next((i,) for i in range(len(ladder)) if ladder.keep[i] > 0)


class Mixing(PosteriorMethod):
    """Noise levels that move the location of single cells (ours)."""

    name = "mixing"
    draws = 1

    def ladder(self, num_classes: int) -> NoiseLadder:
        """t = 0, then eight geometric steps."""
        return gumbel.mixing_ladder()


class Segmenter(PosteriorMethod):
    """A plain segmenter: network and score of the other methods without any noise or sight of the mask."""

    name = "segmenter"
    draws = 0

    def ladder(self, num_classes: int) -> NoiseLadder:
        """The level t = 0 alone."""
        return NoiseLadder((0.0,), (1.0,))


class Paper(MaskMethod):
    """The method of the paper, with its choices throughout."""

    name = "paper"
    draws = 0
    feature_names = ("norm",)  # the clean input has no noise to predict
    needs_all_levels = True
    fourier_scale = 16.0  # Song's, made for log temperatures

    def ladder(self, num_classes: int) -> NoiseLadder:
        """l = 2..20 in 20 geometric steps, one d."""
        return gumbel.paper_ladder(num_classes)

    def network_input(self, x_tilde: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
        """x~ itself, and log l."""
        return gumbel.log_input(x_tilde), gumbel.temperature_condition(levels)

    def loss(self, log_p: Tensor, noisy: NoisyMasks, truth: Tensor) -> Tensor:
        """KL, equation (17), without its weight, as in the reference implementation."""
        return gumbel.kl_loss(log_p, gumbel.eps_target(noisy.x_tilde, noisy.log_a, noisy.levels), noisy.levels)

    def feature_maps(self, log_p: Tensor, noisy: NoisyMasks, observed: Tensor, wanted: bool) -> Tensor:
        """Score norm, equation (7), wanted or not: the score is made of it."""
        return gumbel.score_norm(gumbel.score_from_log_softmax(log_p, noisy.levels)).unsqueeze(1)

    def posterior(self, probability: Tensor) -> None:
        """None: the network predicts noise, not classes."""
        return None

    def heat(self, probability: Tensor, maps: Tensor, observed: Tensor, unit: Tensor) -> Tensor:
        """r / (1 + r) of the mean score norm r, in units of an average inlier's cell."""
        ratio = (maps[:, 0] / unit[:, None, None]).mean(0)
        return ratio / (1 + ratio)

    def score(self, agreement: float | None, density: float | None) -> PairScore:
        """The density of the score norms."""
        if density is None:
            raise ValueError(
                "This model has no density head: training was not finished. Run the same `segqc train` command again"
            )
        return PairScore(density, None, density)


_METHODS: dict[Method, MaskMethod] = {method.name: method for method in (Structured(), Mixing(), Paper(), Segmenter())}


def find_method(name: Method) -> MaskMethod:
    """The method of this name."""
    return _METHODS[name]
