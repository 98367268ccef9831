"""What a model reads from a pair, and what may read it in PyTorch's place."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor


@runtime_checkable
class CompiledContext(Protocol):
    """What another runtime made of a picture, with its own network."""

    def denoise(self, seen: Tensor, condition: Tensor) -> Tensor:
        """`NCSNpp.forward` in this context."""
        ...


class Compiled(Protocol):
    """Encoder and network in another runtime than PyTorch."""

    def context(self, image: Tensor) -> CompiledContext:
        """What the network is conditioned on, of a picture `[1, 3, I, I]` uint8."""
        ...


@dataclass(frozen=True)
class Reading:
    """The model's output for one pair, on the mask grid.

    Attributes
    ----------
    features : ndarray `[L, F]` float64
        Mean over the valid cells per noise level, named by `ModelConfig.feature_names`; F is 0 where they were not
        asked for.
    heat : ndarray `[S, S]` float32 in [0, 1]
        How suspect each cell is; 0 where the mask is void.
    posterior : ndarray `[K, S, S]` float32, or None
        p(class | noisy mask, image) averaged over levels and draws; None for `paper`.
    levels : tuple of int
        The L levels that were read.
    """

    features: np.ndarray
    heat: np.ndarray
    posterior: np.ndarray | None
    levels: tuple[int, ...]
