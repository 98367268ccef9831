"""What each training step sees: pairs, and a schedule that is a pure function of (seed, step, sample).

Because nothing is drawn from a running generator, a resumed run repeats what an uninterrupted one would have seen, and
so does a run on another number of processes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segqc.base.fingerprints import stable_seed
from segqc.data.dataset import PairDataset
from segqc.gumbel import sample_exponential
from segqc.training.feature_cache import FeatureCache


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
    """

    items: int
    levels: int
    batch_size: int
    views: int
    seed: int

    def batch(self, step: int) -> list[Draw]:
        """The draws of a step: a fresh permutation of the pairs each epoch, levels spread evenly over the batch (less
        variance).
        """
        shift = int(np.random.default_rng(stable_seed(self.seed, "levels", step)).integers(self.levels))
        draws = []
        for sample in range(self.batch_size):
            position = step * self.batch_size + sample
            epoch, place = divmod(position, self.items)
            permutation, views = _epoch(self.items, self.views, self.seed, epoch)
            view = int(views[place]) if self.views else position
            noise = stable_seed(self.seed, "noise", step, sample)
            draws.append(Draw(int(permutation[place]), view, (sample + shift) % self.levels, noise, noise % self.items))
        return draws


@lru_cache(maxsize=2)
def _epoch(items: int, views: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Order of the pairs in an epoch, and the view of each place."""
    rng = np.random.default_rng(stable_seed(seed, "epoch", epoch))
    return rng.permutation(items), rng.integers(max(1, views), size=items)


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


class Samples(Dataset):
    """Draw -> sample, from the cache or freshly read and augmented. A draw counts along `rows` of the source.

    `others`: with the mask of `Draw.other`.
    """

    def __init__(self, source: FeatureCache | PairDataset, rows: Sequence[int], others: bool = False) -> None:
        self.source = source
        self.rows = rows
        self.others = others

    def __getitem__(self, draw: Draw) -> dict:
        index, cached = self.rows[draw.index], isinstance(self.source, FeatureCache)
        sample = self.source[index, draw.view] if cached else self.source.sample(index, draw.view)
        sample = {
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in sample.items()
        }
        sample |= {"draw": draw, "row": index}
        if self.others:
            sample["other"] = torch.from_numpy(
                self.source.mask(self.rows[draw.other], None if draw.view is None or not cached else 0)
            )
        return sample


@dataclass(frozen=True)
class Batch:
    """A collated batch of N samples.

    Either `images` `[N, 3, I, I]` uint8 or frozen `features`; `masks` `[N, S, S]` uint8, the draws, their rows in the
    source, and where segment noise wants them the masks of other pictures, like `masks`.
    """

    images: Tensor | None
    features: list[Tensor] | None
    masks: Tensor
    draws: list[Draw]
    rows: list[int]
    others: Tensor | None = None

    def noise(self, num_classes: int, device: torch.device) -> Tensor:
        """E `[N, K, S, S]`: each sample's own generator, on the device that will use it."""
        shape = (num_classes, *self.masks.shape[1:])
        return torch.stack(
            [
                sample_exponential(shape, torch.Generator(device).manual_seed(draw.noise_seed), device)
                for draw in self.draws
            ]
        )


def collate(samples: list[dict]) -> Batch:
    """Stack samples into a `Batch`."""
    images = torch.stack([s["image"] for s in samples]) if "image" in samples[0] else None
    features = (
        None
        if images is not None
        else [torch.stack(maps) for maps in zip(*(s["features"] for s in samples), strict=True)]
    )
    others = torch.stack([s["other"] for s in samples]) if "other" in samples[0] else None
    return Batch(
        images,
        features,
        torch.stack([s["mask"] for s in samples]),
        [s["draw"] for s in samples],
        [s["row"] for s in samples],
        others,
    )


def make_loader(samples: Samples, batches: Iterator[list[Draw]] | Sequence[list[Draw]], workers: int) -> DataLoader:
    """A loader over given batches of draws."""
    return DataLoader(
        samples, batch_sampler=_Batches(batches), collate_fn=collate, num_workers=workers, persistent_workers=False
    )


class _Batches:
    """DataLoader wants something iterable; a generator is enough for one pass."""

    def __init__(self, batches: Iterator[list[Draw]] | Sequence[list[Draw]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[Draw]]:
        return iter(self.batches)
