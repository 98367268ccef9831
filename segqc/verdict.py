"""The verdict on one mask: its score, its most suspect region and, with a calibration, a decision."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np

Decision = Literal["pass", "review", "fail"]
_DRAWN = ("draw_heatmap", "find_objects")


@dataclass(frozen=True)
class SuspectRegion:
    """The region where a mask is most suspect.

    Attributes
    ----------
    name : str
        Class that the mask has there.
    expected : str or None
        Class that the model expected instead; None when it has no better proposal.
    box : (x0, y0, x1, y1)
        In the picture's pixels, half-open.
    """

    name: str
    expected: str | None
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class JudgedObject:
    """An object of a mask, or one that the mask lacks.

    Attributes
    ----------
    number : int
        From 1, unique in its picture: the objects of the mask first, instances by their own ids.
    kind : "predicted" or "missed"
    name : str
        Class that the mask has there; of a missed object, the one that most of its region has.
    expected : str or None
        Class that the model expects there; None when it is the mask's own.
    box : (x0, y0, x1, y1)
        In the picture's pixels, half-open.
    area : int
        Pixels, those of unknown truth among them.
    expected_iou : float or None
        Intersection over union to expect with the true objects, in [0, 1]; None of a missed object.
    score : float
        Higher = worse, in [0, 1]; of a missed object the probability that it is there.
    touches_border : bool
        Whether the box reaches the picture's edge.
    interval : (float, float) or None
        Interval of the IoU, at the calibration's coverage; None of a missed object, and without a calibration of
        objects.
    decision : "pass", "review", "fail" or None
        Likewise.
    """

    number: int
    kind: Literal["predicted", "missed"]
    name: str
    expected: str | None
    box: tuple[int, int, int, int]
    area: int
    expected_iou: float | None
    score: float
    touches_border: bool
    interval: tuple[float, float] | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class Judgement:
    """The calibration's judgement of a score; None for what the calibration was not fitted for.

    Attributes
    ----------
    p_value : float or None
        Share of accepted predictions that score at least as high, in (0, 1].
    expected_dice : float or None
    interval : (float, float) or None
        Interval of the Dice, at the calibration's coverage.
    decision : "pass", "review", "fail" or None
    """

    p_value: float | None = None
    expected_dice: float | None = None
    interval: tuple[float, float] | None = None
    decision: Decision | None = None


@dataclass(frozen=True)
class Verdict:
    """The verdict on one mask; it depends on the picture and the mask alone, not on other pairs of a batch.

    Attributes
    ----------
    score : float or None
        Higher = worse: the number that `segqc audit` writes. None for a pair that could not be scored.
    p_value, expected_dice, interval, decision
        See `Judgement`; all None without a calibration. A pair that could not be scored is for review.
    worst_region : SuspectRegion or None
    error : str or None
        Why the pair could not be scored.
    draw_heatmap, find_objects : callable, or None
        What `heatmap` and `objects` call when they are asked for: most verdicts of a pipeline are never looked at.
    """

    score: float | None
    p_value: float | None = None
    expected_dice: float | None = None
    interval: tuple[float, float] | None = None
    worst_region: SuspectRegion | None = None
    decision: Decision | None = None
    error: str | None = None
    draw_heatmap: Callable[[], np.ndarray] | None = field(default=None, repr=False, compare=False)
    find_objects: Callable[[], list[JudgedObject]] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def heatmap(self) -> np.ndarray | None:
        """How suspect each pixel is, float32 `[H, W]` in [0, 1]; None for a pair that could not be scored."""
        return None if self.draw_heatmap is None else self.draw_heatmap()

    @cached_property
    def objects(self) -> list[JudgedObject] | None:
        """The objects of the mask and those that it lacks, worst first; None for a pair that could not be scored, or
        where the method has no class posterior.
        """
        return None if self.find_objects is None else self.find_objects()

    def to_dict(self) -> dict[str, Any]:
        """All but heat map and objects, of types that `json` writes."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in _DRAWN}
        values["interval"] = self.interval and list(self.interval)
        values["worst_region"] = self.worst_region and asdict(self.worst_region) | {"box": list(self.worst_region.box)}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Verdict":
        """Inverse of `to_dict`: a verdict without heat map and objects."""
        region, interval = values.get("worst_region"), values.get("interval")
        return cls(
            **{name: value for name, value in values.items() if name not in ("worst_region", "interval")},
            interval=interval and tuple(interval),
            worst_region=region and SuspectRegion(region["name"], region["expected"], tuple(region["box"])),
        )

    def __str__(self) -> str:
        """One line, such as "fail: score 0.812, p 0.0041, Dice about 0.31 (0.05 to 0.44), dog at 10,20,64,80 (expected
        cat)".
        """
        if self.error is not None:
            return f"not scored: {self.error}"
        parts = [f"score {self.score:.3f}"]
        if self.p_value is not None:
            parts.append(f"p {self.p_value:.4f}")
        if self.expected_dice is not None and self.interval is not None:
            parts.append(f"Dice about {self.expected_dice:.2f} ({self.interval[0]:.2f} to {self.interval[1]:.2f})")
        if self.worst_region is not None:
            expected = f" (expected {self.worst_region.expected})" if self.worst_region.expected else ""
            parts.append(f"{self.worst_region.name} at {','.join(map(str, self.worst_region.box))}{expected}")
        return (f"{self.decision}: " if self.decision else "") + ", ".join(parts)


@dataclass(frozen=True)
class Score:
    """The score of one mask and the parts that it is made of.

    Attributes
    ----------
    score : float
        Higher = worse. 1 - agreement, in [0, 1]; of `paper` the negative log-likelihood under the density of inliers,
        unbounded.
    agreement : float or None
        Estimated Dice of the mask in [0, 1]; None for `paper`.
    density : float or None
        Negative log-likelihood of the per-level features under the inliers' mixture.
    features : ndarray `[L, F]` float64
        Features per noise level, named by `feature_names`.
    feature_names : tuple of str
    worst_class, expected_class : str or None
        In the most suspect region: the class that the mask has there, and the one that was expected instead.
    worst_box : (x0, y0, x1, y1) or None
        That region in pixels, half-open.
    draw_heatmap : callable
        What `heatmap` calls when it is asked for.
    find_objects : callable, or None
        What `objects` calls when it is asked for; None for a method without a class posterior.
    """

    score: float
    agreement: float | None
    density: float | None
    features: np.ndarray
    feature_names: tuple[str, ...]
    worst_class: str | None
    expected_class: str | None
    worst_box: tuple[int, int, int, int] | None
    draw_heatmap: Callable[[], np.ndarray] = field(repr=False, compare=False)
    find_objects: Callable[[], list[JudgedObject]] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def heatmap(self) -> np.ndarray:
        """How suspect each pixel is, float32 `[H, W]` in [0, 1], at the picture's size."""
        return self.draw_heatmap()

    @cached_property
    def objects(self) -> list[JudgedObject] | None:
        """The objects of the mask and those that it lacks, worst first; None for a method without a class posterior."""
        return None if self.find_objects is None else self.find_objects()
