"""Outputs that are no arrays of scores or class indices: understood where each pixel has a class, else refused with the
way that works.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segqc.data.arrays import as_array

_WAY = "attach a function that returns class indices [H, W], and call the handle in its place"


@dataclass(frozen=True)
class Segments:
    """Masks with the names of their classes, as a Hugging Face pipeline gives them for a picture.

    Attributes
    ----------
    parts : tuple of (str, ndarray `[H, W]` bool)
        Later ones lie above earlier ones.
    """

    parts: tuple[tuple[str, np.ndarray], ...]

    @property
    def names(self) -> list[str]:
        """Names of the classes, as often as they occur."""
        return [name for name, _ in self.parts]


def refuse_foreign(output: Any) -> None:
    """Refuse what is known to hold masks without a class for each pixel.

    Raises
    ------
    ValueError
        The reason names the library and the way that works.
    """
    first = output[0] if isinstance(output, list | tuple) and output else output
    if type(first).__module__.split(".")[0] == "ultralytics" or _has(first, "masks", "boxes", "orig_img"):
        raise ValueError(f"Results of Ultralytics are instances and not one mask: {_WAY}")
    if _has(first, "pred_masks", "iou_scores") or _has(first, "segmentation", "predicted_iou"):
        raise ValueError(f"Masks of Segment Anything have no classes to be judged: {_WAY}, once you have named them")
    if _has(first, "masks", "boxes", "labels"):
        raise ValueError(f"The model gives instances (boxes, labels, masks) and not one mask: {_WAY}")


def find_segments(output: Any, count: int) -> list[Segments] | None:
    """What a pipeline of Hugging Face gave for `count` pictures, one item a picture; None for another output."""
    if _is_segments(output) and count == 1:
        return [_segments(output)]
    if isinstance(output, list | tuple) and output and all(_is_segments(item) for item in output):
        return [_segments(item) for item in output]
    return None


def _is_segments(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_has(item, "label", "mask") for item in value)


def _segments(value: Sequence[Mapping[str, Any]]) -> Segments:
    """The surest on top; those of a semantic segmentation have no score, and do not overlap."""
    ordered = sorted(value, key=lambda item: item.get("score") or 0.0)
    return Segments(tuple((str(item["label"]), as_array(item["mask"]) > 0) for item in ordered))


def _has(value: Any, *names: str) -> bool:
    if isinstance(value, Mapping):
        return all(name in value for name in names)
    return all(hasattr(value, name) for name in names)
