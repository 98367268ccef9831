"""One image, against its ground truth and by baselines: what a worker of an evaluation does, in this process or in
another.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.baselines.base import Baseline, Example, LeftOut
from evaluation.metrics.choices import Backend
from evaluation.metrics.class_table import class_rows
from evaluation.metrics.mask_features import mask_features
from segqc.base.errors import BadInput
from segqc.data.labels import VOID
from segqc.data.reader import PairReader


@dataclass(frozen=True)
class JudgedPair:
    """A prediction and its true mask.

    Attributes
    ----------
    example : Example
    truth : Path
    spacing : (float, float) or None
        Size of a pixel, where it is known.
    """

    example: Example
    truth: Path
    spacing: tuple[float, float] | None


@dataclass(frozen=True)
class Measured:
    """How good one prediction is.

    Attributes
    ----------
    classes : list of dict
        `evaluation.metrics.class_table.class_rows`.
    features : float64 `[7]`
        `evaluation.metrics.mask_features` of the prediction, without class frequencies.
    diagonal : float
        Diagonal of the image, in the unit of the distances.
    """

    classes: list[dict[str, Any]]
    features: np.ndarray
    diagonal: float


def measure(backend: Backend, pair: JudgedPair) -> Measured | BadInput:
    """Metrics and features of one pair, or why it cannot be read."""
    example, labels = pair.example, pair.example.labels
    try:
        mask = example.mask()
        truth = (example.reader or PairReader(labels)).truth(pair.truth, (mask.shape[1], mask.shape[0]))
    except BadInput as error:
        return error
    rows = class_rows(example.id, mask, truth, labels.names, VOID, labels.background, pair.spacing, backend=backend)
    features = mask_features(mask, labels.num_classes, labels.background, VOID)
    return Measured(rows, features, float(np.hypot(*np.multiply(mask.shape, pair.spacing or 1))))


def score_alone(baselines: Sequence[Baseline], example: Example) -> np.ndarray:
    """The scores of one image by each baseline, float64 `[m]`, NaN where there is none."""
    warnings.simplefilter("ignore", LeftOut)  # the score, NaN, says it
    return np.array([baseline.score([example])[0] for baseline in baselines], np.float64)
