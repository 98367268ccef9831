"""Settings of `segqc predict`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Device, Engine, Images, RayAddress, Setting, VocRoot, check_engine, check_settings


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """`segqc predict`: what to predict, with what, and where to.

    `out` gets ``<id>.png`` (palette, at the picture's size), ``<id>.npz`` and ``predict.json``.
    """

    out: Annotated[Path, Setting("Folder for the predicted masks.")]
    images: Images = None
    voc_root: VocRoot = None
    image_set: Annotated[
        str | None, Setting("With --voc-root: name of the list of images to predict (default: all images).")
    ] = None
    model: Annotated[str, Setting("Name of a torchvision segmentation model.")] = "deeplabv3_mobilenet_v3_large"
    weights: Annotated[
        Path | None,
        Setting(
            "State dict of your own: a .pth file, read without executing pickled code (default: torchvision's weights)."
        ),
    ] = None
    num_classes: Annotated[
        int | None, Setting("Number of classes that the weights must have (default: any).", low=2, high=255)
    ] = None
    probs: Annotated[
        bool, Setting("Also write softmax maps: NPZ files with the key probs, float16 of shape [K, h, w].")
    ] = False
    resize: Annotated[int, Setting("Shorter side of the network's input, in pixels.", low=1)] = 520
    overwrite: Annotated[bool, Setting("Predict again where a mask exists already.")] = False
    device: Device = None
    engine: Engine = "local"
    ray_address: RayAddress = None

    def __post_init__(self) -> None:
        check_settings(self)
        check_engine(self.engine, self.ray_address)
