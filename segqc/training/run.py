"""`segqc train`: pairs of pictures and masks in, a model folder out.

The run folder holds `training/` (checkpoints, feature cache, journals, TensorBoard log) while it grows;
`model.safetensors` and `config.json` appear when it is done. Every state is written whole, and what a step sees depends
on (seed, step, sample) alone, so the same command continues a killed run and ends, on a CPU, with the same bits.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.text import Text

from segqc.base.console import make_progress
from segqc.base.devices import make_accelerator, wants_bfloat16
from segqc.base.errors import BadInput
from segqc.base.files import write_json
from segqc.base.fingerprints import stable_seed
from segqc.base.journal import Journal
from segqc.base.locks import exclusive
from segqc.base.settings import to_json
from segqc.base.version import __version__
from segqc.data.dataset import AugmentConfig, PairDataset
from segqc.data.folds import rows_without_fold
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, Problem, dataset_fingerprint, split_validation
from segqc.model.folder import CONFIG, save_model
from segqc.model.quality_model import QualityModel
from segqc.model.segment_noise import SegmentNoise, class_swaps
from segqc.training.config import TrainConfig, resolve
from segqc.training.density_fit import fit_density
from segqc.training.design import new_model
from segqc.training.feature_cache import BLOCK, FeatureCache
from segqc.training.guessers import CrossFitted
from segqc.training.pairs import check_pairs, training_labels, training_pairs
from segqc.training.run_record import claim_run
from segqc.training.schedule import cache_keys
from segqc.training.statistics import class_looks, class_pictures
from segqc.training.trainer import Trainer

# of the augmented views: the same for every run, so that runs of other seeds and methods can share cached features
_VIEW_SEED = 0


def train(
    config: TrainConfig, console: Console | None = None, found: tuple[list[Pair], list[Problem]] | None = None
) -> Path:
    """Train a model, or continue where the same run was stopped.

    Parameters
    ----------
    config : TrainConfig
    console : Console, optional
        Where progress goes; None is silent.
    found : tuple of list of Pair and list of Problem, optional
        What `training_pairs` finds, from a caller who knows already.

    Returns
    -------
    Path
        The model folder, `config.out`.

    Raises
    ------
    BadInput
        Nothing to train on, the folder holds a run with other settings or on other data, or another training is writing
        there.
    """
    config = resolve(config)
    labels = training_labels(config)
    accelerator = make_accelerator(config.device)
    if config.batch_size % accelerator.num_processes:
        raise BadInput(
            "--batch-size",
            f"{config.batch_size} cannot be shared by {accelerator.num_processes} processes",
            "give a multiple",
        )
    console = console if accelerator.is_main_process else None
    if found is None:
        with accelerator.main_process_first():
            found = training_pairs(config)  # before the folder is claimed: a mistyped path must not leave a run behind
    finished = (config.out / CONFIG).is_file()  # then nothing is written, and nobody else is kept from it
    locked = accelerator.is_main_process and not finished
    with exclusive(config.out / "training" / "run.lock", config.out, "training") if locked else nullcontext():
        if accelerator.is_main_process:
            claim_run(config, found[0], console)
        accelerator.wait_for_everyone()
        if not finished:
            _train(config, labels, found, accelerator, console)
        elif console:
            console.print(f"{config.out} already holds the finished model of this run.")
    return config.out


def _train(
    config: TrainConfig,
    labels: LabelSpace,
    found: tuple[list[Pair], list[Problem]],
    accelerator: Accelerator,
    console: Console | None,
) -> None:
    """Take a claimed run to its end, from where it stands."""
    folder = config.out / "training"
    train_pairs, validation_pairs = _usable_pairs(config, labels, *found, accelerator, console)
    dataset = PairDataset(
        train_pairs + validation_pairs, labels, config.image_size, config.grid_size, AugmentConfig(), _VIEW_SEED
    )
    model = new_model(config, labels).to(accelerator.device)
    source: FeatureCache | PairDataset = dataset
    if config.views:
        source = _filled_cache(config, model, dataset, len(train_pairs), len(validation_pairs), accelerator, console)

    train_rows, validation_rows = _rows(config, train_pairs, validation_pairs, console)
    noise = guess = None
    if model.method.uses_segment_noise:
        noise = SegmentNoise(class_swaps(class_looks(model, source, train_rows), labels.foreground), labels.background)

        def build(own: TrainConfig) -> QualityModel:
            guesser = new_model(own, labels)
            guesser.encoder = model.encoder
            return guesser

        guess = CrossFitted.train(config, build, source, train_rows, validation_rows, accelerator, console).belief
    task = "training" if config.fold is None else f"training {config.fold + 1} of {config.folds}"
    trainer = Trainer(config, model, source, train_rows, validation_rows, accelerator, console, noise, guess, task)
    report = trainer.run()
    validation_loss, best = trainer.best_network()
    model.network.load_state_dict(best)
    model.eval()
    seen_pairs, chosen_by = [dataset.pairs[row] for row in train_rows], [dataset.pairs[row] for row in validation_rows]
    fit_density(model, config, seen_pairs, chosen_by, accelerator, console)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        report |= {
            "validation_loss": validation_loss,
            "train_pairs": len(train_rows),
            "validation_pairs": len(validation_rows),
        }
        seen, empty = class_pictures(source, train_rows, labels)
        report |= {"class_pictures": seen, "empty_pictures": empty}
        report |= {"segqc": __version__, "torch": torch.__version__, "config": to_json(config)}
        model.config = dataclasses.replace(model.config, training=report)
        save_model(config.out, model)
        for spent in (folder / "cache", *folder.glob("guesser-*")):
            shutil.rmtree(spent, ignore_errors=True)
    accelerator.wait_for_everyone()


def _usable_pairs(
    config: TrainConfig,
    labels: LabelSpace,
    pairs: list[Pair],
    problems: list[Problem],
    accelerator: Accelerator,
    console: Console | None,
) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs that can be read; the others are listed in `training/problems.json` and counted on
    screen.
    """
    with accelerator.main_process_first():
        header = {"data": dataset_fingerprint(pairs)}
        with make_progress(console) as progress, Journal(config.out / "training" / "checked.jsonl", header) as journal:
            unseen = sum(pair.id not in journal for pair in pairs)
            task = progress.add_task("checking files", total=unseen, visible=unseen > 0)
            usable, unreadable = check_pairs(pairs, labels, journal, lambda n: progress.advance(task, n))
    problems = problems + unreadable
    if accelerator.is_main_process:
        write_json(config.out / "training" / "problems.json", [dataclasses.asdict(problem) for problem in problems])
    if console and problems:
        where = config.out / "training" / "problems.json"
        console.print(
            Text.assemble((f"{len(problems)} pairs cannot be used", "yellow"), f", listed with reasons in {where}")
        )
    train_ids, validation_ids = split_validation([pair.id for pair in usable], config.validation_fraction)
    train_set, validation_set = set(train_ids), set(validation_ids)
    parts = [pair for pair in usable if pair.id in train_set], [pair for pair in usable if pair.id in validation_set]
    if not all(parts):
        raise BadInput(
            config.voc_root or config.images,
            f"has {len(usable)} usable pairs: too few to train and validate on",
            "see training/problems.json",
        )
    if console:
        console.print(f"{len(parts[0])} pairs to train on, {len(parts[1])} to validate, {len(problems)} unusable.")
    return parts


