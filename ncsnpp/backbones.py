"""timm's models as backbones: names, sizes of pictures and shapes of maps, found without any weights.

Models differ in what they must be told. A convolutional network takes any picture. A vision transformer and a Swin are
built for one size, `img_size`, of which their patch must be a divisor; they have maps of one stride, or maps with the
channels last.
"""

import difflib
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ncsnpp.light_timm import timm
from ncsnpp.uninitialised import Uninitialised

_SUGGESTED = 3  # names offered for one that timm does not know
_SIDE = 224  # px: the size that models are looked at where none is given
_STEPS = (14, 16, 32, 56, 64)  # px: patches, strides and windows, whose multiples are tried where a size does not fit


class Outline(NamedTuple):
    """What is known of a timm model without its weights."""

    shapes: dict[str, torch.Size]
    """Shapes of all tensors, in timm's order."""
    has_dense_head: bool
    """Whether a 1x1 convolution stands before the pooling, as in the EfficientNet family."""
    takes_size: bool
    """Whether it is built for pictures of one size."""
    blocks: int
    """Number of its blocks where the maps of all have one stride, as in a vision transformer; else 0."""


def check_name(name: str) -> None:
    """Refuse names that timm does not know.

    Raises
    ------
    ValueError
        The message names the nearest names there are.
    """
    if timm.is_model(name.split(".")[0]) or ":" in name:
        return
    near = difflib.get_close_matches(name, timm.list_models(), _SUGGESTED)
    fix = f"did you mean {', '.join(near)}?" if near else "timm.list_models() lists all"
    raise ValueError(f"{name!r} is not a model of timm {timm.__version__}: {fix}")


@functools.cache  # building a model only to look at it takes half a second, and each training asks several times
def outline(name: str) -> Outline:
    """What a model is like."""
    check_name(name)
    with torch.device("meta"), Uninitialised():
        model = timm.create_model(name, pretrained=False)
    dense = all(hasattr(model, part) for part in ("conv_head", "bn2", "classifier"))
    strides = [part["reduction"] for part in getattr(model, "feature_info", None) or ()]
    return Outline(
        {key: tensor.shape for key, tensor in model.state_dict().items()},
        dense and isinstance(model.classifier, nn.Linear),
        bool(getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False)),
        len(strides) if len(strides) > 1 and len(set(strides)) == 1 else 0,
    )


def size_options(name: str, image_size: int | None) -> dict[str, Any]:
    """What `timm.create_model` must be told for pictures of this side, in pixels."""
    return {"img_size": image_size} if image_size is not None and outline(name).takes_size else {}


def feature_options(name: str, image_size: int | None, out_indices: Sequence[int] | None) -> dict[str, Any]:
    """What `timm.create_model` must be told for a backbone: of a model with one stride, the block in the middle and the
    last.
    """
    blocks = outline(name).blocks
    if out_indices is None and blocks:
        out_indices = (blocks // 2 - 1, blocks - 1)
    chosen = {} if out_indices is None else {"out_indices": tuple(out_indices)}
    return {"features_only": True} | chosen | size_options(name, image_size)


def channels_first(backbone: nn.Module, maps: Sequence[Tensor]) -> list[Tensor]:
    """The maps of a timm backbone as [M, C, h, w], whatever its order is."""
    last = str(getattr(backbone, "output_fmt", "NCHW")).endswith("NHWC")
    return [part.permute(0, 3, 1, 2) for part in maps] if last else list(maps)


@functools.cache
def misfit(name: str, image_size: int) -> str:
    """Why a model gives no maps of pictures of this side, in pixels; "" where it does. Nothing is computed."""
    try:
        options = feature_options(name, image_size, None)
        with torch.device("meta"), Uninitialised(), torch.no_grad():
            backbone: Any = timm.create_model(name, pretrained=False, **options).eval()
            maps = channels_first(backbone, backbone(torch.empty(1, 3, image_size, image_size)))
        expected = backbone.feature_info.channels()
    except Exception as error:  # timm's models refuse a size by whatever their code meets first
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    patch = backbone.feature_info.reduction()[0]
    if image_size % patch and (outline(name).takes_size or outline(name).blocks):
        return f"its patches of {patch} px would leave a rim of {image_size % patch} px unseen"
    shapes = [tuple(part.shape[1:]) for part in maps]
    if [shape[0] for shape in shapes] != expected or any(min(shape) < 1 for shape in shapes):
        return f"its maps have the shapes {shapes}"
    return ""


def nearest_size(name: str, image_size: int) -> int:
    """The side nearest to `image_size`, in pixels, of which a model makes maps.

    Raises
    ------
    ValueError
        None was found: the model cannot be a backbone.
    """
    check_name(name)
    if not misfit(name, image_size):
        return image_size
    settings = timm.get_pretrained_cfg(name)
    own = settings.input_size[-1] if settings is not None else _SIDE
    tried = {own} | {max(1, image_size // step + more) * step for step in _STEPS for more in (0, 1)}
    for side in sorted(tried, key=lambda side: (abs(side - image_size), side)):
        if not misfit(name, side):
            return side
    raise ValueError(f"{name} cannot be an image encoder here: {misfit(name, image_size)}. Fix: choose another encoder")


def check_size(name: str, image_size: int) -> None:
    """Refuse a side of the picture, in pixels, that a model does not take.

    Raises
    ------
    ValueError
        The message names the nearest side that it takes.
    """
    why = misfit(name, image_size)
    if why:
        near = nearest_size(name, image_size)
        raise ValueError(f"{name} takes no pictures of {image_size} px ({why}). Fix: --image-size {near}")
