"""What each training step sees: pairs, and a schedule that is a pure function of (seed, step, sample).

Because nothing is drawn from a running generator, a resumed run repeats what an uninterrupted one would have seen, and
so does a run on another number of processes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segqc.base.fingerprints import stable_seed


@dataclass(frozen=True)
class Draw:
    """One sample of one step: pair, augmented view (None: as it is), noise level, noise, and the pair whose mask
    segment noise may use.
    """

    index: int
    view: int | None
    level: int
    noise_seed: int
    other: int


@dataclass(frozen=True)
class Schedule:
    """The draws of every step.

    Attributes
    ----------
    items : int
        Training pairs.
    levels : int
        L of the ladder.
    batch_size : int
        Over all processes.
    views : int
        Fixed views per pair; 0: a new view at every draw.
    seed : int
    repeats : tuple of float, optional
        How much more often than others each pair is drawn, from 1; None: all alike.
    """

    items: int
    levels: int
    batch_size: int
    views: int
    seed: int
    repeats: tuple[float, ...] | None = None

    def batch(self, step: int) -> list[Draw]:
        """The draws of a step: a fresh permutation of the pairs each epoch, or with `repeats` as many draws shared
        among them, levels spread evenly over the batch (less variance).
        """
        shift = int(np.random.default_rng(stable_seed(self.seed, "levels", step)).integers(self.levels))
        draws = []
        for sample in range(self.batch_size):
            position = step * self.batch_size + sample
            epoch, place = divmod(position, self.items)
            permutation, views = _epoch(self.items, self.views, self.seed, epoch, self.repeats)
            view = int(views[place]) if self.views else position
            noise = stable_seed(self.seed, "noise", step, sample)
            draws.append(Draw(int(permutation[place]), view, (sample + shift) % self.levels, noise, noise % self.items))
        return draws


@lru_cache(maxsize=2)
def _epoch(
    items: int, views: int, seed: int, epoch: int, repeats: tuple[float, ...] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Order of the pairs in an epoch, and the view of each place."""
    rng = np.random.default_rng(stable_seed(seed, "epoch", epoch))
    order, views_of = rng.permutation(items), rng.integers(max(1, views), size=items)
    if repeats is not None:
        order = _systematic(np.array(repeats), float(rng.random()))[order]
    return order, views_of


def _systematic(weights: np.ndarray, start: float) -> np.ndarray:
    """As many items as there are, drawn in proportion to their weights by systematic sampling: each comes as often as
    it is expected to, rounded down or up. `start` lies in [0, 1).
    """
    ends = np.cumsum(weights)
    points = (start + np.arange(len(weights))) * (ends[-1] / len(weights))
    return np.minimum(np.searchsorted(ends, points, side="right"), len(weights) - 1)


def validation_draws(items: int, levels: int, seed: int) -> list[Draw]:
    """Unaugmented pairs with fixed levels and noise, so that validation losses compare."""
    return [
        Draw(i, None, i % levels, stable_seed(seed, "validation", i), i - 1 if i else min(1, items - 1))
        for i in range(items)
    ]


def cache_keys(train_items: int, views: int, validation_items: int) -> list[tuple[int, int | None]]:
    """Keys of a `FeatureCache` whose dataset lists the training pairs first, then the validation pairs."""
    return [(i, view) for i in range(train_items) for view in range(views)] + [
        (train_items + i, None) for i in range(validation_items)
    ]
