"""What the score of an object means: an interval of its IoU, and a decision.

Both promises are means over pictures (`segqc.calibration.hierarchical`): a picture with fifty objects counts as much as
one with a single object.

    interval    around the expected IoU. It holds the IoU of a random object of a new picture with probability
                `coverage`.
    threshold   objects that score below it pass. Of the bad objects of a new picture that has any (IoU below
                `iou_limit`), on average at most the share `max_missed` passes.

    pass     the score is below the threshold
    fail     even the upper end of the interval is below `iou_limit`
    review   the rest

Objects that the mask lacks have no IoU, and are not judged.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segqc.calibration.hierarchical import fewest_pictures, hierarchical_quantile
from segqc.verdict import Decision, JudgedObject

MIN_PICTURES = 20
"""With fewer pictures there is no interval: half of them would not show how large errors are."""

_OBJECTS_PER_BIN = 15
_SMALLEST_ERROR = 0.02  # IoU; keeps a bin without any error from claiming certainty


@dataclass(frozen=True)
class ObjectTruths:
    """Objects whose IoU is known, N of them.

    Attributes
    ----------
    pictures : ndarray `[N]` int
        The picture that each is in.
    scores, expected, ious : ndarray `[N]` float64
        Score, expected IoU and IoU.
    """

    pictures: np.ndarray
    scores: np.ndarray
    expected: np.ndarray
    ious: np.ndarray

    def among(self, chosen: np.ndarray) -> "ObjectTruths":
        """The objects that a mask `[N]` chooses."""
        return ObjectTruths(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


@dataclass(frozen=True)
class IouInterval:
    """An interval around the expected IoU. Fit one by `fit_interval`.

    Attributes
    ----------
    centres : tuple of float
        Expected IoU in ascending order.
    below, above : tuple of float
        By how much the IoU usually lies below, and above, the expected one there; linear in between.
    quantile : float
        How far the interval reaches, in these.
    """

    centres: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]
    quantile: float

    def __post_init__(self) -> None:
        table = [self.centres, self.below, self.above]
        values = np.asarray(table, np.float64) if len({len(row) for row in table}) == 1 else np.zeros((3, 0))
        if not values.size or not np.isfinite(values).all() or (np.diff(values[0]) < 0).any():
            raise ValueError("Expected an interval of as many finite errors as ascending centres, at least one")

    def reach(self, expected: np.ndarray, ious: np.ndarray) -> np.ndarray:
        """How far an interval must reach to hold each IoU: its error in those that are usual, on its side."""
        low, high = (np.interp(expected, self.centres, errors) for errors in (self.below, self.above))
        return np.maximum((expected - ious) / low, (ious - expected) / high)

    def ends(self, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end, within [0, 1]."""
        low = expected - self.quantile * np.interp(expected, self.centres, self.below)
        high = expected + self.quantile * np.interp(expected, self.centres, self.above)
        return np.clip(low, 0, 1), np.clip(high, 0, 1)


