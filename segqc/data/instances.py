"""Instances: masks in which objects keep the ids that the prediction gave them.

Two objects of a class that touch are one connected component of a class mask. A network that predicts instances tells
them apart: beside the class mask there is then a map of ids, 0 where no instance is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.data.components import Components, mask_components
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import check_size
from segqc.data.pairs import masks_of
from segqc.data.rasters import read_raster


@dataclass(frozen=True)
class Instances:
    """The instances of a picture.

    Attributes
    ----------
    ids : ndarray `[M]` int64
        In ascending order, from 1.
    numbers : ndarray `[H, W]` int32
        Place in `ids` of each pixel's instance, from 1; 0: none.
    """

    ids: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Instances":
        """From a map of ids `[H, W]`; 0 and below: no instance."""
        ids, numbers = np.unique(np.maximum(values, 0), return_inverse=True)
        numbers = numbers.reshape(values.shape).astype(np.int32)
        return cls(ids[ids > 0].astype(np.int64), numbers + (0 if len(ids) and ids[0] == 0 else 1))


def read_instances(path: Path, size: tuple[int, int] | Image.Image, resize: bool = False) -> Instances:
    """Read a map of ids.

    Parameters
    ----------
    path : Path
        PNG, TIFF, BMP, NPY or NPZ of whole numbers.
    size : (width, height) or PIL image
        Size of the picture, px.
    resize : bool
        Whether a map of another size is brought to that of the picture by nearest neighbour.

    Raises
    ------
    BadInput
        The file cannot be read, holds colours, or has another size.
    """
    raster = read_raster(path)
    if raster.values is None:
        raise BadInput(
            path, "holds colours, which are no instance ids", "save the ids as a 16-bit grey PNG, TIFF or NPY"
        )
    found = Instances.of(raster.values)
    wanted = size.size if isinstance(size, Image.Image) else size
    if raster.size == wanted:
        return found
    if not resize:
        check_size(path, raster.size, size)
    numbers = Image.fromarray(found.numbers).resize(wanted, Image.Resampling.NEAREST)
    return Instances(found.ids, np.array(numbers))


def write_instances(path: Path, values: np.ndarray) -> None:
    """Write a map of ids `[H, W]`, of any size, as NPZ; a file that holds them already is left as it is."""
    if path.is_file():
        try:
            if np.array_equal(np.asarray(read_raster(path).values), values):
                return
        except BadInput:  # written again
            pass
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, mask=values)


def instance_files(folder: Path, ids: Sequence[str]) -> dict[str, Path]:
    """The map of ids of each picture that has one, whatever in the names differs.

    Raises
    ------
    BadInput
        There is no such folder, or it holds several kinds of mask, or two files for one id.
    """
    if not folder.is_dir():
        raise BadInput(folder, "is no folder", "give the folder of the instance masks")
    found = masks_of(ids, folder)
    for id_, paths in found.items():
        if len(paths) > 1:
            listed = ", ".join(path.name for path in paths)
            raise BadInput(folder, f"has several instance masks for {id_}: {listed}", "keep one")
    return {id_: paths[0] for id_, paths in found.items()}


def mask_objects(
    mask: np.ndarray, labels: LabelSpace, smallest: int = 1, instances: Instances | None = None
) -> Components:
    """The objects of a mask that have at least `smallest` pixels.

    Without instances these are the connected components of foreground classes. With them each instance is an object,
    connected or not, of the foreground class that most of its pixels have; pixels of it that have another class belong
    to no object. What foreground is in no instance is divided into components, numbered after the largest id.

    Parameters
    ----------
    mask : ndarray `[H, W]` uint8
        Class indices, 255 where void.
    labels : LabelSpace
    smallest : int
        Pixels.
    instances : Instances, optional
        Instances of the same picture, in a map of the same size.
    """
    if instances is None:
        return mask_components(mask, labels, smallest)
    count = len(instances.ids)
    votes = np.bincount(instances.numbers.ravel() * 256 + mask.ravel(), minlength=(count + 1) * 256).reshape(-1, 256)
    foreground = np.zeros(256, bool)
    foreground[list(labels.foreground)] = True
    votes = votes * foreground
    classes, sizes = votes.argmax(1), votes.max(1)
    kept = np.flatnonzero((sizes >= max(smallest, 1)) & (np.arange(count + 1) > 0))
    places = np.zeros(count + 1, np.int32)
    places[kept] = np.arange(1, len(kept) + 1)
    numbers = np.where(mask == classes[instances.numbers], places[instances.numbers], 0).astype(np.int32)
    windows = ndimage.find_objects(numbers, len(kept))
    rest = mask_components(np.where(instances.numbers > 0, VOID, mask).astype(np.uint8), labels, smallest)
    last = int(instances.ids.max(initial=0))
    return Components(
        np.where(rest.numbers > 0, rest.numbers + len(kept), numbers).astype(np.int32),
        np.concatenate([classes[kept], rest.classes]),
        np.concatenate([sizes[kept], rest.sizes]),
        [*windows, *rest.windows],
        np.concatenate([instances.ids[kept - 1], last + rest.ids]),
    )
