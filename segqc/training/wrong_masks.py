"""Masks with segment noise for a batch: what method `structured` lays its Gumbel noise over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segqc.gumbel import NoiseLadder
from segqc.model.segment_noise import SegmentNoise
from segqc.training.feature_cache import Key
from segqc.training.samples import Batch

Guess = Callable[[Sequence[Tensor], Sequence[Key]], Sequence[np.ndarray] | np.ndarray]
"""log p(class | picture), M times `[K, S, S]`, of M pictures, given by their image features and their (row, view), from
networks that have not seen them."""


@dataclass(frozen=True)
class WrongMasks:
    """Draws wrong masks as a segmentation model would make them.

    Attributes
    ----------
    noise : SegmentNoise
    guess : Guess
    """

    noise: SegmentNoise
    guess: Guess

    def draw(self, features: Sequence[Tensor], batch: Batch, ladder: NoiseLadder) -> Tensor:
        """The batch's masks with segment noise, `[N, S, S]` uint8, on the CPU.

        At t = 0 the network sees nothing of the mask, so nothing is drawn. `features` are the batch's image features.
        """
        if batch.others is None:
            raise ValueError("Expected a batch with the masks of other pairs, but it has none")
        noisy = [n for n, draw in enumerate(batch.draws) if ladder.keep[draw.level] > 0]
        guessed = [n for n in noisy if self.noise.needs_guess(batch.draws[n].noise_seed)]
        beliefs: dict[int, np.ndarray] = {}
        if guessed:
            keys = [(batch.rows[n], batch.draws[n].view) for n in guessed]
            beliefs = dict(zip(guessed, self.guess([maps[guessed] for maps in features], keys), strict=True))
        masks = batch.masks.numpy().copy()
        for n in noisy:
            seed = batch.draws[n].noise_seed
            masks[n] = self.noise.draw(batch.masks[n].numpy(), batch.others[n].numpy(), beliefs.get(n), seed)
        return torch.from_numpy(masks)
