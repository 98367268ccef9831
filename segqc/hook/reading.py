"""One prediction of a forward pass as arrays: its picture and its mask, or why there is none."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from segqc.hook.outputs import MaskReader
from segqc.hook.pictures import PictureReader, valid_part
from segqc.verdict import Verdict


@dataclass(frozen=True)
class ReadPrediction:
    """What could be read of a prediction.

    Attributes
    ----------
    image : ndarray `[H, W, 3]` uint8, or None
    mask : ndarray `[H, W]` uint8, or None
        In the quality model's classes, 255 where void.
    error : str
        Why one of them is None; else empty.
    """

    image: np.ndarray | None
    mask: np.ndarray | None
    error: str = ""


def read_prediction(
    pictures: PictureReader, masks: MaskReader | str, picture: Any, mask: Any, padding: Any, place: int
) -> ReadPrediction:
    """Read a picture and its mask, without padding. Nothing is raised.

    Parameters
    ----------
    pictures, masks
        The readers of the hook; in place of that of masks, why there are none.
    picture, mask
        What the readers' `find` returned for this prediction.
    padding : optional
        `pixel_mask` of the forward pass, `[N, H, W]`.
    place : int
        Row of the prediction in it.
    """
    read_image, read_mask = None, None
    try:
        valid = None if padding is None else valid_part(padding[place])
        read_image = _cut(pictures.read(picture), valid)
        if isinstance(masks, str):
            return ReadPrediction(read_image, None, masks)
        read_mask = _cut(masks.read(mask, picture_size(picture)), valid)
    except Exception as error:  # whatever a foreign model's tensors hold
        return ReadPrediction(read_image, read_mask, describe(error))
    return ReadPrediction(read_image, read_mask)


def not_judged(reason: str) -> Verdict:
    """The verdict on a prediction that could not be read or judged: a person should look at it."""
    return Verdict(score=None, decision="review", error=reason)


def describe(error: Exception) -> str:
    """Kind and text of an error, on one line."""
    return f"{type(error).__name__}: {error}"


def picture_size(picture: Any) -> tuple[int, int]:
    """(height, width) of a picture that `PictureReader.find` found."""
    if hasattr(picture, "height"):
        return picture.height, picture.width
    height, width = picture.shape[1:3] if picture.shape[0] == 3 else picture.shape[:2]
    return height, width


def _cut(array: np.ndarray, valid: tuple[slice, slice] | None) -> np.ndarray:
    """`[H, W, ...]` without its padding."""
    return array if valid is None else np.ascontiguousarray(array[valid])
