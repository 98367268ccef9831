"""The verdict on one mask: its score, its most suspect region and, with a calibration, a decision."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np

Decision = Literal["pass", "review", "fail"]


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
    draw_heatmap : callable, or None
        What `heatmap` calls when it is asked for: most verdicts of a pipeline are never looked at.
    """

    score: float | None
    p_value: float | None = None
    expected_dice: float | None = None
    interval: tuple[float, float] | None = None
    worst_region: SuspectRegion | None = None
    decision: Decision | None = None
    error: str | None = None
    draw_heatmap: Callable[[], np.ndarray] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def heatmap(self) -> np.ndarray | None:
        """How suspect each pixel is, float32 `[H, W]` in [0, 1]; None for a pair that could not be scored."""
        return None if self.draw_heatmap is None else self.draw_heatmap()

    def to_dict(self) -> dict[str, Any]:
        """All but the heat map, of types that `json` writes."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "draw_heatmap"}
        values["interval"] = self.interval and list(self.interval)
        values["worst_region"] = self.worst_region and asdict(self.worst_region) | {"box": list(self.worst_region.box)}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Verdict":
        """Inverse of `to_dict`: a verdict without heat map."""
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

    @cached_property
    def heatmap(self) -> np.ndarray:
        """How suspect each pixel is, float32 `[H, W]` in [0, 1], at the picture's size."""
        return self.draw_heatmap()
