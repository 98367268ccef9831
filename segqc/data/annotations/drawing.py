"""From annotated regions to masks: later regions lie above earlier ones, and what they cover is counted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

from segqc.base.errors import BadInput
from segqc.data.decoding import check_pixels
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask


class Draw(Protocol):
    """Regions of one picture, from below to above: class name and bool `[H, W]`."""

    def __call__(self) -> Iterable[tuple[str, np.ndarray]]: ...


@dataclass(frozen=True)
class AnnotatedPicture:
    """One picture of an annotation file.

    Attributes
    ----------
    id : str
        The picture's path below its folder, without suffix.
    width, height : int
        px.
    draw : callable
        Yields its regions; may raise `BadInput`.
    """

    id: str
    width: int
    height: int
    draw: Draw


@dataclass(frozen=True)
class Annotations:
    """What an annotation file, or a folder of them, holds.

    Attributes
    ----------
    path : Path
    names : tuple of str
        Classes in the file's order, background not among them unless the file names it.
    pictures : tuple of AnnotatedPicture
    passed_over : dict of str to int
        Annotations that are no regions (boxes, points, lines), by kind.
    """

    path: Path
    names: tuple[str, ...]
    pictures: tuple[AnnotatedPicture, ...]
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def label_space(self) -> LabelSpace:
        """Background and the file's classes; pixels of no region are background.

        Raises
        ------
        BadInput
            The file names no class, or too many.
        """
        known = ("background", "_background_", "__background__")
        first = next((name for name in self.names if name.lower() in known), "background")
        names = (first, *(name for name in self.names if name != first))
        try:
            return LabelSpace(names, void_stated=False)
        except ValueError as error:
            raise BadInput(self.path, str(error), "choose classes with --classes") from error


@dataclass(frozen=True)
class Drawn:
    """What `draw_masks` did.

    Attributes
    ----------
    masks : int
        Files written.
    covered : int
        Pixels on which a later region of another class lies above an earlier one.
    errors : dict of str to str
        Pictures without a mask, and why.
    """

    masks: int
    covered: int
    errors: Mapping[str, str]

    def __str__(self) -> str:
        parts = [f"{self.masks} masks drawn"]
        if self.covered:
            parts.append(f"{self.covered:,} pixels lie under a later annotation of another class, which wins")
        if self.errors:
            parts.append(f"{len(self.errors)} pictures cannot be drawn: {next(iter(self.errors.values()))}")
        return "; ".join(parts)


def draw_masks(annotations: Annotations, labels: LabelSpace, folder: Path) -> Drawn:
    """Write the masks of all pictures as palette PNGs below `folder`, by id.

    A class that `labels` does not have is background there, as it is for whoever trains on fewer classes.
    """
    masks, covered, errors = 0, 0, {}
    for picture in annotations.pictures:
        try:
            mask, under = draw_mask(picture, labels, annotations.path)
        except BadInput as error:
            errors[picture.id] = error.reason
            continue
        write_mask(folder / f"{picture.id}.png", mask, labels)
        masks, covered = masks + 1, covered + under
    return Drawn(masks, covered, errors)


def draw_mask(picture: AnnotatedPicture, labels: LabelSpace, path: Path) -> tuple[np.ndarray, int]:
    """The mask of a picture, uint8 `[H, W]` of class indices, and how many pixels lie under a later region.

    Raises
    ------
    BadInput
        The picture has no size or an impossible one, or a region cannot be drawn.
    """
    if picture.width < 1 or picture.height < 1:
        raise BadInput(path, f"gives no size of {picture.id}", "state width and height of every picture")
    check_pixels(path, picture.width * picture.height)
    index = {name: place for place, name in enumerate(labels.names)}
    empty = labels.background if labels.background is not None else 255
    mask = np.full((picture.height, picture.width), empty, np.uint8)
    drawn = np.zeros(mask.shape, bool)
    covered = 0
    for name, region in picture.draw():
        if region.shape != mask.shape:
            stated = f"{picture.width}x{picture.height}"
            raise BadInput(
                path,
                f"holds a region of {region.shape[1]}x{region.shape[0]} pixels for {picture.id}, which is {stated}",
            )
        if name not in index:
            continue
        covered += int((region & drawn & (mask != index[name])).sum())
        mask[region] = index[name]
        drawn |= region
    return mask, covered


def fill_polygon(points: Sequence[Sequence[float]], width: int, height: int) -> np.ndarray:
    """The pixels of a polygon, bool `[H, W]`; points are (x, y) in px, also beyond the picture."""
    canvas = Image.new("1", (width, height), 0)
    corners = [(float(x), float(y)) for x, y in points]
    if len(corners) >= 3:
        ImageDraw.Draw(canvas).polygon(corners, fill=1, outline=1)
    return np.asarray(canvas, bool)


def decode_runs(counts: Sequence[int], width: int, height: int, columns_first: bool) -> np.ndarray:
    """Alternating runs of background and region, bool `[H, W]`.

    Parameters
    ----------
    counts : sequence of int
        Lengths, background first.
    columns_first : bool
        Whether runs go down the columns (COCO) or along the rows (CVAT).

    Raises
    ------
    ValueError
        The runs do not add up to the picture, or one is negative.
    """
    lengths = np.asarray(counts, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != width * height:
        raise ValueError(f"Expected runs of {width * height} pixels, but got {int(lengths.sum())}")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(width, height).T if columns_first else flat.reshape(height, width)
