"""What a training costs on this machine, measured on a few of its own pairs in its first seconds."""

import dataclasses
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from segqc.base.devices import peak_memory_gib, wants_bfloat16
from segqc.base.errors import BadInput
from segqc.data.dataset import AugmentConfig, PairDataset
from segqc.data.pairs import Pair
from segqc.model.quality_model import QualityModel
from segqc.model.segment_noise import SegmentNoise, class_swaps
from segqc.training.density_fit import density_items
from segqc.training.design import new_model
from segqc.training.feature_cache import encoded
from segqc.training.pairs import TrainingSource
from segqc.training.resolved import ResolvedTrainConfig
from segqc.training.samples import TrainingData
from segqc.training.trainer import Trainer
from segqc.training.wrong_masks import WrongMasks

_TRIED = 64  # pairs that are tried until a batch of them can be read
_STEPS = 3  # that are timed, after one that warms up
_GUESSERS = 2  # networks of the method `structured` beside its own
_CHECKPOINTS = 10  # of the network's size: last and best states of three networks, and the model


@dataclass(frozen=True)
class Speed:
    """Seconds and bytes of the parts of a training.

    Attributes
    ----------
    view_seconds : float
        Time to read a pair, augment it and compute its image features.
    step_seconds : float
        Time of one optimizer step, with its segment noise.
    score_seconds : float
        Time to read the features of one pair for the density head.
    view_bytes : int
        Size on disk of one view's features and mask.
    network_bytes : int
        Size of the network's weights.
    memory_gib : float or None
        Peak memory of the process after these steps; None where the system does not tell.
    """

    view_seconds: float
    step_seconds: float
    score_seconds: float
    view_bytes: int
    network_bytes: int
    memory_gib: float | None

    def views(self, config: ResolvedTrainConfig, pairs: int) -> int:
        """Views whose features are cached."""
        held_out = round(config.validation_fraction * pairs)
        return (pairs - held_out) * config.views + held_out if config.views else 0

    def fixed_seconds(self, config: ResolvedTrainConfig, pairs: int) -> float:
        """Seconds that do not depend on the number of steps."""
        return self.view_seconds * self.views(config, pairs) + self.score_seconds * density_items(config, pairs)

    def seconds(self, config: ResolvedTrainConfig, pairs: int) -> float:
        """Seconds of a whole training on so many pairs."""
        return self.fixed_seconds(config, pairs) + self.seconds_per_step(config, pairs) * all_steps(config)

    def seconds_per_step(self, config: ResolvedTrainConfig, pairs: int) -> float:
        """Seconds of a step with its share of the validations, which go forward only: a third of a step's work."""
        validated = min(config.validation_items, config.validation_fraction * pairs) / config.batch_size
        return self.step_seconds * (1 + validated / 3 / config.validate_every)

    def disk_bytes(self, config: ResolvedTrainConfig, pairs: int) -> int:
        """Bytes on disk at the most: cached features, checkpoints with the optimizer's state, and the model."""
        return self.view_bytes * self.views(config, pairs) + _CHECKPOINTS * self.network_bytes


def all_steps(config: ResolvedTrainConfig) -> int:
    """Steps of the network and of its guessers."""
    return config.steps + (_GUESSERS * config.guess_steps if config.method == "structured" else 0)


def measure_speed(config: ResolvedTrainConfig, source: TrainingSource, accelerator: Accelerator) -> Speed:
    """Time the parts of a training on one batch of its pairs.

    Raises
    ------
    BadInput
        None of the first pairs can be read.
    """
    pairs = _readable(config, source)
    dataset = PairDataset(
        pairs, source.labels, config.image_size, config.grid_size, AugmentConfig(), 0, source.pictures, config.tiles
    )
    model = new_model(config, source.labels).to(accelerator.device)
    bfloat16 = wants_bfloat16(config.precision, accelerator.device)
    view_seconds, shapes = math.inf, []
    for attempt in range(2):  # the first also pays for what is set up once
        started = time.perf_counter()
        images = np.stack([dataset.sample(row, attempt)["image"] for row in range(len(pairs))])
        maps = [part.cpu() for part in encoded(model, torch.from_numpy(images), bfloat16)]
        view_seconds = min(view_seconds, (time.perf_counter() - started) / len(pairs))
        shapes = [part.shape[1:] for part in maps]
    step_seconds = _step_seconds(config, model, dataset, accelerator)
    model.eval()
    sample = dataset.sample(0)
    started = time.perf_counter()
    model.read(sample["image"], sample["mask"])
    return Speed(
        view_seconds,
        max(1e-6, step_seconds - (0 if not config.views else view_seconds * config.batch_size)),
        time.perf_counter() - started,
        sum(math.prod(shape) + 8 * shape[0] for shape in shapes) + config.grid_size**2,
        sum(4 * parameter.numel() for parameter in model.network.parameters()),
        peak_memory_gib(accelerator.device),
    )


def _step_seconds(
    config: ResolvedTrainConfig, model: QualityModel, dataset: PairDataset, accelerator: Accelerator
) -> float:
    """Seconds of a step that reads its pairs itself: what is cached is taken off by the caller."""
    rows = range(len(dataset))
    wrong = None
    if model.method.uses_segment_noise:
        labels = dataset.labels
        noise = SegmentNoise(class_swaps(np.zeros((labels.num_classes, 1)), labels.foreground), labels.background)
        wrong = WrongMasks(noise, lambda features, _: model.belief(features).cpu().numpy())
    with tempfile.TemporaryDirectory() as folder:
        own = dataclasses.replace(config, out=Path(folder), steps=_STEPS + 1, workers=0, compile=False)
        return Trainer(own, model, TrainingData(dataset, rows, rows), accelerator, None, wrong).seconds_per_step()


def _readable(config: ResolvedTrainConfig, source: TrainingSource) -> list[Pair]:
    """A batch of pairs that can be read, spread over all of them."""
    every = max(1, len(source.pairs) // _TRIED)
    found, last = [], None
    for pair in source.pairs[::every]:
        dataset = PairDataset([pair], source.labels, 8, 8, None, 0, source.pictures)
        try:
            dataset.sample(0)
        except BadInput as error:
            last = error
            continue
        found.append(pair)
        if len(found) == config.batch_size:
            break
    if not found:
        raise last or BadInput("training data", "holds no pairs", "see `segqc inspect`")
    return found