@dataclass(frozen=True)
class ObjectCalibration:
    """A fitted calibration of objects. Make one by `fit_objects`.

    Attributes
    ----------
    coverage, iou_limit, max_missed : float
        What was asked for; see `segqc.calibration.calibration.Goals`.
    pictures, objects : int
        Pictures with objects of known IoU, and these objects.
    bad_pictures, bad_objects : int
        Pictures with objects whose IoU is below `iou_limit`, and these objects.
    interval : IouInterval or None
    threshold : float or None
        None: withheld, since there are too few pictures; `statements` says how many are missing.
    """

    coverage: float
    iou_limit: float
    max_missed: float
    pictures: int
    objects: int
    bad_pictures: int
    bad_objects: int
    interval: IouInterval | None
    threshold: float | None

    def judge(self, score: float, expected_iou: float) -> tuple[tuple[float, float] | None, Decision | None]:
        """Interval of the IoU of one object, and its decision; None for what is withheld."""
        ends = None
        if self.interval is not None:
            low, high = self.interval.ends(np.array(expected_iou))
            ends = float(low), float(high)
        return ends, self._decide(score, ends)

    def _decide(self, score: float, ends: tuple[float, float] | None) -> Decision | None:
        if self.threshold is not None and score < self.threshold:
            return "pass"
        if ends is not None and ends[1] < self.iou_limit:
            return "fail"
        return None if self.threshold is None and ends is None else "review"

    def judge_all(self, find_objects: Callable[[], list[JudgedObject]]) -> list[JudgedObject]:
        """The objects that are found, those of the mask with interval and decision."""
        return [self._judged(found) for found in find_objects()]

    def _judged(self, found: JudgedObject) -> JudgedObject:
        if found.expected_iou is None:
            return found
        interval, decision = self.judge(found.score, found.expected_iou)
        return dataclasses.replace(found, interval=interval, decision=decision)

    def statements(self) -> list[str]:
        """What is promised, or why it is not: one sentence each."""
        return [self._say_interval(), self._say_threshold()]

    def _say_interval(self) -> str:
        known = f"{self.objects} objects of {self.pictures} pictures"
        if self.interval is None:
            missing = _pictures_for_interval(self.coverage) - self.pictures
            return f"objects: no interval of the IoU from {known}; pictures with objects are missing: {missing}"
        return (
            f"objects: interval of the IoU from {known}; it holds the IoU of a random object of a picture with "
            f"probability {self.coverage:g}"
        )

    def _say_threshold(self) -> str:
        bad = f"objects with IoU < {self.iou_limit:g}"
        known = f"{self.bad_objects} of {self.bad_pictures} pictures"
        if not self.bad_objects:
            return f"objects: no threshold, as no object with IoU < {self.iou_limit:g} is known; none passes"
        if self.threshold is None:
            missing = fewest_pictures(1 - self.max_missed) - self.bad_pictures
            return f"objects: no threshold from {known} with {bad}; such pictures are missing: {missing}"
        return (
            f"objects: score < {self.threshold:.4g} passes; on average over pictures with {bad}, at most "
            f"{self.max_missed:g} of these pass (fitted on {known})"
        )


def fit_objects(
    known: ObjectTruths, coverage: float = 0.9, iou_limit: float = 0.5, max_missed: float = 0.1, seed: int = 0
) -> ObjectCalibration:
    """Fit what the objects of known IoU allow.

    Parameters
    ----------
    known : ObjectTruths
        The objects of a random sample of the pictures, all of these that have an IoU.
    coverage, iou_limit, max_missed : float
        As in `ObjectCalibration`.
    seed : int
        Random seed of the halves into which the pictures are divided for the interval.

    Raises
    ------
    ValueError
        No object is known, or a number is out of its range.
    """
    if not len(known.ious):
        raise ValueError("Expected objects of known IoU, but there is none")
    finite = np.isfinite(known.scores).all() and np.isfinite(known.expected).all()
    if not finite or not ((known.ious >= 0) & (known.ious <= 1)).all():
        raise ValueError("Expected finite scores and an IoU in [0, 1] for each object")
    bad = known.among(known.ious < iou_limit)
    lowest = hierarchical_quantile(-bad.scores, bad.pictures, 1 - max_missed)
    return ObjectCalibration(
        coverage,
        iou_limit,
        max_missed,
        len(np.unique(known.pictures)),
        len(known.ious),
        len(np.unique(bad.pictures)),
        len(bad.ious),
        fit_interval(known, coverage, seed),
        None if lowest is None else -lowest,
    )


def fit_interval(known: ObjectTruths, coverage: float, seed: int = 0) -> IouInterval | None:
    """Fit how large errors usually are on a random half of the pictures, and how far the interval reaches on the other
    half; None with too few pictures.
    """
    names = np.unique(known.pictures)
    if len(names) < _pictures_for_interval(coverage):
        return None
    fitting = np.isin(known.pictures, np.random.default_rng(seed).permutation(names)[: len(names) // 2])
    part, held_out = known.among(fitting), known.among(~fitting)
    error = part.ious - part.expected
    bins = np.array_split(np.argsort(part.expected, kind="stable"), max(1, len(error) // _OBJECTS_PER_BIN))
    interval = IouInterval(
        tuple(float(np.median(part.expected[chosen])) for chosen in bins),
        tuple(max(_SMALLEST_ERROR, float(np.maximum(-error[chosen], 0).mean())) for chosen in bins),
        tuple(max(_SMALLEST_ERROR, float(np.maximum(error[chosen], 0).mean())) for chosen in bins),
        quantile=1.0,
    )
    quantile = hierarchical_quantile(interval.reach(held_out.expected, held_out.ious), held_out.pictures, coverage)
    return None if quantile is None else dataclasses.replace(interval, quantile=quantile)


def _pictures_for_interval(coverage: float) -> int:
    """How many pictures it takes: half of them must be enough for a bound."""
    return max(MIN_PICTURES, 2 * fewest_pictures(coverage))
