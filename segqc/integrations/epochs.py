"""One validation after another, judged: the distribution of its scores and its worst predictions."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from segqc.data.labels import LabelSpace
from segqc.gallery.overlay import overlay_heat, overlay_mask
from segqc.hook import Inspection, QualityHook
from segqc.hook.attach import attach
from segqc.hook.quality_hook import Judge


@dataclass(frozen=True)
class EpochReport:
    """What one validation looked like to the quality model.

    Attributes
    ----------
    epoch : float
        As the training loop counts, possibly with a fraction.
    step : int
        Optimiser steps so far.
    scores : ndarray `[n]` float64
        Scores of the predictions that could be scored, in their order.
    worst : list of Inspection
        The predictions with the highest scores, the worst first.
    failed : int
        Predictions that could not be judged.
    """

    epoch: float
    step: int
    scores: np.ndarray
    worst: list[Inspection]
    failed: int

    def numbers(self) -> dict[str, float]:
        """The score's distribution by name, and how many predictions were judged and not; higher scores are worse."""
        known = {"judged": float(len(self.scores)), "failed": float(self.failed)}
        if not len(self.scores):
            return known
        quantiles = np.quantile(self.scores, [0.5, 0.9])
        return {
            "score_mean": float(self.scores.mean()), "score_median": float(quantiles[0]),
            "score_p90": float(quantiles[1]), "score_max": float(self.scores.max()),
        } | known  # fmt: skip


StopRule = Callable[[EpochReport], bool]
"""Whether training shall stop after this validation."""


class EpochJudge:
    """A hook that collects one validation at a time.

    Parameters
    ----------
    qc : QualityControl
    worst : int
        Predictions that are kept with their pictures.
    policy : optional
        What else happens to predictions, as in `segqc.hook.attach`.
    **options
        As in `segqc.hook.attach`; a `sample_rate` below 1 keeps validation fast.
    """

    def __init__(self, qc: Judge, worst: int = 8, policy: Any = "annotate", **options: Any) -> None:
        if worst < 0:
            raise ValueError(f"Expected `worst` to be 0 or more, but got {worst}")
        self.qc, self.keep = qc, worst
        others = list(policy) if isinstance(policy, list | tuple) else [policy]
        self._options = options | {"policy": [self._collect, *others]}
        self.handle: QualityHook | None = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._scores: list[float] = []
        self._worst: list[tuple[float, int, Inspection]] = []
        self._failed = 0

    def begin(self, model: Any) -> None:
        """Attach to a model, or go on with the one that is attached."""
        if self.handle is None:
            self.handle = attach(self.qc, model, **self._options)

    def end(self, epoch: float, step: int) -> EpochReport:
        """What was judged since the last report."""
        if self.handle is not None:
            self.handle.flush()
        worst = [item for *_, item in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]
        report = EpochReport(epoch, step, np.array(self._scores, np.float64), worst, self._failed)
        self._start_afresh()
        return report

    def close(self) -> None:
        """Leave the model as it was."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None

    def _collect(self, inspection: Inspection) -> None:
        score = inspection.verdict.score
        if score is None:
            self._failed += 1
            return
        self._scores.append(score)
        if self.keep:
            entry = (score, -inspection.number, inspection)
            push = heapq.heappush if len(self._worst) < self.keep else heapq.heappushpop
            push(self._worst, entry)


def draw(inspection: Inspection, labels: LabelSpace) -> np.ndarray:
    """The mask and the heat map of a prediction over its picture, side by side, uint8 `[H, 2 W, 3]`."""
    assert inspection.image is not None
    assert inspection.mask is not None
    photo, heat = Image.fromarray(inspection.image), inspection.verdict.heatmap
    parts = [overlay_mask(photo, inspection.mask, labels)]
    if heat is not None:
        parts.append(overlay_heat(photo, Image.fromarray(np.round(heat * 255).astype(np.uint8))))
    return np.concatenate([np.asarray(part) for part in parts], axis=1)


def caption(inspection: Inspection) -> str:
    """The verdict in a line."""
    return str(inspection.verdict)
