"""Predictions against ground truth in a few numbers: what an audit prints when it happens to have the truth."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from evaluation.metrics.class_table import class_rows, metrics_of_row
from evaluation.metrics.classes import mean_dice, reduce_classes
from evaluation.metrics.objects import object_ious
from evaluation.ranking.correlation import pearson_of_top, spearman
from evaluation.ranking.selective import auroc, bad_below, mean_of_top, precision_at, worst_decile
from evaluation.ranking.undefined import why_no_failures, why_no_worst_tenth, why_undefined, why_undefined_at_top


class Labels(Protocol):
    """What is needed of a label space."""

    @property
    def num_classes(self) -> int:
        """Number of classes, the background included."""
        ...

    @property
    def background(self) -> int | None:
        """Index of the background; None where there is none."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...


class DiceComparison:
    """Mean foreground Dice per image, and how well a score (higher = worse) ranks by it.

    Parameters
    ----------
    top : int
        K of "the K ranked worst".
    threshold : float
        Images below this Dice are failures.
    """

    def __init__(self, top: int = 50, threshold: float = 0.5) -> None:
        self.top = top
        self.threshold = threshold

    def measure(self, prediction: np.ndarray, truth: np.ndarray, labels: Labels) -> float:
        """Mean Dice of two uint8 masks `[H, W]`, 255 where void, in [0, 1]."""
        return mean_dice(prediction, truth, labels.num_classes, void=255, background=labels.background)

    def measure_objects(
        self,
        numbers: np.ndarray,
        classes: np.ndarray,
        true_numbers: np.ndarray,
        true_classes: np.ndarray,
        known: np.ndarray,
    ) -> np.ndarray:
        """Intersection over union of each object: `evaluation.metrics.objects.object_ious`."""
        return object_ious(numbers, classes, true_numbers, true_classes, known)

    def measure_volume(
        self, id_: str, prediction: np.ndarray, truth: np.ndarray, labels: Labels, spacing: tuple[float, ...]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Metrics of a volume in three dimensions.

        Parameters
        ----------
        id_ : str
            The volume's.
        prediction, truth : uint8 `[X, Y, Z]`
            255 where void.
        labels : Labels
        spacing : tuple of float
            Size of a voxel along each axis, mm.

        Returns
        -------
        dict
            `evaluation.metrics.classes.ImageMetrics`: means over the foreground classes, distances in mm; that of a
            class which one of the two lacks counts as the volume's diagonal.
        list of dict
            `evaluation.metrics.class_table.class_rows`.
        """
        rows = class_rows(id_, prediction, truth, labels.names, 255, labels.background, spacing)
        diagonal = math.hypot(*(size * length for size, length in zip(truth.shape, spacing, strict=True)))
        return asdict(reduce_classes([metrics_of_row(row) for row in rows], diagonal)), rows

    def judge(self, scores: Sequence[float], qualities: Sequence[float]) -> dict[str, Any]:
        """Measures of a ranking; None where a measure is undefined (all images failures, say), with the reason by the
        name of the measure under "undefined", which is left out where all have a value.
        """
        s, dice = np.asarray(scores, np.float64), np.asarray(qualities, np.float64)
        failures = bad_below(dice, self.threshold)
        top = min(self.top, len(s))
        values = {
            "mean_dice": float(dice.mean()),
            "failures": int(failures.sum()),
            "spearman": spearman(s, dice),
            "auroc_failure": auroc(s, failures),
            "auroc_worst_decile": auroc(s, worst_decile(dice)),
            "top": top,
            "mean_dice_of_top": mean_of_top(s, dice, top),
            "mean_dice_of_top_oracle": mean_of_top(-dice, dice, top),
            "precision_at_top": precision_at(s, failures, top),
            "pearson_of_top": pearson_of_top(s, dice, top),
        }
        found: dict[str, Any] = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        undefined = {name: self._why(name, s, dice) for name, value in found.items() if value is None}
        return found | ({"undefined": undefined} if undefined else {})

    def _why(self, measure: str, scores: np.ndarray, dice: np.ndarray) -> str:
        """Why a measure has no value."""
        if measure == "auroc_failure":
            return why_no_failures(dice, self.threshold)
        if measure == "auroc_worst_decile":
            return why_no_worst_tenth(dice)
        if measure == "pearson_of_top":
            return why_undefined_at_top(scores, dice, min(self.top, len(scores)))
        return why_undefined(scores, dice)
