"""Masks with a channel for each class: one-hot ones become class indices, multi-label ones are refused by that name."""

from pathlib import Path

import numpy as np

from segqc.base.errors import BadInput
from segqc.data.labels import MAX_CLASSES

_FIX = "save class indices, one two-dimensional mask a file"


def channel_axis(path: Path | str, shape: tuple[int, ...]) -> int:
    """Which axis of `[K, H, W]` or `[H, W, K]` is that of the channels: the first or the last, by far the shortest.

    Raises
    ------
    BadInput
        There are not three axes, or the channels cannot be told, or are too many.
    """
    if len(shape) == 3 and min(shape) >= 1:
        for axis, sides in ((0, shape[1:]), (2, shape[:2])):
            if 2 <= shape[axis] < min(sides) and shape[axis] <= MAX_CLASSES:
                return axis
    raise BadInput(path, f"has shape {list(shape)}, not [height, width]", _FIX)


def class_indices(path: Path | str, values: np.ndarray) -> np.ndarray:
    """Class indices `[H, W]` of a one-hot mask.

    Parameters
    ----------
    path : Path or str
        For messages.
    values : ndarray `[K, H, W]` or `[H, W, K]`
        0 and one other value; each pixel lies in exactly one channel.

    Raises
    ------
    BadInput
        The channels hold anything else: probabilities, several classes a pixel, or none.
    """
    channels = np.moveaxis(values, channel_axis(path, values.shape), 0)
    count, stored = len(channels), np.unique(channels)
    if len(stored) > 2 or stored[0] != 0:
        reason = f"has shape {list(values.shape)} and holds probabilities or colours, not one-hot classes"
        raise BadInput(path, reason, f"take the argmax; {_FIX}")
    classes = (channels != 0).sum(axis=0)
    several = int((classes > 1).sum())
    if several:
        reason = f"is a multi-label mask of {count} classes: {several:,} pixels are of several classes at once"
        raise BadInput(path, reason, "audit each class as masks of its own, or choose one class for each pixel")
    without = int((classes == 0).sum())
    if without:
        reason = f"has a channel for each of {count} classes, and {without:,} pixels are in none of them"
        raise BadInput(path, reason, f"add a channel for the background, or {_FIX}")
    return channels.argmax(axis=0).astype(np.uint8)
