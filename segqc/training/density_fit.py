"""After training: features of inlier pairs, the unit of the heat map, and the density head fitted on them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from accelerate import Accelerator
from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.fingerprints import stable_seed
from segqc.base.parts import Parts
from segqc.base.scoring import read_and_score
from segqc.data.dataset import PairDataset
from segqc.data.pairs import Pair
from segqc.density import DensityHead
from segqc.model.quality_model import QualityModel
from segqc.training.resolved import ResolvedTrainConfig


def fit_density(
    model: QualityModel,
    config: ResolvedTrainConfig,
    train_pairs: Sequence[Pair],
    validation_pairs: Sequence[Pair],
    accelerator: Accelerator,
    console: Console | None,
) -> None:
    """Fit `model.density` on ground-truth pairs: components chosen on the validation pairs, refitted on all; sets
    `inlier_norm` too.

    Training pairs are a fixed random subset of at most `config.density_items`. Features are kept in parts
    (`segqc.base.parts`), so that a killed run continues, with any number of processes.
    """
    chosen = np.random.default_rng(stable_seed(config.seed, "density")).permutation(len(train_pairs))[
        : config.density_items
    ]
    pairs = [train_pairs[i] for i in sorted(chosen)] + list(validation_pairs)
    train_count = len(pairs) - len(validation_pairs)
    stored = model.config
    sizes = config.image_size, config.grid_size
    dataset = PairDataset(pairs, stored.label_space, *sizes, None, config.seed, stored.picture_reading, stored.tiles)
    world = accelerator.num_processes
    header = {"weights": weights_fingerprint(model), "levels": model.config.score_levels}
    parts = Parts(config.out / "training", "inliers", accelerator.process_index, header)
    unfinished = [i for i, pair in enumerate(pairs) if parts.latest(pair.id) is None]
    accelerator.wait_for_everyone()  # what another process adds would be passed over here
    with parts.own, make_progress(console) as progress:
        own = unfinished[accelerator.process_index :: world]
        task = progress.add_task("inlier features", total=len(own), visible=bool(own))

        def score(sample: tuple[int, dict[str, np.ndarray]]) -> tuple[int, list[Any]]:
            index, arrays = sample
            return index, model.read(arrays["image"], arrays["mask"]).features.tolist()

        for index, found in read_and_score(
            lambda i: (i, dataset.sample(i, None)), score, own, accelerator.device, world
        ):
            parts.append(pairs[index].id, {"features": found})
            progress.advance(task)
    accelerator.wait_for_everyone()
    if world > 1:
        parts.read_others()
    features = np.array([row["features"] for row in parts.rows_of(pair.id for pair in pairs)])  # [n, L, F]
    model.config = dataclasses.replace(model.config, inlier_norm=tuple(features[:, :, 0].mean(0).tolist()))
    flat = features.reshape(len(features), -1)
    model.density = DensityHead.fit(flat[:train_count], flat[train_count:], seed=config.seed)


def density_items(config: ResolvedTrainConfig, pairs: int) -> int:
    """Pairs behind the density head, of so many in all."""
    held_out = round(config.validation_fraction * pairs)
    return min(config.density_items, pairs - held_out) + held_out


def weights_fingerprint(model: QualityModel) -> str:
    """A short name for the network's weights."""
    sums = [
        (name, float(tensor.double().sum()), float(tensor.double().square().sum()))
        for name, tensor in model.network.state_dict().items()
    ]
    return f"{stable_seed(sums):016x}"
