"""Masks from torchvision's segmentation models: what an audit is fed with.

One image at a time, because images differ in size. A run may be killed and repeated: masks that are there are not made
again.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
import torchvision
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from segqc.base.devices import find_device
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.data.arrays import highest_class
from segqc.data.images import read_image, write_mask
from segqc.data.labels import MAX_CLASSES, VOC_LABELS, LabelSpace
from segqc.data.pairs import list_images
from segqc.predict.config import PredictConfig

MAX_NETWORK_PIXELS = 16_000_000
"""Largest network input: very long and thin images reach it when their shorter side is scaled to
`PredictConfig.resize`.
"""

_HEADS = ("classifier.4.weight", "classifier.low_classifier.weight")  # FCN and DeepLabV3; LR-ASPP


@dataclass(frozen=True)
class PredictSummary:
    """Masks written and skipped (they were there), and a row (id, image, reason) for each image that has none."""

    out: Path
    written: int
    skipped: int
    failed: list[dict[str, str]]


@dataclass(frozen=True)
class Segmenter:
    """A torchvision model in evaluation mode, its label space, its preprocessing, and what identifies its weights."""

    model: nn.Module
    labels: LabelSpace
    transform: Callable[[Image.Image], Tensor]
    resize: int
    weights_id: str


def predict(config: PredictConfig, console: Console | None = None) -> PredictSummary:
    """Predict masks for a folder of images.

    Bad images are rows of the summary and of ``predict.json``, not errors.

    Raises
    ------
    BadInput
        When there are no images or no such device, the weights cannot be had or do not fit, or `out` holds the masks of
        another model.
    """
    images, problems = list_images(
        config.images, config.voc_root, None if config.voc_root is None else config.image_set
    )
    out = Path(config.out).expanduser()
    if config.images is not None and out.resolve().is_relative_to(Path(config.images).expanduser().resolve()):
        raise BadInput(
            out, "lies in the folder of images, where masks would be taken for images", "choose another --out"
        )
    device = find_device(config.device)
    segmenter = load_segmenter(config.model, config.weights, config.num_classes, config.resize)
    made_by = {"model": config.model, "weights": segmenter.weights_id, "resize": config.resize}
    _check_maker(out / "predict.json", made_by, config.overwrite)
    if config.overwrite:  # all of them first: after a kill, what is there is known to be new
        for id_ in images:
            for suffix in (".png", ".npz"):
                (out / f"{id_}{suffix}").unlink(missing_ok=True)

    segmenter.model.to(device)
    written = skipped = 0
    failed = [{"id": problem.id, "image": str(problem.path), "reason": problem.reason} for problem in problems]

    def note(complete: bool) -> None:
        counts = {"written": written, "skipped": skipped, "failed": len(failed)}
        settings = {**dataclasses.asdict(config), "device": str(device)}
        content = {"complete": complete, "made_by": made_by, "labels": segmenter.labels.to_dict(), "counts": counts}
        write_json(out / "predict.json", {**content, "failed": failed, "config": settings})

    note(complete=False)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        for id_, path in progress.track(images.items(), len(images), description="Predicting"):
            target = out / f"{id_}.png"
            if target.is_file() and (not config.probs or (out / f"{id_}.npz").is_file()):
                skipped += 1
                continue
            try:
                mask, probs = segment(segmenter, read_image(path), config.probs)
            except BadInput as error:
                failed.append({"id": id_, "image": str(path), "reason": error.reason})
                continue
            if probs is not None:  # before the mask: a mask that is there has its probabilities
                with atomic_path(out / f"{id_}.npz") as temporary:
                    np.savez_compressed(temporary, probs=probs)
            write_mask(target, mask, segmenter.labels)
            written += 1
    note(complete=True)
    return PredictSummary(out, written, skipped, failed)


def segment(segmenter: Segmenter, image: Image.Image, probs: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Segment one RGB image.

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
        reason = f"of {image.width}x{image.height} pixels is too long and thin to be resized to a shorter side of {segmenter.resize}"
        raise BadInput("image", reason, "crop it")
    captured: list[Tensor] = []
    last_layer = segmenter.model.get_submodule("classifier")
    hook = last_layer.register_forward_hook(lambda module, inputs, output: captured.append(output))
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
    path = _hub_weights(own.url) if weights is None else Path(weights).expanduser()
    state = _read_state_dict(path)
    head = next((state[key] for key in _HEADS if key in state), None)
    if head is None or head.ndim != 4:
        raise BadInput(
            path,
            f"is no state_dict of a torchvision segmentation model (no {' or '.join(_HEADS)})",
            f"train or fetch {model}",
        )
    found = len(head)
    if num_classes is not None and num_classes != found:
        raise BadInput(path, f"has {found} classes, not {num_classes}", "drop --num-classes or pass other weights")
    if not 2 <= found <= MAX_CLASSES:
        raise BadInput(path, f"has {found} classes; masks hold 2 to {MAX_CLASSES}")
    network = torchvision.models.get_model(
        model, weights=None, weights_backbone=None, num_classes=found, aux_loss=False
    )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise BadInput(path, f"does not fit {model}: {first[:200]}", "pass the model it was trained as") from error
    labels = (
        VOC_LABELS if found == VOC_LABELS.num_classes else LabelSpace(tuple(f"class {index}" for index in range(found)))
    )
    weights_id = path.name if weights is None else f"sha256:{_sha256(path)}"
    return Segmenter(network.eval(), labels, own.transforms(resize_size=resize), resize, weights_id)


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
    """Tensors of a ``.pth``, without wrapper, without DataParallel's prefix and without the auxiliary head, which does
    not predict.
    """
    if not path.is_file():
        raise BadInput(path, "does not exist", "pass a .pth file with a state_dict")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile archive: PyTorch raises a dozen kinds
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            path,
            f"cannot be read as plain tensors: {first[:200]}",
            "it is damaged, or a pickle of more than tensors, which could run code and is refused: save model.state_dict() alone",
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise BadInput(path, "is no state_dict", "save model.state_dict()")
    state = {key.removeprefix("module."): value for key, value in content.items()}
    return {key: value for key, value in state.items() if not key.startswith("aux_classifier.")}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_maker(note: Path, made_by: dict[str, Any], overwrite: bool) -> None:
    """Refuse to fill up a folder with masks of another model."""
    if overwrite or not note.exists():
        return
    content = read_json(note)
    before = content.get("made_by") if isinstance(content, dict) else None
    if before != made_by:
        raise BadInput(
            note,
            f"says the masks here were made by {before}, not {made_by}",
            "choose another --out or pass --overwrite",
        )
