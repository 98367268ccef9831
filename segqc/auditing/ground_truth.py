"""`segqc audit` without predictions: which masks of a dataset are wrong.

A model that was trained on a mask agrees with it, right or wrong. So the pairs are dealt into folds, one model is
trained for each on the pairs of the others, and a mask is scored by the model that has seen nothing of it: neither in
training nor in validation nor in the density head. The frozen features of the pictures do not depend on the fold; they
are computed once, in the cache that `segqc train` on the same pairs makes.

The plain segmenter (level t = 0) is the default. It predicts from the picture alone, so that no wrong label can talk it
round; the noisy levels of the other methods hardly changed the ranking of predictions (docs/results-voc.md), and
`structured` trains two more networks for each of its own.
"""

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from segqc.auditing.config import AuditConfig, LabelAuditConfig
from segqc.auditing.folder import claimed, written_paths
from segqc.auditing.job import AuditJob
from segqc.auditing.run import AuditReport, audit
from segqc.base.devices import make_accelerator
from segqc.base.errors import BadInput
from segqc.base.settings import to_json
from segqc.data.folds import folds, rows_without_fold, split_validation
from segqc.data.voc import find_voc
from segqc.training.config import TrainConfig
from segqc.training.first_look import look_first
from segqc.training.pairs import TrainingSource, training_source
from segqc.training.resolved import resolve
from segqc.training.run import train


def audit_labels(config: LabelAuditConfig, console: Console | None = None) -> AuditReport:
    """Train a model per fold, score every mask by that of its own fold, and write what any audit writes; the models
    stay in `out/models`.

    Killed at any point, the same call continues.

    Raises
    ------
    BadInput
        No pairs there, or `out` holds files of somebody else or the trainings of other settings or pairs, or another
        audit is writing there. A bad pair is a row instead.
    ValueError
        Settings that cannot work, or too few pairs for so many folds.
    """
    training = resolve(config.training)
    found = training_source(dataclasses.replace(training, out=config.out), written_paths(config.out), console)
    fold_of = _dealt(found, training)
    accelerator = make_accelerator(training.device)
    models_folder = config.out / "models"
    if accelerator.is_main_process and training.feature_cache is None:
        _refuse_foreign_features(models_folder)
    with claimed(config.out, accelerator):
        if accelerator.is_main_process:
            found = look_first(dataclasses.replace(training, out=config.out), found, console)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process and console:
            console.print(
                f"Auditing the ground truth of {len(found.pairs)} pairs: {training.folds} trainings "
                f"({training.method}, {training.steps:,} steps each), "
                "each without the masks that its model then scores."
            )
        models = train_folds(training, models_folder, console, found)
        images, masks, name = _sources(training)
        if found.volumes:
            images, masks = found.volumes[0].folders.images, found.volumes[0].folders.masks
        facts = {
            "folds": training.folds,
            "models": [str(model.resolve()) for model in models],
            "training": to_json(training),
        }
        job = AuditJob(
            found.pairs,
            found.problems,
            models,
            f"Ground-truth audit of {name}",
            fold_of,
            judged="label",
            facts=facts,
            volumes=found.volumes or None,
        )
        scoring = AuditConfig(
            masks,
            config.out,
            models[0],
            images,
            top=config.top,
            heatmaps=config.heatmaps,
            device=training.device,
            runtime=config.runtime,
        )
        return audit(scoring, console=console, job=job)


def train_folds(
    training: TrainConfig,
    folder: Path,
    console: Console | None = None,
    found: TrainingSource | None = None,
) -> list[Path]:
    """One model folder per fold, in the order of the folds; cached features that have no folder of their own are
    deleted when all are trained.

    `found` is as for `train`.
    """
    models = [train_without(fold, training, folder, console, found) for fold in range(training.folds)]
    if training.feature_cache is None and make_accelerator(training.device).is_main_process:
        shutil.rmtree(features_folder(folder), ignore_errors=True)
    return models


def train_without(
    fold: int,
    training: TrainConfig,
    folder: Path,
    console: Console | None = None,
    found: TrainingSource | None = None,
) -> Path:
    """Train without one of the `training.folds` folds, and return the model's folder below `folder`.

    `found` is as for `train`.
    """
    own = folder / f"fold-{fold}-of-{training.folds}-seed-{training.seed}"
    cache = training.feature_cache or features_folder(folder)
    return train(dataclasses.replace(training, fold=fold, out=own, feature_cache=cache), console, found)


def features_folder(folder: Path) -> Path:
    """Where `train_without` keeps cached features for the other folds, unless `feature_cache` says where."""
    return folder / "features"


def _refuse_foreign_features(folder: Path) -> None:
    """Cached features are overwritten, then deleted. The folder of a fold is there before them."""
    if features_folder(folder).exists() and not any(folder.glob("fold-*-of-*-seed-*")):
        raise BadInput(
            features_folder(folder), "was not created by segqc; refusing to overwrite it", "choose another --out"
        )


def _dealt(found: TrainingSource, training: TrainConfig) -> Mapping[str, int]:
    """The fold of each pair, if every fold leaves something to train and to validate on: better said now than after the
    first training.
    """
    ids = [pair.id for pair in found.pairs]
    parts = split_validation(ids, training.validation_fraction)
    for fold in range(training.folds):
        rows_without_fold(*parts, fold, training.folds, training.seed, found.groups)
    return folds(ids, training.folds, training.seed, found.groups)


def _sources(training: TrainConfig) -> tuple[Path, Path, str]:
    """Folders of pictures and masks, and what to call the dataset."""
    if training.voc_root is not None:
        voc = find_voc(training.voc_root)
        return voc.images, voc.masks, f"{training.voc_root.resolve().name}, {training.image_set}"
    if training.data is not None:
        return training.data, training.data, training.data.name or str(training.data)
    assert training.images is not None
    assert training.masks is not None
    return training.images, training.masks, training.masks.name or str(training.masks)
