"""The pictures of one audited pair as they are on disk, each file decoded once however many pages show it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.labels import LabelSpace
from segqc.data.reader import PairReader
from segqc.gallery.overlay import read_heat

_Read = Callable[[Path, tuple[int, int] | None], np.ndarray]
_UNREADABLE = (BadInput, OSError, ValueError)


@dataclass(frozen=True)
class GalleryEntry:
    """One audited pair and its pictures.

    Parameters
    ----------
    row : mapping
        Row of an audit (`segqc.results.schema`), with the columns of a calibration or a comparison and any others,
        which the detail view shows too. Absent values are None or "".
    image : Path
        The photo.
    prediction, heatmap, ground_truth, other_prediction : Path, optional
        Mask file, 8-bit grey PNG (255 = most suspect), mask file, and the mask of the audit compared with; None leaves
        that layer out.
    reader : PairReader, optional
        How the files are read; by default as the classes' label space says.
    """

    row: Mapping[str, Any]
    image: Path
    prediction: Path | None = None
    heatmap: Path | None = None
    ground_truth: Path | None = None
    other_prediction: Path | None = None
    reader: PairReader | None = None


class Layers:
    """Decoded pictures of an entry, read when first asked for and at their full size: keep few of them in memory.

    Each is None where the entry names no file, and the exception with the reason where the file cannot be read.
    """

    def __init__(self, entry: GalleryEntry, labels: LabelSpace) -> None:
        self.entry, self.labels = entry, labels
        self.reader = entry.reader or PairReader(labels)

    @cached_property
    def photo(self) -> Image.Image | Exception:
        """The picture, RGB."""
        try:
            return self.reader.picture(self.entry.image)
        except _UNREADABLE as error:
            return error

    @cached_property
    def prediction(self) -> np.ndarray | Exception | None:
        """The judged mask, uint8 `[H, W]`, 255 where void."""
        return self._mask(self.entry.prediction, self.reader.prediction)

    @cached_property
    def other(self) -> np.ndarray | Exception | None:
        """The mask of the audit compared with, uint8 `[H, W]`."""
        return self._mask(self.entry.other_prediction, self.reader.prediction)

    @cached_property
    def truth(self) -> np.ndarray | Exception | None:
        """The true mask, uint8 `[H, W]`."""
        return self._mask(self.entry.ground_truth, self.reader.truth)

    @cached_property
    def heat(self) -> Image.Image | Exception | None:
        """The heat map, 8-bit grey."""
        try:
            return None if self.entry.heatmap is None else read_heat(self.entry.heatmap)
        except _UNREADABLE as error:
            return error

    def _mask(self, path: Path | None, read: _Read) -> np.ndarray | Exception | None:
        """A mask, which must have the size of the photo where that can be read."""
        try:
            size = self.photo.size if isinstance(self.photo, Image.Image) else None
            return None if path is None else read(path, size)
        except _UNREADABLE as error:
            return error
