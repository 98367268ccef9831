"""Scores of masks by models that were not trained on them: k trainings, each scores the fold that it did not see."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from evaluation.corruption.donors import mask_path
from evaluation.corruption.measures import quality_score
from segqc.auditing.ground_truth import train_without
from segqc.base.console import make_progress
from segqc.base.journal import Journal
from segqc.base.scoring import read_and_score
from segqc.data.folds import folds
from segqc.data.labels import LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair, dataset_fingerprint
from segqc.data.pictures import read_image
from segqc.model.folder import load_model
from segqc.quality_control import QualityControl
from segqc.training.config import TrainConfig

Train = Callable[[int, int, int, Path], Any]
Measure = Callable[[Any, Image.Image, np.ndarray], dict[str, float]]


def cross_fitted_scores(
    train: Train,
    pairs: Sequence[Pair],
    labels: LabelSpace,
    folder: Path,
    k: int = 3,
    seed: int = 0,
    *,
    scorer_id: str,
    measure: Measure = quality_score,
    device: torch.device | None = None,
    console: Console | None = None,
) -> dict[str, dict[str, float]]:
    """Score every mask by a model that was not trained on it.

    A pair's numbers are kept as soon as they are known: the same call continues a killed run, and does not train again
    for a fold that is scored.

    Parameters
    ----------
    train : callable
        (fold, k, seed, folder for models) -> model, trained without what `segqc.data.folds.folds` deals to that fold.
        Called again after a kill: it should continue its own training.
    pairs : sequence of Pair
        With masks that have labelled pixels, each id once.
    folder : Path
        Folder for the models and the scores.
    k, seed : int
        Number and seed of the `folds`.
    scorer_id : str
        Identifies what else the numbers depend on (settings of the training, measure): numbers kept under another
        name are not used.
    measure : callable
        (model, picture, mask uint8 `[H, W]`) -> numbers by name, higher = worse.
    device : torch.device, optional
        Where `measure` computes, the CPU by default: there it is called in threads, several at a time.

    Returns
    -------
    dict of str to dict of str to float, by id in the order of `pairs`

    Raises
    ------
    BadInput
        A file that cannot be read.
    ValueError
        A fold would be empty, or an id occurs twice.
    """
    fold_of = folds([pair.id for pair in pairs], k, seed)
    if len(fold_of) < len(pairs):
        raise ValueError("Expected every id once, but one occurs twice")
    header = {"scorer": scorer_id, "data": dataset_fingerprint(pairs), "labels": labels.to_dict()}

    def read(pair: Pair) -> tuple[str, Image.Image, np.ndarray]:
        image = read_image(pair.image)
        return pair.id, image, read_mask(mask_path(pair), labels, size=image)

    found: dict[str, dict[str, float]] = {}
    for fold in range(k):
        name = f"fold-{fold}-of-{k}-seed-{seed}"
        held_out = [pair for pair in pairs if fold_of[pair.id] == fold]
        with Journal(Path(folder) / ".progress" / f"{name}.jsonl", header) as journal:
            todo = [pair for pair in held_out if pair.id not in journal]
            if todo:
                model = train(fold, k, seed, Path(folder))
                measured = read_and_score(read, partial(_measured, measure, model), todo, device or torch.device("cpu"))
                with make_progress(console) as progress:  # after the training, which has a progress bar of its own
                    for id_, numbers in progress.track(
                        measured, total=len(todo), description=f"scoring fold {fold + 1} of {k}"
                    ):
                        journal.append(id_, numbers)
            found |= {pair.id: journal.rows[pair.id] for pair in held_out}
    return {pair.id: found[pair.id] for pair in pairs}


def _measured(measure: Measure, model: Any, item: tuple[str, Image.Image, np.ndarray]) -> tuple[str, dict[str, float]]:
    id_, image, mask = item
    return id_, measure(model, image, mask)


def segqc_trainer(config: TrainConfig, console: Console | None = None) -> Train:
    """`segqc train` as the `train` of `cross_fitted_scores`, on the pairs that `config` names; its `out`, `fold`,
    `folds` and `seed` are not used.
    """

    def fit(fold: int, k: int, seed: int, folder: Path) -> QualityControl:
        return QualityControl(
            load_model(train_without(fold, replace(config, folds=k, seed=seed), folder, console), config.device)
        )

    return fit
