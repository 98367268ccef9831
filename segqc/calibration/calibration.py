"""What a score means: a p-value, an expected Dice and a decision.

The decision, for one prediction alone:

    with a Dice curve    pass: score <= the certified threshold
                         fail: even the upper end of the interval is below `dice_limit`
                         review: the rest
    without              fail: p <= `fail_level`; review: p <= `review_level`; pass: the rest;
                         none while there are too few accepted predictions for a p-value to reach `review_level`

Objects have a calibration of their own (`segqc.calibration.objects`). One on objects alone judges no prediction.

`flag` is for a batch: Benjamini and Hochberg at `fdr`. `segqc.calibration.conformal` and `segqc.calibration.threshold`
say why all this holds, and when it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from segqc.base.settings import to_json
from segqc.base.version import __version__
from segqc.calibration.conformal import DiceCurve, benjamini_hochberg, conformal_p_values
from segqc.calibration.objects import ObjectCalibration
from segqc.calibration.threshold import RiskThreshold
from segqc.verdict import Decision, Judgement

CALIBRATION_FORMAT = "segqc-calibration-1"
REFERENCE_SCORES = 2000
"""Largest number of scores that are kept for comparison with later ones, evenly spaced in rank."""

Source = Literal["accepted", "labelled", "accepted and labelled", "ground truth", "objects"]
"""What a calibration was fitted on; see `segqc.calibration.fit`."""

OVER_FLAGGING = (
    "fitted on true masks, not on predictions: good predictions score otherwise, most often higher, "
    "so more of them are flagged than the levels say. Accept some predictions in the gallery and calibrate on those"
)


@dataclass(frozen=True)
class Goals:
    """What a calibration is to promise.

    Attributes
    ----------
    dice_limit : float
        A prediction whose Dice is below it is a failure.
    max_failures, confidence : float
        Largest share of failures among the predictions that pass, and the confidence level of that guarantee.
    coverage : float
        Coverage of the interval around the expected Dice.
    fdr : float
        False discovery rate: largest expected share of good predictions among those flagged in a batch.
    review_level, fail_level : float
        Where no Dice is known: a prediction whose p-value is at or below them is for review, or fails.
    iou_limit : float
        An object whose IoU is below it is bad.
    max_missed : float
        Largest share of a picture's bad objects that pass, as a mean over pictures that have any.
    """

    dice_limit: float = 0.5
    max_failures: float = 0.05
    confidence: float = 0.9
    coverage: float = 0.9
    fdr: float = 0.1
    review_level: float = 0.1
    fail_level: float = 0.01
    iou_limit: float = 0.5
    max_missed: float = 0.1

    def __post_init__(self) -> None:
        for name, value in to_json(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ValueError(f"Expected `{name}` to lie between 0 and 1, but got {value!r}")


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration. Make one by `fit_calibration`, read one by `load_calibration`.

    Attributes
    ----------
    model : str
        `segqc.model.folder.fingerprint` of the model that gave the scores.
    levels : tuple of int or None
        Noise levels that were read for them; None: those of the model's score.
    source : Source
    goals : Goals
    counts : dict
        How many predictions were audited, accepted, labelled and failed.
    reference : tuple of float
        Scores of everything audited, ascending, thinned to `REFERENCE_SCORES`.
    accepted : tuple of float or None
        Scores of the accepted ones, ascending, all of them.
    dice : DiceCurve or None
    threshold : RiskThreshold or None
    objects : ObjectCalibration or None
        What scores of objects mean.
    tiles : int
        Tiles along a side in which the pictures were scored.
    audit : str
        Name of the audit's folder.
    notes : tuple of str
        Remarks on the data that it was fitted on.
    quantiles : dict
        Quantiles of the audited scores, for the reader of the file.
    segqc, format : str
    """

    model: str
    levels: tuple[int, ...] | None
    source: Source
    goals: Goals
    counts: dict[str, int]
    reference: tuple[float, ...]
    accepted: tuple[float, ...] | None
    dice: DiceCurve | None
    threshold: RiskThreshold | None
    objects: ObjectCalibration | None = None
    tiles: int = 1
    audit: str = ""
    notes: tuple[str, ...] = ()
    quantiles: dict[str, float] = field(default_factory=dict)
    segqc: str = __version__
    format: str = CALIBRATION_FORMAT

    def __post_init__(self) -> None:
        for name in ("reference", "accepted"):
            scores = getattr(self, name)
            values = np.asarray([] if scores is None else scores, np.float64)
            if scores is not None and (not len(values) or not np.isfinite(values).all() or (np.diff(values) < 0).any()):
                raise ValueError(f"Expected `{name}` to hold finite scores in ascending order, at least one")

    @cached_property
    def _accepted(self) -> np.ndarray:
        return np.asarray(self.accepted, np.float64)

    @property
    def warning(self) -> str | None:
        """A warning that every user of this calibration must see; None where there is none."""
        return OVER_FLAGGING if self.source == "ground truth" else None

    @property
    def decides(self) -> bool:
        """Whether it judges predictions, and not their objects alone."""
        return self.dice is not None or self.accepted is not None

    @property
    def missing(self) -> int:
        """Accepted predictions that are missing until a p-value can reach `review_level`, and decisions are taken; 0
        where Dice is known.
        """
        if self.dice is not None or self.accepted is None:
            return 0
        return max(0, _needed(self.goals.review_level) - len(self.accepted))

    def judge(self, score: float) -> Judgement:
        """p-value, expected Dice, interval and decision of one prediction; companions play no part."""
        p_value = None if self.accepted is None else float(conformal_p_values(np.array([score]), self._accepted)[0])
        if self.dice is None:
            decided = None if p_value is None or self.missing else self._decide_by_p_value(p_value)
            return Judgement(p_value, None, None, decided)
        low, high = (float(end) for end in self.dice.interval(np.array(score)))
        return Judgement(
            p_value, float(self.dice.expected(np.array(score))), (low, high), self._decide_by_dice(score, high)
        )

    def _decide_by_p_value(self, p_value: float) -> Decision:
        if p_value <= self.goals.fail_level:
            return "fail"
        return "review" if p_value <= self.goals.review_level else "pass"

    def _decide_by_dice(self, score: float, upper_end: float) -> Decision:
        if self.threshold is not None and self.threshold.value is not None and score <= self.threshold.value:
            return "pass"
        return "fail" if upper_end < self.goals.dice_limit else "review"

    def flag(self, p_values: Sequence[float]) -> np.ndarray:
        """Which of a batch to flag, bool `[m]`: on average at most `goals.fdr` of the flagged are like the accepted
        ones.
        """
        return benjamini_hochberg(np.asarray(p_values, np.float64), self.goals.fdr)

    def statements(self) -> list[str]:
        """What the calibration promises: one sentence for each of its parts."""
        said = []
        if self.accepted is not None:
            count = len(self.accepted)
            said.append(f"p-values from {count} accepted predictions; the smallest possible is {1 / (count + 1):.2g}")
            if self.missing:
                needed = _needed(self.goals.review_level)
                said.append(
                    f"with fewer than {needed} accepted predictions no p-value reaches {self.goals.review_level:g}: "
                    f"decisions are withheld until {self.missing} more are accepted"
                )
            elif self.dice is None and count < _needed(self.goals.fail_level):
                needed = _needed(self.goals.fail_level)
                said.append(
                    f"with fewer than {needed} accepted predictions no p-value reaches {self.goals.fail_level:g}: "
                    "none will be called fail"
                )
        if self.dice is not None:
            width = (
                "no width: too few labels, so [0, 1]"
                if self.dice.quantile is None
                else f"coverage {self.dice.coverage:g}"
            )
            fitted, held_out = self.dice.fitted, self.dice.held_out
            said.append(f"expected Dice from {fitted} labelled pairs, its interval from {held_out} others ({width})")
        if self.threshold is not None:
            said.append(self.threshold.statement(f"Dice < {self.goals.dice_limit:g}"))
        if self.objects is not None:
            said += self.objects.statements()
        return said


def _needed(level: float) -> int:
    """The smallest number of accepted predictions with which a p-value can be `level`."""
    return int(np.ceil(1 / level - 1e-9)) - 1
