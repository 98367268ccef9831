"""The pictures that a model was called with: found among its arguments, the normalisation undone, the padding cut."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segqc.data.arrays import as_array, is_floating
from segqc.data.pictures import IMAGE_SUFFIXES, PictureReading, read_image, to_rgb
from segqc.hook.notices import Notices

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_UPRIGHT = PictureReading(upright=True)  # as libraries open files
_SLACK = 0.02  # of the range [0, 1]: half precision and resampling overshoot a little


class PictureReader:
    """Finds and un-normalises the pictures of a call.

    Parameters
    ----------
    mean, std : float or three of them, optional
        Mean and standard deviation of the normalisation (x - mean) / std with x in [0, 1]; ImageNet's by default. They
        concern floats only: uint8 is taken as it is.
    image_processor : optional
        A Hugging Face image processor, whose settings are used instead.

    Raises
    ------
    ValueError
        Mean and std beside a processor, or not three of them.
    """

    def __init__(self, mean: Any = None, std: Any = None, image_processor: Any = None) -> None:
        self.scale, self.flip = 1.0, False
        if image_processor is not None:
            if mean is not None or std is not None:
                raise ValueError("Expected either `image_processor` or `mean` and `std`, but got both")
            normalises = bool(getattr(image_processor, "do_normalize", True))
            mean = image_processor.image_mean if normalises else 0.0
            std = image_processor.image_std if normalises else 1.0
            factor = image_processor.rescale_factor if getattr(image_processor, "do_rescale", True) else 1.0
            self.scale = 255 * float(factor)
            self.flip = bool(getattr(image_processor, "do_flip_channel_order", False))
        self.mean = np.broadcast_to(np.asarray(IMAGENET_MEAN if mean is None else mean, np.float32), 3)
        self.std = np.broadcast_to(np.asarray(IMAGENET_STD if std is None else std, np.float32), 3)
        self._notices = Notices()

    def find(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The pictures among the arguments of a call, one an item: Pillow images or views `[3, H, W]` or `[H, W, 3]`.

        Raises
        ------
        ValueError
            There are none.
        """
        for value in _flat([kwargs.get("pixel_values"), *args, kwargs]):
            items = _as_pictures(value)
            if items is not None:
                return items
        raise ValueError(
            "Expected pictures [N, 3, H, W] or [N, H, W, 3], Pillow images or files among the model's inputs, but "
            "found none; for other inputs attach the function that takes the photo, and call the handle in its place"
        )

    def read(self, raw: Any) -> np.ndarray:
        """One found picture as uint8 `[H, W, 3]`; warns once when it does not look like one that was normalised as
        said.
        """
        if isinstance(raw, Image.Image):
            return np.asarray(to_rgb(raw))
        first = raw.shape[0] == 3
        if not is_floating(raw):
            array = as_array(raw)
            return np.ascontiguousarray(array.transpose(1, 2, 0) if first else array)
        values = (raw if isinstance(raw, Tensor) else torch.from_numpy(np.ascontiguousarray(raw))).detach().float()
        shape = (3, 1, 1) if first else (3,)
        factor, offset = (
            torch.from_numpy(numbers * (255 / self.scale)).to(values.device).view(shape)
            for numbers in (self.std, self.mean)
        )
        undone = torch.addcmul(offset, values, factor)
        self._check_range(*(extreme.item() for reached in (values, undone) for extreme in reached.aminmax()))
        levels = undone.round_().clamp_(0, 255).nan_to_num_(0).to(torch.uint8)
        levels = levels.flip(0 if first else 2) if self.flip else levels
        return (levels.permute(1, 2, 0) if first else levels).contiguous().cpu().numpy()

    def _check_range(self, lowest: float, highest: float, darkest: float, brightest: float) -> None:
        """Warn once when values cannot have been normalised as said: by their extremes, and by those of the levels of
        0 to 255 that undoing it gives.
        """
        low, high = darkest / 255, brightest / 255
        inside = low >= -_SLACK and high <= 1 + _SLACK
        never_normalised = self.mean.any() and lowest >= 0 and highest <= 1
        if inside and not never_normalised:
            return
        seen = (
            "look as if they had never been normalised"
            if inside
            else f"reach from {low:.3g} to {high:.3g}, not from 0 to 1"
        )
        self._notices.once(
            f"with mean {_short(self.mean)} and std {_short(self.std)} undone, pixels {seen}: "
            "the quality model sees other pictures than it was trained on. "
            "Pass the segmenter's own mean= and std= (mean=0, std=1 for inputs in [0, 1]), or its image_processor=",
            key="normalisation",
        )


def inner_processor(processor: Any) -> Any:
    """The image processor inside a processor that also takes text (OneFormer's), or the processor itself.

    Raises
    ------
    ValueError
        There is none.
    """
    inner = getattr(processor, "image_processor", None) or processor
    if inner is not None and not hasattr(inner, "image_mean"):
        raise ValueError(
            f"Expected an image processor of Hugging Face, but {type(inner).__name__} has no image_mean: "
            "give mean= and std= instead"
        )
    return inner


def valid_part(pixel_mask: Any) -> tuple[slice, slice]:
    """Rows and columns of a `pixel_mask` `[H, W]` that belong to the picture; Hugging Face pads at the bottom and on
    the right.
    """
    inside = as_array(pixel_mask).astype(bool)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return slice(0, int(rows[-1]) + 1), slice(0, int(columns[-1]) + 1)


def _flat(values: Sequence[Any] | Mapping[str, Any]) -> Iterator[Any]:
    """Values and, below dictionaries and lists, theirs; a list of pictures comes before its items."""
    for value in values.values() if isinstance(values, Mapping) else values:
        yield value
        if isinstance(value, Mapping) or (isinstance(value, list | tuple) and _as_pictures(value) is None):
            yield from _flat(value)


def _as_pictures(value: Any) -> list[Any] | None:
    """One item a picture, if `value` is a picture or a batch of them."""
    if isinstance(value, Image.Image):
        return [value]
    if isinstance(value, str | os.PathLike):
        is_picture = str(value).lower().endswith(IMAGE_SUFFIXES) and os.path.isfile(value)
        return [read_image(os.fspath(value), _UPRIGHT)] if is_picture else None
    if isinstance(value, list | tuple) and value:
        found = [_as_pictures(item) or [] for item in value]
        return [items[0] for items in found] if all(len(items) == 1 for items in found) else None
    if not isinstance(value, Tensor | np.ndarray) or value.ndim not in (3, 4) or 0 in value.shape[-3:]:
        return None
    if not (is_floating(value) or value.dtype in (np.uint8, torch.uint8)) or 3 not in (
        value.shape[-3],
        value.shape[-1],
    ):
        return None
    return list(value) if value.ndim == 4 else [value]


def _short(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)
