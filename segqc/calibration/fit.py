"""From scores, and what is known of some of the predictions behind them, to a calibration.

Three sources for predictions, of which the first two may come together, and one for their objects:

    accepted       predictions that a reviewer accepted, without any quality label: p-values
    labelled       predictions whose Dice is known, a random sample of the audited: expected Dice and threshold;
                   p-values too, where those with a Dice of at least `dice_limit` count as accepted
    ground truth   true masks: p-values, with a warning wherever they are used. A prediction is smoother than a true
                   mask and lacks its void rim, so its scores have another distribution, and the p-values of good
                   predictions are not valid (most often too small: too many predictions are flagged)
    objects        objects whose IoU is known, of a random sample of the pictures: see `segqc.calibration.objects`
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segqc.calibration.calibration import REFERENCE_SCORES, Calibration, Goals, Source
from segqc.calibration.conformal import fit_dice_curve
from segqc.calibration.objects import ObjectTruths, fit_objects
from segqc.calibration.threshold import certify_threshold

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Evidence:
    """The scores of an audit, and what is known of the predictions behind them.

    Attributes
    ----------
    model : str
        Fingerprint of the model that gave the scores.
    scores : sequence of float
        Scores of everything audited, good and bad.
    levels : sequence of int, optional
        Noise levels that were read for them; None: those of the model's score.
    accepted : sequence of float, optional
        Scores of the predictions that were accepted.
    labelled : (scores, Dice), optional
        Scores and Dice of a random sample of the predictions.
    objects : ObjectTruths, optional
        Objects whose IoU is known, of a random sample of the predictions.
    ground_truth : bool
        `scores` are those of true masks, and all of them count as accepted.
    tiles : int
        Tiles along a side in which the pictures were scored.
    audit : str
        Name of the audit, for the record.
    notes : sequence of str
        What was odd about the sources, for the record.

    Raises
    ------
    ValueError
        Nothing is known of any prediction, or true masks and predictions are mixed.
    """

    model: str
    scores: Sequence[float]
    levels: Sequence[int] | None = None
    accepted: Sequence[float] | None = None
    labelled: tuple[Sequence[float], Sequence[float]] | None = None
    objects: ObjectTruths | None = None
    ground_truth: bool = False
    tiles: int = 1
    audit: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        known = any(source is not None for source in (self.accepted, self.labelled, self.objects))
        if self.ground_truth and known:
            raise ValueError(
                "Scores of true masks and scores of predictions do not mix: calibrate on predictions alone"
            )
        if not self.ground_truth and not known:
            raise ValueError("Expected accepted predictions, labelled ones, objects, or scores of true masks")

    @property
    def source(self) -> Source:
        """What the calibration is fitted on."""
        if self.ground_truth:
            return "ground truth"
        if self.accepted is None and self.labelled is None:
            return "objects"
        if self.accepted is None:
            return "labelled"
        return "accepted" if self.labelled is None else "accepted and labelled"


def fit_calibration(evidence: Evidence, goals: Goals | None = None, seed: int = 0) -> Calibration:
    """Fit what the evidence allows.

    Parameters
    ----------
    evidence : Evidence
    goals : Goals, optional
        What the calibration is to promise.
    seed : int
        Random seed of the halves and quarters into which the labelled pairs are divided.

    Raises
    ------
    ValueError
        There is too little to fit on.
    """
    goals = goals or Goals()
    scores = np.sort(np.asarray(evidence.scores, np.float64))
    accepted, curve, threshold = scores if evidence.ground_truth else None, None, None
    counts = {"audited": len(scores)}
    if evidence.labelled is not None:
        known, dice = (np.asarray(values, np.float64) for values in evidence.labelled)
        failed = dice < goals.dice_limit
        counts |= {"labelled": len(known), "failed": int(failed.sum())}
        curve = fit_dice_curve(known, dice, goals.coverage, seed)
        threshold = certify_threshold(known, failed, goals.max_failures, goals.confidence, seed)
        accepted = np.sort(known[~failed])
    if evidence.accepted is not None:
        accepted = np.sort(np.asarray(evidence.accepted, np.float64))
    if accepted is not None:
        counts["accepted"] = len(accepted)
    objects = None
    if evidence.objects is not None:
        objects = fit_objects(evidence.objects, goals.coverage, goals.iou_limit, goals.max_missed, seed)
        counts |= {"objects": objects.objects, "bad objects": objects.bad_objects}
    return Calibration(
        model=evidence.model,
        levels=None if evidence.levels is None else tuple(evidence.levels),
        source=evidence.source,
        goals=goals,
        counts=counts,
        reference=tuple(_thinned(scores).tolist()),
        accepted=None if accepted is None or not len(accepted) else tuple(accepted.tolist()),
        dice=curve,
        threshold=threshold,
        objects=objects,
        tiles=evidence.tiles,
        audit=evidence.audit,
        notes=tuple(evidence.notes),
        quantiles={f"{q:g}": float(np.quantile(scores, q)) for q in _QUANTILES} if len(scores) else {},
    )


def _thinned(scores: np.ndarray) -> np.ndarray:
    """At most `REFERENCE_SCORES` of ascending scores, evenly spaced in rank, both ends among them."""
    if len(scores) <= REFERENCE_SCORES:
        return scores
    return scores[np.linspace(0, len(scores) - 1, REFERENCE_SCORES).round().astype(int)]