def _rows(
    config: TrainConfig, train_pairs: list[Pair], validation_pairs: list[Pair], console: Console | None
) -> tuple[Sequence[int], Sequence[int]]:
    """Which pairs to train and to validate on, as rows of all of them: the fold that is left out keeps its place, and
    its features, in the cache.
    """
    if config.fold is None:
        return range(len(train_pairs)), range(len(train_pairs), len(train_pairs) + len(validation_pairs))
    ids = [pair.id for pair in train_pairs], [pair.id for pair in validation_pairs]
    train_rows, validation_rows = rows_without_fold(*ids, config.fold, config.folds, config.seed)
    if console:
        console.print(
            f"Without fold {config.fold + 1} of {config.folds}: {len(train_rows)} to train on, {len(validation_rows)} to validate."
        )
    return train_rows, validation_rows


def _filled_cache(
    config: TrainConfig,
    model: QualityModel,
    dataset: PairDataset,
    train_items: int,
    validation_items: int,
    accelerator: Accelerator,
    console: Console | None,
) -> FeatureCache:
    """The frozen features of all views, computed where they are missing; processes share the blocks."""
    keys = cache_keys(train_items, config.views, validation_items)
    shapes = [
        tuple(m.shape[1:])
        for m in model.image_features(
            torch.zeros(1, 3, config.image_size, config.image_size, dtype=torch.uint8, device=model.device)
        )
    ]
    bfloat16 = wants_bfloat16(config.precision, accelerator.device)
    made = (config.encoder, config.image_size, model.config.network.context_sizes[: len(shapes)], bfloat16)
    seen = (to_json(dataset.augment), dataset.seed, dataset.labels.to_dict())
    fingerprint = f"{stable_seed(dataset_fingerprint(dataset.pairs), *made, *seen):016x}"
    folder = config.feature_cache or config.out / "training" / "cache"
    arguments = (folder, keys, shapes, config.grid_size, fingerprint)
    with accelerator.main_process_first():
        cache = FeatureCache(*arguments, create=accelerator.is_main_process)
    missing = cache.missing
    accelerator.wait_for_everyone()  # before anyone marks a block, so that all see the same list
    with make_progress(console) as progress:
        task = progress.add_task(
            "image features", total=len(keys), completed=max(0, len(keys) - len(missing) * BLOCK), visible=bool(missing)
        )
        own = missing[accelerator.process_index :: accelerator.num_processes]
        cache.fill(own, model, dataset, lambda rows: progress.advance(task, rows * accelerator.num_processes), bfloat16)
    accelerator.wait_for_everyone()
    return cache
