"""What each training step sees: pairs, and a schedule that is a pure function of (seed, step, sample).

Because nothing is drawn from a running generator, a resumed run repeats what an uninterrupted one would have seen, and so does a run on another
number of processes.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from segqc.config import TrainConfig
from segqc.dataset import PairDataset
from segqc.download import download_voc
from segqc.feature_cache import FeatureCache
from segqc.files import BadInput
from segqc.gumbel import sample_exponential
from segqc.journal import Journal
from segqc.labels import VOC_LABELS, LabelSpace, parse_classes
from segqc.masks import read_image, read_mask
from segqc.pairs import Pair, Problem, folder_pairs, voc_pairs
from segqc.parallel import ordered_map
from segqc.quality_model import QualityModel, stable_seed


def training_labels(config: TrainConfig) -> LabelSpace:
    """`--classes`, or Pascal VOC's 21."""
    return parse_classes(config.classes) if config.classes else VOC_LABELS


def training_pairs(config: TrainConfig, leave_out: Collection[Path] = ()) -> tuple[list[Pair], list[Problem]]:
    """The pairs that the configuration names; in its folders, the paths in `leave_out` (symbolic links resolved) are passed over.

    Raises
    ------
    BadInput
        Neither or both kinds of source, or nothing there.
    """
    if (config.voc_root is None) == (config.images is None) or (config.images is None) != (config.masks is None):
        raise BadInput("training data", "expected either --voc-root, or --images together with --masks", "see `segqc train --help`")
    if config.voc_root is not None:
        if config.download:
            download_voc(config.voc_root)
        return voc_pairs(config.voc_root, config.image_set)
    assert config.images is not None
    assert config.masks is not None
    return folder_pairs(config.images, config.masks, leave_out)


def check_pairs(pairs: Sequence[Pair], labels: LabelSpace, journal: Journal, advance) -> tuple[list[Pair], list[Problem]]:
    """Decode every pair once: bad files are found before the first step, not in the middle of the night.

    Returns the pairs that can be read and the problems of the others. Results are kept in `journal`.
    """

    def check(pair: Pair) -> tuple[Pair, str]:
        try:
            image = read_image(pair.image)
            read_mask(pair.mask, labels, size=image)
        except BadInput as error:
            return pair, str(error)
        return pair, ""

    for pair, reason in ordered_map(check, [pair for pair in pairs if pair.id not in journal]):
        journal.append(pair.id, {"reason": reason})
        advance(1)
    reasons = {pair.id: journal.rows[pair.id]["reason"] for pair in pairs}
    problems = [Problem(pair.id, pair.image, reasons[pair.id]) for pair in pairs if reasons[pair.id]]
    return [pair for pair in pairs if not reasons[pair.id]], problems


@dataclass(frozen=True)
class Draw:
    """One sample of one step: pair, augmented view (None: as it is), noise level, noise, and the pair whose mask segment noise may use."""

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
        """The draws of a step: a fresh permutation of the pairs each epoch, levels spread evenly over the batch (less variance)."""
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
    return [Draw(i, None, i % levels, stable_seed(seed, "validation", i), i - 1 if i else min(1, items - 1)) for i in range(items)]


def cache_keys(train_items: int, views: int, validation_items: int) -> list[tuple[int, int | None]]:
    """Keys of a `FeatureCache` whose dataset lists the training pairs first, then the validation pairs."""
    return [(i, view) for i in range(train_items) for view in range(views)] + [(train_items + i, None) for i in range(validation_items)]


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
        sample = {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in sample.items()}
        sample |= {"draw": draw, "row": index}
        if self.others:
            sample["other"] = torch.from_numpy(self.source.mask(self.rows[draw.other], None if draw.view is None or not cached else 0))
        return sample


@dataclass(frozen=True)
class Batch:
    """A collated batch of N samples.

    Either `images` `[N, 3, I, I]` uint8 or frozen `features`; `masks` `[N, S, S]` uint8, the draws, their rows in the source, and where segment noise
    wants them the masks of other pictures, like `masks`.
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
        return torch.stack([sample_exponential(shape, torch.Generator(device).manual_seed(draw.noise_seed), device) for draw in self.draws])


def collate(samples: list[dict]) -> Batch:
    """Stack samples into a `Batch`."""
    images = torch.stack([s["image"] for s in samples]) if "image" in samples[0] else None
    features = None if images is not None else [torch.stack(maps) for maps in zip(*(s["features"] for s in samples), strict=True)]
    others = torch.stack([s["other"] for s in samples]) if "other" in samples[0] else None
    return Batch(images, features, torch.stack([s["mask"] for s in samples]), [s["draw"] for s in samples], [s["row"] for s in samples], others)


def make_loader(samples: Samples, batches: Iterator[list[Draw]] | Sequence[list[Draw]], workers: int) -> DataLoader:
    """A loader over given batches of draws."""
    return DataLoader(samples, batch_sampler=_Batches(batches), collate_fn=collate, num_workers=workers, persistent_workers=False)


class _Batches:
    """DataLoader wants something iterable; a generator is enough for one pass."""

    def __init__(self, batches: Iterator[list[Draw]] | Sequence[list[Draw]]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[list[Draw]]:
        return iter(self.batches)


def class_pictures(source: FeatureCache | PairDataset, rows: Sequence[int], labels: LabelSpace) -> tuple[list[int], int]:
    """In how many of the training pairs (`rows` of the source) each class occurs, by class index, and how many have no foreground class."""
    view = 0 if isinstance(source, FeatureCache) else None
    counts, empty = np.zeros(256, np.int64), 0
    for index in rows:
        present = np.unique(source.mask(index, view))
        counts[present] += 1
        empty += not np.isin(present, labels.foreground).any()
    return counts[: labels.num_classes].tolist(), empty


def class_looks(model: QualityModel, source: FeatureCache | PairDataset, rows: Sequence[int], at_most: int = 1000) -> np.ndarray:
    """Mean feature of each class under the frozen encoder's coarsest map, `[K, C]`, over the first training pairs; zeros for classes they lack.

    A model without an encoder has no features to compare classes by: all zeros, `[K, 1]`.
    """
    classes, config = model.config.num_classes, model.config
    if config.encoder is None:
        return np.zeros((classes, 1))
    total, weight = 0.0, np.zeros((classes, 1))
    for index in rows[:at_most]:
        if isinstance(source, FeatureCache):
            sample = source[index, 0]
            maps, mask = sample["features"][-1].double().numpy(), sample["mask"].numpy()
        else:
            sample = source.sample(index, None)
            maps = model.image_features(torch.from_numpy(sample["image"])[None].to(model.device))[-1][0].double().cpu().numpy()
            mask = sample["mask"]
        side = maps.shape[-1]
        cell = np.arange(len(mask)) * side // len(mask)
        share = np.zeros((classes, side, side))  # cells of the grid in each cell of the map, by class
        rows, columns = np.nonzero(mask < classes)
        np.add.at(share, (mask[rows, columns], cell[rows], cell[columns]), 1.0)
        total = total + share.reshape(classes, -1) @ maps.reshape(len(maps), -1).T
        weight += share.sum((1, 2))[:, None]
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def dataset_fingerprint(pairs: Sequence[Pair]) -> str:
    """A short name for the files behind the pairs, by id, size and time of change: wherever they are mounted."""
    parts = [(pair.id, *(f(path) for path in (pair.image, pair.mask) for f in (_size, _changed))) for pair in pairs]
    return f"{stable_seed(parts):016x}"


def _size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.is_file() else -1


def _changed(path: Path | None) -> int:
    return path.stat().st_mtime_ns if path is not None and path.is_file() else -1
