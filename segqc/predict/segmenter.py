"""torchvision's segmentation models with their own weights or a user's, and the mask of one picture.

A user's weights are read as plain tensors: a pickle that could run code is refused.
"""

import argparse
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from segqc.base.errors import BadInput
from segqc.base.fingerprints import file_sha256
from segqc.base.storage.paths import as_path
from segqc.data.arrays import highest_class
from segqc.data.labels import MAX_CLASSES, VOC_LABELS, LabelSpace

MAX_NETWORK_PIXELS = 16_000_000
"""Largest network input: very long and thin images reach it when their shorter side is scaled to
`PredictConfig.resize`.
"""

_HEADS = ("classifier.4.weight", "classifier.low_classifier.weight")  # FCN and DeepLabV3; LR-ASPP


@dataclass(frozen=True)
class Segmenter:
    """A torchvision model in evaluation mode, its label space, its preprocessing, and what identifies its weights."""

    model: nn.Module
    labels: LabelSpace
    transform: Callable[[Image.Image], Tensor]
    resize: int
    weights_id: str


def segment(segmenter: Segmenter, image: Image.Image, probs: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Segment one RGB image; may be called by several threads at a time.

    Returns
    -------
    mask : np.ndarray
        uint8 [H, W]: argmax of the model's logits, brought to the image's size by bilinear interpolation.
    probs : np.ndarray or None
        float16 [K, h, w]: softmax of the last layer, before any interpolation.

    Raises
    ------
    BadInput
        When the image is too long and thin to be resized, or the network's output is not finite.
    """
    scale = segmenter.resize / min(image.size)
    if scale**2 * image.width * image.height > MAX_NETWORK_PIXELS:
        size, side = f"{image.width}x{image.height}", segmenter.resize
        reason = f"of {size} pixels is too long and thin to be resized to a shorter side of {side}"
        raise BadInput("image", reason, "crop it")
    captured: list[Tensor] = []
    last_layer = segmenter.model.get_submodule("classifier")
    caller = threading.get_ident()

    def capture(module: nn.Module, inputs: object, output: Tensor) -> None:
        if threading.get_ident() == caller:  # other threads call the same module
            captured.append(output)

    hook = last_layer.register_forward_hook(capture)
    try:
        with torch.inference_mode():
            device = next(segmenter.model.parameters()).device
            logits = segmenter.model(segmenter.transform(image)[None].to(device))["out"].float()
            if not torch.isfinite(logits).all():
                raise BadInput("image", "makes the network's output infinite or NaN", "check the weights")
            mask = highest_class(logits[0], (image.height, image.width)).cpu().numpy()
            softmax = captured[0].float().softmax(dim=1)[0].half().cpu().numpy() if probs else None
    finally:
        hook.remove()
    return mask, softmax


def load_segmenter(
    model: str, weights: Path | None = None, num_classes: int | None = None, resize: int = 520
) -> Segmenter:
    """Build a torchvision segmentation model with its own or a user's weights; see `PredictConfig`.

    Raises
    ------
    BadInput
        When there is no such model, its weights cannot be downloaded (the fix says which file to put where), or the
        file is not a plain state_dict of this model with the wanted number of classes.
    """
    names = torchvision.models.list_models(module=torchvision.models.segmentation)
    if model not in names:
        raise BadInput(f"model {model!r}", f"is no torchvision segmentation model; there are {', '.join(names)}")
    own = torchvision.models.get_model_weights(model).DEFAULT
    path = _hub_weights(own.url) if weights is None else as_path(weights).expanduser()
    state = _read_state_dict(path)
    classes = _count_classes(path, state, model, num_classes)
    network = torchvision.models.get_model(
        model, weights=None, weights_backbone=None, num_classes=classes, aux_loss=False
    )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise BadInput(path, f"does not fit {model}: {first[:200]}", "pass the model it was trained as") from error
    is_voc = classes == VOC_LABELS.num_classes
    labels = VOC_LABELS if is_voc else LabelSpace(tuple(f"class {index}" for index in range(classes)))
    weights_id = path.name if weights is None else f"sha256:{file_sha256(path)}"
    return Segmenter(network.eval(), labels, own.transforms(resize_size=resize), resize, weights_id)


def _count_classes(path: Path, state: Mapping[str, Tensor], model: str, wanted: int | None) -> int:
    """Number of classes of a state_dict, by its last layer.

    Raises
    ------
    BadInput
        It has no such layer, another number of classes than `wanted`, or one that masks cannot hold.
    """
    head = next((state[key] for key in _HEADS if key in state), None)
    if head is None or head.ndim != 4:
        raise BadInput(
            path,
            f"is no state_dict of a torchvision segmentation model (no {' or '.join(_HEADS)})",
            f"train or fetch {model}",
        )
    found = len(head)
    if wanted is not None and wanted != found:
        raise BadInput(path, f"has {found} classes, not {wanted}", "drop --num-classes or pass other weights")
    if not 2 <= found <= MAX_CLASSES:
        raise BadInput(path, f"has {found} classes; masks hold 2 to {MAX_CLASSES}")
    return found


def _hub_weights(url: str) -> Path:
    """The file of torchvision's weights in the hub's cache, downloaded if it is not there."""
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The name ends in the first digits of the file's SHA-256.
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
        # URLError and time-outs are OSErrors; a wrong checksum is a RuntimeError
        except (OSError, RuntimeError) as error:
            there = "put it there (TORCH_HOME moves the folder), or pass --weights FILE.pth"
            fix = f"if this machine is offline, fetch {url} elsewhere and {there}"
            raise BadInput(path, f"is not there and could not be downloaded: {error}", fix) from error
    return path


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a ``.pth``.

    Their wrapper, the prefix of DataParallel ("module.") or Lightning ("model.") and the auxiliary head, which does not
    predict, are left out.
    """
    if not path.is_file():
        raise BadInput(path, "does not exist", "pass a .pth file with a state_dict")
    try:
        # torchvision's training script keeps its arguments beside the weights: plain values in a plain class.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile archive: PyTorch raises a dozen kinds
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            path,
            f"cannot be read as plain tensors: {first[:200]}",
            "it is damaged, or a pickle of more than tensors, which could run code and is refused: "
            "save model.state_dict() alone",
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise BadInput(path, "is no state_dict", "save model.state_dict()")
    prefix = next((key.removesuffix(head) for key in content for head in _HEADS if key.endswith(f".{head}")), "")
    state = {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}
    return {key: value for key, value in state.items() if not key.startswith("aux_classifier.")}
