"""Base of all baselines: a baseline may learn from training pairs, and gives each audited pair a score, higher = worse.

A baseline's sign is fixed here and by its author, never by looking at the quality of what it scores.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from rich.console import Console

from segqc.data.labels import LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image
from segqc.data.reader import PairReader

Group = Literal["mask", "picture and mask", "probabilities", "second opinion", "supervised"]


@dataclass(frozen=True)
class Example:
    """A picture and a mask on disk: a training pair, whose mask is ground truth, or an audited pair, whose mask is a
    prediction.

    Attributes
    ----------
    id : str
    image, mask_file : Path
    labels : LabelSpace
    probabilities : Path or None
        NPZ of the segmenter's softmax maps (`segqc predict --probs`): key `probs` `[K, h, w]`, optionally `valid`
        (height, width) of the part that shows the picture.
    mirrored : Path or None
        Mask predicted on the mirrored picture, mirrored back.
    second : Path or None
        Another network's mask of the same picture.
    reader : PairReader or None
        How picture and mask are read; None: as the label space says.
    mirrored_reader, second_reader : PairReader or None
        The same of those two masks, which may hold other values.
    size : (width, height) or None
        Size of the picture, px; a mask of another size is brought to it.
    """

    id: str
    image: Path
    mask_file: Path
    labels: LabelSpace
    probabilities: Path | None = None
    mirrored: Path | None = None
    second: Path | None = None
    reader: PairReader | None = None
    size: tuple[int, int] | None = None
    mirrored_reader: PairReader | None = None
    second_reader: PairReader | None = None

    def mask(self) -> np.ndarray:
        """The mask, uint8 `[H, W]`, 255 where void. Raises `BadInput` when it cannot be read."""
        if self.reader is None:
            return read_mask(self.mask_file, self.labels)
        return self.reader.prediction(self.mask_file, self.size)

    def picture(self) -> Image.Image:
        """The RGB picture. Raises `BadInput` when it cannot be read."""
        return read_image(self.image) if self.reader is None else self.reader.picture(self.image)


class LeftOut(UserWarning):
    """Warned of for each pair that a baseline cannot read and leaves out.

    Attributes
    ----------
    id, reason : str
    """

    def __init__(self, id: str, reason: str) -> None:
        super().__init__(f"{id} is left out: {reason}")
        self.id, self.reason = id, reason


class CollapsedFit(UserWarning):
    """Warning by `Baseline.fit` that the trained model no longer tells pairs apart, so that its scores mean nothing."""


class Baseline(ABC):
    """A quality score that is compared with the method under evaluation.

    Attributes
    ----------
    name : str
        Its row in the table.
    group : Group
        What the baseline may use.
    learns : bool
        Whether `fit` needs training pairs.
    needs : str
        What the baseline needs, as the report prints it: "the mask alone", "softmax maps of the segmenter".
    option : str
        Option of `segqc evaluate` that gives it what it needs; empty where nothing need be given.
    """

    name: str
    group: Group
    needs: str
    learns: bool = False
    option: str = ""

    def fit(self, training: Sequence[Example], folder: Path, console: Console | None = None) -> None:  # noqa: B027 (most have nothing to learn)
        """Learn from training pairs with their ground-truth masks.

        Parameters
        ----------
        training : sequence of Example
        folder : Path
            Where it may keep what it learned (safetensors, JSON); a finished fit of the same training pairs found there
            is loaded instead of repeated.
        console : Console, optional
            Where the progress of a long fit goes.
        """

    @abstractmethod
    def score(self, audited: Sequence[Example]) -> np.ndarray:
        """Score pairs, each alone: float64 `[n]`, higher = worse, NaN where what it needs is missing for a pair."""
