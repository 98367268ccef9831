"""What every worker of a prediction does, be it threads of this process or a process on another machine: from pictures
to masks on disk.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.devices import find_device
from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.base.scoring import read_and_score
from segqc.data.masks import write_mask
from segqc.data.pictures import read_image
from segqc.predict.config import PredictConfig
from segqc.predict.segmenter import Segmenter, load_segmenter, segment

_MOST_AT_A_TIME = 4  # a segmenter's maps of one picture take a few hundred megabytes


@dataclass(frozen=True)
class Outcome:
    """What became of an image: a mask that is new, or was there before, or cannot be made, with the reason."""

    id: str
    path: Path
    is_new: bool = False
    failure: str | None = None


@dataclass(frozen=True)
class MaskFolder:
    """The folder that masks are written to; `with_probs` says whether each has its probabilities beside it."""

    out: Path
    with_probs: bool

    def mask(self, id_: str) -> Path:
        """The file of an image's mask."""
        return self.out / f"{id_}.png"

    def probs(self, id_: str) -> Path:
        """The file of an image's probabilities."""
        return self.out / f"{id_}.npz"

    def has(self, id_: str) -> bool:
        """Whether all that belongs to an image is there."""
        return self.mask(id_).is_file() and (not self.with_probs or self.probs(id_).is_file())


def predict_images(
    segmenter: Segmenter, folder: MaskFolder, images: Iterable[tuple[str, Path]], most: int = _MOST_AT_A_TIME
) -> Iterator[Outcome]:
    """Write the masks of images, given by id and file, but for those that are there.

    Parameters
    ----------
    segmenter : Segmenter
    folder : MaskFolder
    images : iterable of (str, Path)
    most : int
        Images in the network at a time, on a CPU.
    """

    def read(image: tuple[str, Path]) -> tuple[Outcome, Image.Image | None]:
        id_, path = image
        if folder.has(id_):
            return Outcome(id_, path), None
        try:
            return Outcome(id_, path, is_new=True), read_image(path)
        except BadInput as error:
            return Outcome(id_, path, failure=error.reason), None

    def predict(item: tuple[Outcome, Image.Image | None]) -> Outcome:
        outcome, image = item
        if image is None:
            return outcome
        try:
            mask, probs = segment(segmenter, image, folder.with_probs)
        except BadInput as error:
            return Outcome(outcome.id, outcome.path, failure=error.reason)
        if probs is not None:  # before the mask: a mask that is there has its probabilities
            with atomic_path(folder.probs(outcome.id)) as temporary:
                np.savez_compressed(temporary, probs=probs)
        write_mask(folder.mask(outcome.id), mask, segmenter.labels)
        return outcome

    device = next(segmenter.model.parameters()).device
    yield from read_and_score(read, predict, images, device, most=most)


def start_worker(
    config: PredictConfig, folder: MaskFolder, weights_id: str, device: str
) -> Callable[[Iterable[tuple[str, Path]]], Iterator[Outcome]]:
    """Load the segmenter in a process of its own, which has one core to compute with, or an accelerator.

    Raises
    ------
    BadInput
        As for `load_segmenter`, or the weights are others here than where the prediction was started.
    """
    segmenter = load_segmenter(config.model, config.weights, config.num_classes, config.resize)
    if segmenter.weights_id != weights_id:
        raise BadInput(config.weights or config.model, "is another file there", "let all machines see the same files")
    segmenter.model.to(find_device(device))
    return partial(predict_images, segmenter, folder, most=1)
