"""Settings of `segqc predict`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Device, Images, Setting, VocRoot, check_settings


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """`segqc predict`: what to predict, with what, and where to.

    `out` gets ``<id>.png`` (palette, at the picture's size), ``<id>.npz`` and ``predict.json``.
    """

    out: Annotated[Path, Setting("Folder for the masks.")]
    images: Images = None
    voc_root: VocRoot = None
    image_set: Annotated[str | None, Setting("With --voc-root: only this list.")] = None
    model: Annotated[str, Setting("A torchvision segmentation model.")] = "deeplabv3_mobilenet_v3_large"
    weights: Annotated[
        Path | None,
        Setting("A state_dict of your own (.pth, read without pickle's code); the hub's by default."),
    ] = None
    num_classes: Annotated[int | None, Setting("What the weights must have.", low=2, high=255)] = None
    probs: Annotated[bool, Setting("Also write softmax maps: npz, key probs, float16 [K, h, w].")] = False
    resize: Annotated[int, Setting("Shorter side of the network's input, px.", low=1)] = 520
    overwrite: Annotated[bool, Setting("Make masks again that are there.")] = False
    device: Device = None

    def __post_init__(self) -> None:
        check_settings(self)
