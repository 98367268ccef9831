"""How the files of an audit are read: decided once for the whole set, kept in its summary, used by all that read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.data.instances import Instances, read_instances
from segqc.data.labels import LabelSpace
from segqc.data.masks import check_size, to_labels
from segqc.data.pictures import AS_STORED, PictureReading, read_image
from segqc.data.rasters import read_raster


@dataclass(frozen=True)
class PairReader:
    """Reads pictures, predicted masks and true masks.

    Parameters
    ----------
    labels : LabelSpace
        The classes.
    predictions, truths : LabelSpace, optional
        The same classes with the values that stand for them in predicted and in true masks; by default `labels`.
    pictures : PictureReading
    strict_size : bool
        Whether a predicted mask of another size than its picture is refused; else it is brought to it by nearest
        neighbour, unless it lies on its side.
    """

    labels: LabelSpace
    predictions: LabelSpace | None = None
    truths: LabelSpace | None = None
    pictures: PictureReading = AS_STORED
    strict_size: bool = False

    def picture(self, path: Path) -> Image.Image:
        """An RGB picture; raises `BadInput`."""
        return read_image(path, self.pictures)

    def prediction(self, path: Path, size: tuple[int, int] | Image.Image | None = None) -> np.ndarray:
        """A predicted mask at its picture's size, uint8 `[H, W]`; see `sized_prediction`."""
        return self.sized_prediction(path, size)[0]

    def sized_prediction(
        self, path: Path, size: tuple[int, int] | Image.Image | None
    ) -> tuple[np.ndarray, tuple[int, int] | None]:
        """A predicted mask, uint8 `[H, W]`, and the size (width, height) that its file has, where that is another one.

        Raises
        ------
        BadInput
            The file is no mask, holds what is no class, or has another size and `strict_size` is set.
        """
        raster = read_raster(path)
        wanted = size.size if isinstance(size, Image.Image) else size
        mask_of = self.predictions or self.labels
        if wanted is None or raster.size == wanted:
            return to_labels(path, raster, mask_of), None
        if self.strict_size or raster.size == wanted[::-1]:
            check_size(path, raster.size, size)  # type: ignore[arg-type]  # not None, as `wanted` is not
        mask = Image.fromarray(to_labels(path, raster, mask_of)).resize(wanted, Image.Resampling.NEAREST)
        return np.array(mask), raster.size

    def instances(self, path: Path, size: tuple[int, int] | Image.Image) -> Instances:
        """The instances of a predicted mask at its picture's size; see `segqc.data.instances.read_instances`."""
        return read_instances(path, size, resize=not self.strict_size)

    def truth(self, path: Path, size: tuple[int, int] | Image.Image | None = None) -> np.ndarray:
        """A true mask, uint8 `[H, W]`, which must have the size.

        Raises
        ------
        BadInput
            The file is no mask, holds what is no class, or has another size.
        """
        raster = read_raster(path)
        if size is not None:
            check_size(path, raster.size, size)
        return to_labels(path, raster, self.truths or self.labels)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, without the classes."""
        return {
            "predictions": None if self.predictions is None else self.predictions.to_dict(),
            "truths": None if self.truths is None else self.truths.to_dict(),
            "pictures": self.pictures.to_dict(),
            "strict_size": self.strict_size,
        }

    @classmethod
    def from_dict(cls, labels: LabelSpace, values: Mapping[str, Any] | None) -> "PairReader":
        """Inverse of `to_dict`; None, of an audit from before readings were kept, reads files as the labels say."""
        if values is None:
            return cls(labels)
        spaces = {
            name: None if values[name] is None else LabelSpace.from_dict(values[name])
            for name in ("predictions", "truths")
        }
        return cls(
            labels, **spaces, pictures=PictureReading.from_dict(values["pictures"]), strict_size=values["strict_size"]
        )
