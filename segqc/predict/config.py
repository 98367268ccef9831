"""Settings of `segqc predict`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path

from segqc.base.settings import check_range
from segqc.data.labels import MAX_CLASSES


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What to predict, with what, and where to.

    Parameters
    ----------
    out : Path
        Folder for ``<id>.png`` (palette, at the image's size), ``<id>.npz`` and ``predict.json``.
    images : Path, optional
        Folder of images, searched recursively.
    voc_root : Path, optional
        Pascal VOC instead.
    image_set : str, optional
        Which of its image sets; None: all images.
    model : str
        A torchvision segmentation model.
    weights : Path, optional
        A state_dict (``.pth``), bare or under ``state_dict`` or ``model``. None: torchvision's own weights.
    num_classes : int, optional
        What the weights must have; None: what they have.
    probs : bool
        Also write the softmax at the resolution of the network's last layer: key ``probs``, float16 [K, h, w].
    resize : int
        Shorter side of the network's input in pixels.
    device : str, optional
        None: an accelerator if there is one.
    overwrite : bool
        Make masks again that are there.
    """

    out: Path
    images: Path | None = None
    voc_root: Path | None = None
    image_set: str | None = "val"
    model: str = "deeplabv3_mobilenet_v3_large"
    weights: Path | None = None
    num_classes: int | None = None
    probs: bool = False
    resize: int = 520
    device: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_range(self, "resize", 1)
        check_range(self, "num_classes", 2, MAX_CLASSES)
