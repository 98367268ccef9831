"""Heuristics on the mask alone: its size, its outline, the number of classes and components, and how rare its classes
are.

The signs were fixed by reasoning before anything was scored; none is learned. `read_each` and `score_each`, by which
all baselines read their examples one by one, are here as well.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console

from evaluation.baselines.base import Baseline, Example, Group, LeftOut
from evaluation.metrics.mask_features import MASK_FEATURES, class_log_prior, mask_features
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.data.labels import VOID
from segqc.data.pairs import Pair, dataset_fingerprint

SIGNS = dict(
    zip(
        MASK_FEATURES,
        (
            -1,  # area: a small object loses more Dice by the same error of its outline
            +1,  # boundary length: errors sit on boundaries
            +1,  # classes: a confused network paints one object in several classes
            +1,  # components: and in pieces
            -1,  # compactness: objects are rounder than debris
            +1,  # border contact: an object that is cut off is harder to recognise
            -1,  # log frequency of the classes: rare ones are learned from fewer examples
        ),
        strict=True,
    )
)
"""Sign of each feature: +1 where more is worse, -1 where less is worse."""

NAMES = dict(
    zip(
        MASK_FEATURES,
        (
            "small area",
            "long boundary",
            "many classes",
            "many components",
            "ragged outline",
            "much on the frame",
            "rare classes",
        ),
        strict=True,
    )
)
"""Name of the baseline for each feature: what makes a mask suspect, given the sign."""

T = TypeVar("T")


def read_each(examples: Sequence[Example], function: Callable[[Example], T]) -> list[T | None]:
    """`function` of every example; None, with a warning that names the file, where something cannot be read."""
    results: list[T | None] = []
    for example in examples:
        try:
            results.append(function(example))
        except BadInput as error:
            warnings.warn(LeftOut(example.id, str(error)), stacklevel=2)
            results.append(None)
    return results


def score_each(audited: Sequence[Example], function: Callable[[Example], float]) -> np.ndarray:
    """`function` of every example as float64 `[n]`; NaN, with a warning that names the file, where something cannot be
    read.
    """
    return np.array([np.nan if value is None else value for value in read_each(audited, function)], np.float64)


def training_fingerprint(training: Sequence[Example]) -> str:
    """Hash of the files of the training pairs; their order does not matter."""
    return dataset_fingerprint(
        [Pair(example.id, example.image, example.mask_file) for example in sorted(training, key=lambda e: e.id)]
    )


def describe(example: Example, log_prior: np.ndarray | None) -> np.ndarray:
    """The mask features of one example, float64 in the order of `MASK_FEATURES`.

    Raises `BadInput` when its mask cannot be read.
    """
    labels = example.labels
    return mask_features(
        example.mask(), labels.num_classes, background=labels.background, void=VOID, log_prior=log_prior
    )


def training_log_prior(training: Sequence[Example], folder: Path) -> np.ndarray:
    """`class_log_prior` of the training masks, float64 `[K + 1]`: read from ``class_prior.json`` in `folder` or counted
    and kept there.

    Raises
    ------
    BadInput
        When no training mask can be read.
    """
    path = Path(folder) / "class_prior.json"
    header = {
        "training": training_fingerprint(training),
        "background": training[0].labels.background if training else None,
    }
    if path.is_file() and (kept := read_json(path)).get("header") == header:
        return np.array(kept["log_prior"], np.float64)
    masks = [mask for mask in read_each(training, Example.mask) if mask is not None]
    if not masks:
        raise BadInput(folder, "gets no training mask that can be read", "check the training pairs")
    log_prior = class_log_prior(masks, training[0].labels.num_classes, training[0].labels.background, VOID)
    write_json(path, {"header": header, "log_prior": log_prior.tolist()})
    return log_prior


class MaskHeuristic(Baseline):
    """One of `MASK_FEATURES`, with its sign.

    All features of a mask without foreground are 0: it is the most suspect mask by area and compactness, and the least
    suspect by boundary, classes, components and contact with the frame. No rule corrects that here; the report names
    the baselines that such predictions deceive.
    """

    group: Group = "mask"
    needs = "the mask alone"
    log_prior_: np.ndarray | None = None

    def __init__(self, feature: str) -> None:
        if feature not in MASK_FEATURES:
            raise ValueError(f"Expected one of {', '.join(MASK_FEATURES)}, but got {feature!r}")
        self.feature = feature
        self.name = NAMES[feature]

    def score(self, audited: Sequence[Example]) -> np.ndarray:
        column = MASK_FEATURES.index(self.feature)
        return score_each(
            audited, lambda example: SIGNS[self.feature] * float(describe(example, self.log_prior_)[column])
        )


class RareClasses(MaskHeuristic):
    """The last feature: how rare the mask's classes are in the training masks.

    A mask without foreground is as suspect as such masks are rare in training, and the most suspect of all where
    training has none.
    """

    needs = "the mask, and class frequencies of ground-truth masks"
    learns = True

    def __init__(self) -> None:
        super().__init__(MASK_FEATURES[-1])

    def fit(self, training: Sequence[Example], folder: Path, console: Console | None = None) -> None:
        self.log_prior_ = training_log_prior(training, folder)


def mask_heuristics() -> list[Baseline]:
    """One baseline for each of `MASK_FEATURES`."""
    return [*(MaskHeuristic(feature) for feature in MASK_FEATURES[:-1]), RareClasses()]
