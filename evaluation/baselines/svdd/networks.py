"""Networks for Deep SVDD, which must not be able to give everything the same embedding.

Proposition 2 of Ruff et al. 2018: a layer with a bias can output a constant whatever it sees, hence the centre; the
objective is then 0 and nothing is learned. So no layer here has a bias, squeeze-and-excite included, and no
normalisation has a learned scale or shift. Two leaks remain: the edge that zero padding draws is the same in every
picture, and the one-hot classes of a cell sum to one. They are why a fitted model is checked
(`deep_svdd.collapse_report`).

Batch normalisation uses the statistics of the batch in training, never stored ones: a stored mean acts as a
bias (with all weights zero the layer outputs -mean / deviation), while the mean of a batch follows the weights, so
that a channel that is constant over it becomes zero.
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ncsnpp import ImageEncoder
from ncsnpp.light_timm import timm

NetworkName = Literal["v2_b0", "v2_s", "v2_m", "frozen_lite"]

V2_BACKBONES = {"v2_b0": "tf_efficientnetv2_b0", "v2_s": "tf_efficientnetv2_s", "v2_m": "tf_efficientnetv2_m"}
LITE_ENCODER = "tf_efficientnet_lite0"

_HEAD_CHANNELS = 64
_IMAGES_PER_FORWARD = 4
_NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)

Inputs = tuple[list[Tensor], Tensor]
"""What a network sees: maps of the pictures, float32 `[N, C, h, w]` each, finest first, and the masks, uint8 `[N, S,
S]`, 255 where void. S is the side of the finest map."""


def remove_biases(module: nn.Module) -> nn.Module:
    """Take every bias, and every learned scale of a normalisation, out of `module` in place; returns it."""
    for part in module.modules():
        is_normalisation = isinstance(part, _NORMALISATIONS)
        for name in ("bias", "weight") if is_normalisation else ("bias",):
            if part._parameters.get(name) is not None:
                part.register_parameter(name, None)
        if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
            part.affine = False
    return module


def one_hot(mask: Tensor, classes: int) -> Tensor:
    """Masks uint8 `[N, S, S]` as float32 `[N, K, S, S]`, all zeros where void."""
    return (mask[:, None] == torch.arange(classes, dtype=mask.dtype, device=mask.device)[:, None, None]).float()


class Pixels(nn.Module):
    """The encoder of networks that read the picture itself: its values 0 to 255 as the only map."""

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image.float()]


class V2Network(nn.Module):
    """An EfficientNetV2 from scratch over picture and one-hot mask at one resolution (early fusion), then a linear map.

    Parameters
    ----------
    backbone : str
        A timm classifier.
    classes : int
        K: the backbone has 3 + K input channels.
    embedding : int
        D.
    """

    def __init__(self, backbone: str, classes: int, embedding: int) -> None:
        super().__init__()
        self.classes = classes
        network: Any = timm.create_model(backbone, pretrained=False, in_chans=3 + classes, num_classes=0)
        self.backbone = remove_biases(network)
        self.head = nn.Linear(network.num_features, embedding, bias=False)

    def forward(self, inputs: Inputs) -> Tensor:
        """`Inputs` with one map of 3 channels, values 0 to 255, to embeddings `[N, D]`."""
        (pixels,), mask = inputs
        return self.head(self.backbone(torch.cat([pixels / 127.5 - 1, one_hot(mask, self.classes)], dim=1)))


class FeatureNetwork(nn.Module):
    """A small convolutional head over frozen maps of the picture and the mask: from the finest map down, each joins
    what came from above it.

    Parameters
    ----------
    channels : sequence of int
        Channels of the maps, finest first; each is half as large as the one before it.
    classes : int
        K.
    embedding : int
        D.
    """

    def __init__(self, channels: tuple[int, ...], classes: int, embedding: int) -> None:
        super().__init__()
        self.classes = classes
        # Frozen maps have a mean and, between channels, very different scales; the mask is left as it is: rare classes
        # would dominate it.
        self.standardise = nn.ModuleList(nn.BatchNorm2d(width, affine=False) for width in channels)
        widths = [classes, *[_HEAD_CHANNELS] * len(channels)]
        self.joins = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(
                    widths[n] + width,
                    widths[n + 1],
                    3,
                    stride=1 if n == len(channels) - 1 else 2,
                    padding=1,
                    bias=False,
                ),
                nn.BatchNorm2d(widths[n + 1], affine=False),
                nn.LeakyReLU(0.1),  # unbounded: a bounded activation can saturate into a constant (Proposition 3)
            )
            for n, width in enumerate(channels)
        )
        self.head = nn.Linear(_HEAD_CHANNELS, embedding, bias=False)

    def forward(self, inputs: Inputs) -> Tensor:
        """`Inputs` to embeddings `[N, D]`."""
        maps, mask = inputs
        x = one_hot(mask, self.classes)
        for standardise, join, picture in zip(self.standardise, self.joins, maps, strict=True):
            x = join(torch.cat([x, standardise(picture)], dim=1))
        return self.head(x.mean(dim=(2, 3)))


def encode(encoder: nn.Module, images: Tensor) -> list[Tensor]:
    """Maps of pictures uint8 `[N, 3, I, I]`, without gradient; a few at a time on a CPU, whose caches hold no more."""
    with torch.no_grad():
        parts = [
            encoder(part) for part in images.split(_IMAGES_PER_FORWARD if images.device.type == "cpu" else len(images))
        ]
    return [torch.cat(maps) for maps in zip(*parts, strict=True)]


def make_networks(name: NetworkName, classes: int, embedding: int) -> tuple[nn.Module, nn.Module]:
    """The frozen encoder of the picture, and the network that is trained on its maps and the mask.

    Parameters
    ----------
    name : str
        v2_b0, v2_s, v2_m: an EfficientNetV2 on the pixels. frozen_lite: a head on ImageNet features of strides 8, 16
        and 32.
    classes, embedding : int
        K and D.

    Returns
    -------
    encoder : nn.Module
        Pictures uint8 `[N, 3, I, I]` to maps. Nothing in it is trained, and it does not depend on a seed.
    network : nn.Module
        `Inputs` to embeddings `[N, D]`; its initial weights follow torch's global generator.

    Raises
    ------
    ValueError
        For another name.
    FileNotFoundError
        When the ImageNet weights of `frozen_lite` are not installed.
    """
    if name in V2_BACKBONES:
        return Pixels(), V2Network(V2_BACKBONES[name], classes, embedding)
    if name == "frozen_lite":
        encoder = ImageEncoder(LITE_ENCODER, out_indices=(2, 3, 4))
        return encoder, FeatureNetwork(encoder.channels, classes, embedding)
    raise ValueError(f"Expected argument `name` to be one of {', '.join(get_args(NetworkName))}, but got {name!r}")
