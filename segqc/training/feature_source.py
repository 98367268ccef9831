"""Where a training's samples come from: the pairs themselves, or frozen features of their views on disk."""

import torch
from accelerate import Accelerator
from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.devices import wants_bfloat16
from segqc.base.fingerprints import file_sha256, stable_seed
from segqc.base.settings import to_json
from segqc.data.dataset import PairDataset
from segqc.data.pairs import dataset_fingerprint
from segqc.data.pictures import AS_STORED
from segqc.model.quality_model import QualityModel
from segqc.training.feature_cache import BLOCK, FeatureCache
from segqc.training.resolved import ResolvedTrainConfig
from segqc.training.samples import SampleSource
from segqc.training.schedule import cache_keys


def sample_source(
    config: ResolvedTrainConfig,
    model: QualityModel,
    dataset: PairDataset,
    train_items: int,
    accelerator: Accelerator,
    console: Console | None,
) -> SampleSource:
    """The dataset itself, or with `config.views` a cache of its frozen features, computed where they are missing.

    Parameters
    ----------
    config : ResolvedTrainConfig
    model : QualityModel
        Its encoder computes the features.
    dataset : PairDataset
        Training pairs first, then validation pairs.
    train_items : int
        Number of training pairs.
    accelerator : Accelerator
        Its processes share the work.
    console : Console or None
        Where progress goes; None is silent.
    """
    if not config.views:
        return dataset
    keys = cache_keys(train_items, config.views, len(dataset) - train_items)
    with accelerator.main_process_first():
        cache = _open_cache(config, model, dataset, keys, accelerator)
    missing = cache.missing
    accelerator.wait_for_everyone()  # before anyone marks a block, so that all see the same list
    with make_progress(console) as progress:
        done = max(0, len(keys) - len(missing) * BLOCK)
        task = progress.add_task("image features", total=len(keys), completed=done, visible=bool(missing))
        own = missing[accelerator.process_index :: accelerator.num_processes]
        bfloat16 = wants_bfloat16(config.precision, accelerator.device)
        processes = accelerator.num_processes
        cache.fill(own, model, dataset, lambda rows: progress.advance(task, rows * processes), bfloat16, processes)
    accelerator.wait_for_everyone()
    return cache


def _open_cache(
    config: ResolvedTrainConfig,
    model: QualityModel,
    dataset: PairDataset,
    keys: list[tuple[int, int | None]],
    accelerator: Accelerator,
) -> FeatureCache:
    """The cache of this dataset and encoder, perhaps with blocks that an earlier run computed."""
    blank = torch.zeros(1, 3, config.image_size, config.image_size, dtype=torch.uint8, device=model.device)
    shapes = [tuple(maps.shape[1:]) for maps in model.image_features(blank)]
    bfloat16 = wants_bfloat16(config.precision, accelerator.device)
    made: tuple[object, ...] = (
        config.encoder,
        config.image_size,
        model.config.network.context_sizes[: len(shapes)],
        bfloat16,
    )
    if config.encoder_weights is not None:
        made += (file_sha256(config.encoder_weights),)
    seen = [to_json(dataset.augment), dataset.seed, dataset.labels.to_dict()]
    if dataset.pictures != AS_STORED:
        seen.append(dataset.pictures.to_dict())
    if dataset.tiles > 1:
        seen.append(dataset.tiles)
    fingerprint = f"{stable_seed(dataset_fingerprint(dataset.pairs), *made, *seen):016x}"
    folder = config.feature_cache or config.out / "training" / "cache"
    return FeatureCache(folder, keys, shapes, config.grid_size, fingerprint, create=accelerator.is_main_process)
