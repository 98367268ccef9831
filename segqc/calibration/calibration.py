"""What a score means: p-values, an expected Dice, a decision; fitted on an audit, kept as JSON, refused for any other
model.

Three sources, of which the first two may come together:

    accepted       predictions that a reviewer accepted, without any quality label: p-values
    labelled       predictions whose Dice is known, a random sample of the audited: expected Dice and threshold; p-values too, where those with a
                   Dice of at least `dice_limit` count as accepted
    ground truth   true masks: p-values, but announced wherever they are used. A prediction is smoother than a true mask and lacks its void rim, so
                   its score comes from elsewhere, and p-values of good predictions are not what they say (most often
                   too small: too many are flagged)

The decision, for one prediction alone:

    with a Dice curve    pass: score <= the certified threshold; fail: even the upper end of the interval is below `dice_limit`; review: the rest
    else                 fail: p <= `fail_level`; review: p <= `review_level`; pass: the rest

`flag` is for a batch: Benjamini and Hochberg at `fdr`. `segqc.calibration.conformal` and `segqc.calibration.threshold`
say why all this holds, and when it does not.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.settings import from_json, to_json
from segqc.base.version import __version__
from segqc.calibration.conformal import DiceCurve, benjamini_hochberg, conformal_p_values, fit_dice_curve
from segqc.calibration.threshold import RiskThreshold, certify_threshold
from segqc.verdict import Decision, Judgement

CALIBRATION = "calibration.json"
CALIBRATION_FORMAT = "segqc-calibration-1"
REFERENCE_SCORES = 2000
"""At most so many scores are kept for comparison with later ones, evenly spaced in rank."""

Source = Literal["accepted", "labelled", "accepted and labelled", "ground truth"]

OVER_FLAGGING = (
    "fitted on true masks, not on predictions: good predictions score otherwise, most often higher, so more of them are flagged than the levels say. "
    "Accept some predictions in the gallery and calibrate on those"
)


@dataclass(frozen=True)
class Goals:
    """What a calibration is to promise.

    Attributes
    ----------
    dice_limit : float
        A Dice below it is a failure.
    max_failures, confidence : float
        Of what passes, at most the share `max_failures` fails, with this confidence.
    coverage : float
        Of the interval around the expected Dice.
    fdr : float
        Of what is flagged in a batch, at most this share is fine.
    review_level, fail_level : float
        p-values of one prediction alone at or below which it is for review, or failed, where no Dice is known.
    """

    dice_limit: float = 0.5
    max_failures: float = 0.05
    confidence: float = 0.9
    coverage: float = 0.9
    fdr: float = 0.1
    review_level: float = 0.1
    fail_level: float = 0.01

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
    audit : str
        Name of the audit's folder.
    notes : tuple of str
        What was odd about what it was fitted on.
    quantiles : dict
        Of the audited scores, to read at a glance.
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
        """What every user of this calibration has to be told."""
        return OVER_FLAGGING if self.source == "ground truth" else None

    def judge(self, score: float) -> Judgement:
        """p-value, expected Dice, interval and decision of one prediction; companions play no part."""
        p_value = None if self.accepted is None else float(conformal_p_values(np.array([score]), self._accepted)[0])
        if self.dice is None:
            return Judgement(p_value, None, None, None if p_value is None else self._decide_by_p_value(p_value))
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
        """What it promises, a sentence each."""
        said = []
        if self.accepted is not None:
            count = len(self.accepted)
            said.append(f"p-values from {count} accepted predictions; the smallest possible is {1 / (count + 1):.2g}")
            if 1 / (count + 1) > self.goals.fail_level and self.dice is None:
                needed = int(np.ceil(1 / self.goals.fail_level - 1e-9)) - 1
                said.append(
                    f"with fewer than {needed} accepted predictions no p-value reaches {self.goals.fail_level:g}: none will be called fail"
                )
        if self.dice is not None:
            width = (
                "no width: too few labels, so [0, 1]"
                if self.dice.quantile is None
                else f"coverage {self.dice.coverage:g}"
            )
            said.append(
                f"expected Dice from {self.dice.fitted} labelled pairs, its interval from {self.dice.held_out} others ({width})"
            )
        if self.threshold is not None:
            said.append(self.threshold.statement(f"Dice < {self.goals.dice_limit:g}"))
        return said


def fit_calibration(
    model: str,
    levels: Sequence[int] | None,
    scores: Sequence[float],
    accepted: Sequence[float] | None = None,
    labelled: tuple[Sequence[float], Sequence[float]] | None = None,
    ground_truth: bool = False,
    goals: Goals | None = None,
    audit: str = "",
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Calibration:
    """Fit what the given scores allow.

    Parameters
    ----------
    model : str
        Fingerprint of the model that gave the scores.
    levels : sequence of int, optional
        Noise levels that were read.
    scores : sequence of float
        Of everything audited, good and bad.
    accepted : sequence of float, optional
        Of the predictions that were accepted.
    labelled : (scores, Dice), optional
        Of a random sample of the predictions.
    ground_truth : bool
        `scores` are those of true masks, and all of them count as accepted.
    goals : Goals, optional
    audit : str
        Its name, for the record.
    notes : sequence of str
        What was odd, for the record.
    seed : int
        Of the random halves and quarters of the labelled pairs.

    Raises
    ------
    ValueError
        Nothing to fit on, or too little of it.
    """
    goals = goals or Goals()
    if ground_truth and (accepted is not None or labelled is not None):
        raise ValueError("Scores of true masks and scores of predictions do not mix: calibrate on predictions alone")
    if not ground_truth and accepted is None and labelled is None:
        raise ValueError("Expected accepted predictions, labelled ones, or scores of true masks")
    everything = np.sort(np.asarray(scores, np.float64))
    counts = {"audited": len(everything)}
    kept, curve, threshold = everything if ground_truth else None, None, None
    if labelled is not None:
        known, dice = np.asarray(labelled[0], np.float64), np.asarray(labelled[1], np.float64)
        failed = dice < goals.dice_limit
        counts |= {"labelled": len(known), "failed": int(failed.sum())}
        curve = fit_dice_curve(known, dice, goals.coverage, seed)
        threshold = certify_threshold(known, failed, goals.max_failures, goals.confidence, seed)
        kept = np.sort(known[~failed])
    if accepted is not None:
        kept = np.sort(np.asarray(accepted, np.float64))
    if kept is not None:
        counts["accepted"] = len(kept)
    source: Source = (
        "ground truth"
        if ground_truth
        else "labelled"
        if accepted is None
        else "accepted and labelled"
        if labelled
        else "accepted"
    )
    return Calibration(
        model=model,
        levels=None if levels is None else tuple(levels),
        source=source,
        goals=goals,
        counts=counts,
        reference=tuple(_thinned(everything).tolist()),
        accepted=None if kept is None or not len(kept) else tuple(kept.tolist()),
        dice=curve,
        threshold=threshold,
        audit=audit,
        notes=tuple(notes),
        quantiles={f"{q:g}": float(np.quantile(everything, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
        if len(everything)
        else {},
    )


def _thinned(scores: np.ndarray) -> np.ndarray:
    """At most `REFERENCE_SCORES` of ascending scores, evenly spaced in rank, both ends among them."""
    return (
        scores[np.linspace(0, len(scores) - 1, REFERENCE_SCORES).round().astype(int)]
        if len(scores) > REFERENCE_SCORES
        else scores
    )


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON."""
    write_json(path, to_json(calibration))


