"""Pictures and masks as Python users hold them: Pillow, NumPy, torch, one or a batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from segqc.labels import VOID, LabelSpace


def as_list(value: Any, item_ndim: tuple[int, ...]) -> list[Any]:
    """A single item or a batch as a list of items.

    Parameters
    ----------
    value : Pillow image, array, tensor, or a sequence of them
    item_ndim : tuple of int
        Dimensions that a single array item may have; one more is a batch.
    """
    if isinstance(value, Image.Image):
        return [value]
    if isinstance(value, Sequence):
        return list(value)
    array = as_array(value)
    if array.ndim in item_ndim:
        return [array]
    if array.ndim - 1 in item_ndim:
        return list(array)
    raise ValueError(f"Expected {' or '.join(map(str, item_ndim))} dimensions, or one more for a batch, but got shape {tuple(array.shape)}")


def as_array(value: Any) -> np.ndarray:
    """A NumPy array of any array-like; tensors come from any device."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def as_image(value: Any) -> Image.Image:
    """One RGB picture.

    Parameters
    ----------
    value : Pillow image, or array or tensor `[H, W, 3]`, `[3, H, W]` or `[H, W]`
        uint8, or floats in [0, 1].

    Raises
    ------
    ValueError
        Another shape, dtype or range (a normalised tensor, say).
    """
    if isinstance(value, Image.Image):
        return value.convert("RGB")
    array = as_array(value)
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ValueError(f"Expected a picture of shape [H, W, 3], [3, H, W] or [H, W], but got {tuple(array.shape)}")
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError(
                f"Expected a float picture in [0, 1], but got values from {array.min():.3g} to {array.max():.3g}; undo the normalisation first"
            )
        array = np.round(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"Expected a uint8 or float picture, but got {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def as_mask(value: Any, labels: LabelSpace) -> np.ndarray:
    """One mask of class indices as uint8 `[H, W]`, 255 where void.

    Parameters
    ----------
    value : Pillow image of mode P or L, or integer array or tensor `[H, W]` or `[1, H, W]`
        Class indices, and `labels.void` for unknown pixels.
    labels : LabelSpace

    Raises
    ------
    ValueError
        Another shape or dtype, or labels outside the label space.
    """
    array = as_array(value)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"Expected a mask of class indices of shape [H, W], but got {tuple(array.shape)}")
    if not (np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise ValueError(f"Expected a mask of integer class indices, but got {array.dtype}; take the argmax of probabilities first")
    array = array.astype(np.int64)
    void = np.zeros(array.shape, bool) if labels.void is None else array == labels.void
    unknown = np.unique(array[~void & ((array < 0) | (array >= labels.num_classes))])
    if len(unknown):
        raise ValueError(f"Expected class indices 0 to {labels.num_classes - 1} (void: {labels.void}), but got {', '.join(map(str, unknown[:8]))}")
    return np.where(void, VOID, array).astype(np.uint8)
