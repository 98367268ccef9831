"""Pictures and masks as Python users hold them: Pillow, NumPy, torch, one or a batch."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image, to_rgb

_VALUES_AT_ONCE = 2**26  # scores of classes that are interpolated together: 256 MiB


def as_list(value: Any, item_ndim: tuple[int, ...]) -> list[Any]:
    """A single item or a batch as a list of items.

    Parameters
    ----------
    value : Pillow image, array, tensor, path, or a sequence of them
    item_ndim : tuple of int
        Dimensions that a single array item may have; one more is a batch.
    """
    if isinstance(value, Image.Image) or is_path(value):
        return [value]
    if isinstance(value, Sequence):
        return list(value)
    array = as_array(value)
    if array.ndim in item_ndim:
        return [array]
    if array.ndim - 1 in item_ndim:
        return list(array)
    wanted = " or ".join(map(str, item_ndim))
    raise ValueError(f"Expected {wanted} dimensions, or one more for a batch, but got shape {tuple(array.shape)}")


def is_batch(images: Any) -> bool:
    """Whether `images` are several pictures (a sequence, or an array with one dimension more), even if there is but one
    of them.
    """
    if isinstance(images, Image.Image) or is_path(images):
        return False
    return isinstance(images, Sequence) or np.ndim(images) == 4


def is_path(value: Any) -> bool:
    """Whether a value names a file."""
    return isinstance(value, str | os.PathLike)


def as_array(value: Any) -> np.ndarray:
    """A NumPy array of any array-like; tensors come from any device, and bfloat16, which NumPy does not know, as
    float32.
    """
    if isinstance(value, Tensor):
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).cpu().numpy()
    return np.asarray(value)


def as_image(value: Any) -> Image.Image:
    """One RGB picture.

    Parameters
    ----------
    value : Pillow image, path, or array or tensor `[H, W, 3]`, `[3, H, W]` or `[H, W]`
        uint8, or floats in [0, 1].

    Raises
    ------
    ValueError
        Another shape, dtype or range (a normalised tensor, say).
    BadInput
        A file that cannot be read.
    """
    if is_path(value):
        return read_image(value)
    if isinstance(value, Image.Image):
        return to_rgb(value)
    array = as_array(value)
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ValueError(f"Expected a picture of shape [H, W, 3], [3, H, W] or [H, W], but got {tuple(array.shape)}")
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            found = f"values from {array.min():.3g} to {array.max():.3g}"
            raise ValueError(f"Expected a float picture in [0, 1], but got {found}; undo the normalisation first")
        array = np.round(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"Expected a uint8 or float picture, but got {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def as_mask(value: Any, labels: LabelSpace) -> np.ndarray:
    """One mask of class indices as uint8 `[H, W]`, 255 where void.

    Parameters
    ----------
    value : Pillow image of mode P or L, path, or integer array or tensor `[H, W]` or `[1, H, W]`
        Class indices, and `labels.void` for unknown pixels. With two classes, a mask of 0 and 255 alone is one of
        background and foreground. A file may hold whatever `segqc.data.masks.read_mask` reads.
    labels : LabelSpace

    Raises
    ------
    ValueError
        Another shape or dtype, or labels outside the label space.
    BadInput
        A file that cannot be read.
    """
    if is_path(value):
        value = read_mask(value, labels)
        return np.where(value == VOID, 1, value) if labels.num_classes == 2 and is_0_and_255(value) else value
    array = as_array(value)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"Expected a mask of class indices of shape [H, W], but got {tuple(array.shape)}")
    if not (np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise ValueError(
            f"Expected a mask of integer class indices, but got {array.dtype}; take the argmax of probabilities first"
        )
    array = array.astype(np.int64)
    if labels.num_classes == 2 and is_0_and_255(array):
        return (array // 255).astype(np.uint8)
    void = np.zeros(array.shape, bool) if labels.void is None else array == labels.void
    unknown = np.unique(array[~void & ((array < 0) | (array >= labels.num_classes))])
    if len(unknown):
        known, found = f"0 to {labels.num_classes - 1} (void: {labels.void})", ", ".join(map(str, unknown[:8]))
        raise ValueError(f"Expected class indices {known}, but got {found}")
    return np.where(void, VOID, array).astype(np.uint8)


def is_0_and_255(mask: np.ndarray) -> bool:
    """Whether a mask of whole numbers holds 0 and 255 and nothing else, or 255 throughout."""
    return bool(mask.size) and bool(mask.max() == 255) and bool(((mask == 0) | (mask == 255)).all())


def as_labels(value: Any, labels: LabelSpace, size: tuple[int, int]) -> np.ndarray:
    """One mask of class indices, or of a score per class, as uint8 `[H, W]`, 255 where void.

    Parameters
    ----------
    value : as for `as_mask`, or float array or tensor `[K, h, w]`
        Logits or probabilities: brought to the picture's size by bilinear interpolation, of which the largest counts.
    labels : LabelSpace
    size : (int, int)
        The picture's width and height.

    Raises
    ------
    ValueError
        For the same masks as `as_mask`; for scores of another number of classes, or not finite.
    """
    if isinstance(value, Image.Image) or is_path(value) or not is_floating(value):
        return as_mask(value, labels)
    scores = value if isinstance(value, Tensor) else torch.from_numpy(np.ascontiguousarray(as_array(value)))
    if scores.ndim != 3 or scores.shape[0] != labels.num_classes or scores.numel() == 0:
        raise ValueError(
            f"Expected scores of {labels.num_classes} classes, [K, h, w], but got shape {tuple(scores.shape)}"
        )
    return highest_class(scores, (size[1], size[0])).cpu().numpy()


def is_floating(value: Any) -> bool:
    """Whether an array or tensor holds floats."""
    return value.is_floating_point() if isinstance(value, Tensor) else np.issubdtype(as_array(value).dtype, np.floating)


@torch.inference_mode()
def highest_class(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Argmax over classes, after bilinear interpolation to `size`; the first of equal ones.

    Parameters
    ----------
    scores : Tensor, `[K, h, w]`
        Logits or probabilities, at most 256 classes.
    size : (height, width)

    Returns
    -------
    Tensor, `[H, W]` uint8
        On the device of `scores`.

    Raises
    ------
    ValueError
        Scores that are not finite.
    """
    if not torch.isfinite(torch.stack(scores.aminmax())).all():  # a NaN is an extreme, too; cheaper than `isfinite`
        raise ValueError("Expected finite scores of the classes, but some are infinite or NaN: check the weights")
    if scores.shape[1:] != size and len(scores) * size[0] * size[1] > _VALUES_AT_ONCE:
        return _highest_class_one_by_one(scores, size)
    if scores.shape[1:] != size:
        scores = functional.interpolate(scores[None].float(), size, mode="bilinear", align_corners=False)[0]
    if scores.device.type == "cpu" and scores[0].is_contiguous():
        scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
        return torch.from_numpy(_first_highest(scores.numpy(), scores.amax(0).numpy()))
    return scores.max(0).indices.to(torch.uint8)  # on a CPU a seventh of the time of `argmax`


def _first_highest(scores: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """The first class whose score is the highest: how many come before it. A quarter of the time of `max`."""
    before, label, differs = (
        np.ones(highest.shape, bool),
        np.zeros(highest.shape, np.uint8),
        np.empty_like(highest, bool),
    )
    for score in scores[:-1]:
        before &= np.not_equal(score, highest, out=differs)
        label += before.view(np.uint8)
    return label


def _highest_class_one_by_one(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """The same, a class at a time: K maps of a large photograph would not fit in memory."""
    best = torch.full(size, -torch.inf, dtype=torch.float32, device=scores.device)
    label = torch.zeros(size, dtype=torch.uint8, device=scores.device)
    for k in range(len(scores)):
        value = functional.interpolate(scores[k][None, None].float(), size, mode="bilinear", align_corners=False)[0, 0]
        label.masked_fill_(value > best, k)
        torch.maximum(best, value, out=best)
    return label