def load_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises
    ------
    BadInput
        The file is missing, damaged, or of another format.
    """
    content = read_json(path)
    try:
        if not isinstance(content, dict) or content.get("format") != CALIBRATION_FORMAT:
            raise ValueError(f"is not a calibration: it lacks the format {CALIBRATION_FORMAT!r}")
        return from_json(Calibration, content, "calibration")
    except (ValueError, TypeError) as error:
        raise BadInput(path, str(error), "make it again with `segqc calibrate`") from error


def check_fits(
    calibration: Calibration, path: Path | str, model: str, levels: Sequence[int] | None, default: Sequence[int]
) -> None:
    """Refuse a calibration that was fitted on other scores.

    Parameters
    ----------
    calibration : Calibration
    path : Path or str
        Where it came from, for the message.
    model : str
        Fingerprint of the model that will score.
    levels : sequence of int, optional
        Noise levels that will be read.
    default : sequence of int
        Noise levels that None stands for.

    Raises
    ------
    BadInput
        It belongs to another model, or to other levels of this one.
    """
    if calibration.model != model:
        reason = f"was fitted on scores of the model {calibration.model}, but this is {model}"
        raise BadInput(path, reason, "audit with this model and run `segqc calibrate` again")
    wanted, fitted = (tuple(default if numbers is None else numbers) for numbers in (levels, calibration.levels))
    if wanted != fitted:
        reason = f"was fitted on scores of the noise levels {_listed(fitted)}, but {_listed(wanted)} are read"
        raise BadInput(path, reason, "read the same levels, or calibrate on an audit with these")


def find_calibration(
    folder: Path, given: Path | None, model: str, levels: Sequence[int] | None, default: Sequence[int]
) -> Calibration | None:
    """The calibration that is `given`, else the one in the model's folder, else None; arguments as in `check_fits`.

    Raises
    ------
    BadInput
        The given one cannot be read or does not fit. One that merely lies in the folder and does not fit (the model was
        trained anew, or other levels are read) is left aside with a warning instead: it must not stand in the way of
        the audit that a new one is made from.
    """
    path = given or folder / CALIBRATION
    if given is None and not path.is_file():
        return None
    try:
        calibration = load_calibration(path)
        check_fits(calibration, path, model, levels, default)
    except BadInput as error:
        if given is not None:
            raise
        warnings.warn(f"not used: {error}", stacklevel=2)
        return None
    return calibration


def _listed(levels: Sequence[int]) -> str:
    return ", ".join(map(str, levels))
