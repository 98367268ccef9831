"""What a training reads: one interface for pairs read from disk and for cached features, and batches of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segqc.base.parallel import ordered_map
from segqc.gumbel import NoiseLadder, seeded_exponential
from segqc.model.quality_model import QualityModel
from segqc.training.schedule import Draw


class SampleSource(Protocol):
    """Pairs by their row, each in numbered views: `PairDataset` decodes them, `FeatureCache` has them encoded."""

    decodes: bool
    """Whether a sample costs the decoding of its files, so that loader processes pay."""

    def sample(self, index: int, view: int | None = None) -> dict[str, Any]:
        """One view of a pair.

        Parameters
        ----------
        index : int
            Row of the pair.
        view : int, optional
            Number of the augmented view; None: the pair as it is.

        Returns
        -------
        dict
            ``mask``, ndarray `[S, S]` uint8, and either ``image``, ndarray `[3, I, I]` uint8, or ``features``, list of
            ndarray `[C, h, w]` float16.
        """

    def mask(self, index: int, view: int | None = None) -> np.ndarray:
        """The mask of `sample` alone, `[S, S]` uint8."""

    def first_view(self, index: int) -> int | None:
        """The view to take where any view of the pair will do; None: the pair as it is."""


@dataclass(frozen=True)
class TrainingData:
    """The pairs of one training, as rows of a source.

    Attributes
    ----------
    source : SampleSource
    train_rows, validation_rows : sequence of int
    groups : sequence of str, optional
        Group of each row of the source, such as its video; None where each pair is by itself.
    repeats : mapping of int to float, optional
        How often each of `train_rows` is drawn, from 1; None: all alike.
    """

    source: SampleSource
    train_rows: Sequence[int]
    validation_rows: Sequence[int]
    groups: Sequence[str] | None = None
    repeats: Mapping[int, float] | None = None

    @property
    def repeats_of_rows(self) -> tuple[float, ...] | None:
        """`repeats` in the order of `train_rows`."""
        return None if self.repeats is None else tuple(self.repeats[row] for row in self.train_rows)


class Samples(Dataset):
    """The samples of draws, as tensors.

    Parameters
    ----------
    source : SampleSource
    rows : sequence of int
        Rows of the source that the draws count along.
    others : bool
        Whether the mask of `Draw.other` comes with a sample.
    """

    def __init__(self, source: SampleSource, rows: Sequence[int], others: bool = False) -> None:
        self.source, self.rows, self.others = source, rows, others

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        index = self.rows[draw.index]
        sample: dict[str, Any] = {name: _tensors(value) for name, value in self.source.sample(index, draw.view).items()}
        sample |= {"draw": draw, "row": index}
        if self.others:
            other = self.rows[draw.other]
            sample["other"] = torch.from_numpy(self.source.mask(other, self.source.first_view(other)))
        return sample


def _tensors(value: np.ndarray | Sequence[np.ndarray]) -> Tensor | list[Tensor]:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else [torch.from_numpy(part) for part in value]


@dataclass(frozen=True)
class Batch:
    """A batch of N samples.

    Attributes
    ----------
    images : Tensor `[N, 3, I, I]` uint8, or None where the features are cached
    features : list of Tensor `[N, C, h, w]`, float16 as they are cached; empty where there are images
    masks : Tensor `[N, S, S]` uint8
    draws : list of Draw
    rows : list of int
        Rows of the source.
    others : Tensor `[N, S, S]` uint8, or None
        Masks of other pairs, where segment noise wants them.
    """

    images: Tensor | None
    features: list[Tensor]
    masks: Tensor
    draws: list[Draw]
    rows: list[int]
    others: Tensor | None = None

    def parts(self, size: int) -> list["Batch"]:
        """The same samples in batches of up to `size`."""
        slices = [slice(start, start + size) for start in range(0, len(self.draws), size)]
        return [
            Batch(
                None if self.images is None else self.images[part],
                [maps[part] for maps in self.features],
                self.masks[part],
                self.draws[part],
                self.rows[part],
                None if self.others is None else self.others[part],
            )
            for part in slices
        ]

    def image_features(self, model: QualityModel) -> list[Tensor]:
        """`QualityModel.image_features` of the N pictures, on the model's device."""
        if self.images is not None:
            return model.image_features(self.images.to(model.device))
        return [maps.to(model.device) for maps in self.features]

    def noise(self, num_classes: int, ladder: NoiseLadder, device: torch.device) -> Tensor:
        """E `[N, K, S, S]`: each sample's own generator, on the device that will use it; its mean, 1, at t = 0, where
        the network is shown nothing of it.
        """
        noise = torch.ones(len(self.draws), num_classes, *self.masks.shape[1:], dtype=torch.float32, device=device)
        for sample, draw in zip(noise, self.draws, strict=True):
            if ladder.keep[draw.level] > 0:
                sample.copy_(seeded_exponential(sample.shape, draw.noise_seed, device))
        return noise


def collate(samples: list[dict[str, Any]]) -> Batch:
    """Stack samples into a `Batch`."""
    read = "image" in samples[0]
    return Batch(
        torch.stack([sample["image"] for sample in samples]) if read else None,
        [] if read else [torch.stack(maps) for maps in zip(*(s["features"] for s in samples), strict=True)],
        torch.stack([sample["mask"] for sample in samples]),
        [sample["draw"] for sample in samples],
        [sample["row"] for sample in samples],
        torch.stack([sample["other"] for sample in samples]) if "other" in samples[0] else None,
    )


def make_loader(samples: Samples, batches: Iterable[list[Draw]], workers: int) -> Iterable[Batch]:
    """Batches of draws, read in `workers` processes, or by a thread of this one while the batch before is used."""
    if workers == 0:
        return ordered_map(lambda draws: collate([samples[draw] for draw in draws]), batches, workers=1)
    return DataLoader(
        samples, batch_sampler=_Batches(batches), collate_fn=collate, num_workers=workers, persistent_workers=False
    )


class _Batches:
    """DataLoader wants something iterable; a generator is enough for one pass."""

    def __init__(self, batches: Iterable[list[Draw]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[Draw]]:
        return iter(self.batches)
