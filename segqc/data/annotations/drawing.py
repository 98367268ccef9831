"""From annotated regions to masks: later regions lie above earlier ones, and what they cover is counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.parallel import ordered_map
from segqc.data.decoding import check_pixels
from segqc.data.instances import write_instances
from segqc.data.label_names import class_of
from segqc.data.labels import VOID, LabelSpace
from segqc.data.masks import read_mask, write_mask

_LISTED = 5


class Region(NamedTuple):
    """A class name, pixels `[H, W]` bool, and, where regions are single objects, an id from 1 that is unique in the
    picture.
    """

    name: str
    pixels: np.ndarray
    id: int | None = None


class Draw(Protocol):
    """Regions of one picture, from below to above."""

    def __call__(self) -> Iterable[Region]: ...


@dataclass(frozen=True)
class AnnotatedPicture:
    """One picture of an annotation file.

    Attributes
    ----------
    id : str
        The picture's path as the file names it, without suffix.
    width, height : int
        px.
    draw : callable
        Yields its regions; may raise `BadInput`.
    empty : bool
        Whether it has no annotation.
    """

    id: str
    width: int
    height: int
    draw: Draw
    empty: bool = False


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
        Annotations that are no regions (boxes, points, lines), or are left out for another reason, by kind.
    notes : tuple of str
        What was decided when the file was read, to be printed.
    """

    path: Path
    names: tuple[str, ...]
    pictures: tuple[AnnotatedPicture, ...]
    passed_over: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
class DrawnMask:
    """One mask, and what drawing it left out.

    Attributes
    ----------
    mask : ndarray `[H, W]` uint8
        Class indices, 255 where void.
    covered : int
        Pixels on which a later region of another class lies above an earlier one.
    known : int
        Regions that were drawn.
    unknown : Counter of str
        Regions by name, of names that are no class; they were not drawn.
    instances : ndarray `[H, W]` int64
        Id of the region that lies on top of each pixel; 0 where there is none, or it has no id.
    """

    mask: np.ndarray
    covered: int
    known: int
    unknown: Counter[str]
    instances: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """What `draw_masks` did.

    Attributes
    ----------
    masks, empty : int
        Masks that were drawn, and how many of them are of pictures without an annotation.
    covered, known, unknown
        Sums of those of `DrawnMask`.
    errors : dict of str to str
        Pictures without a mask, and why.
    """

    masks: int
    empty: int
    covered: int
    known: int
    unknown: Counter[str]
    errors: Mapping[str, str]

    def __str__(self) -> str:
        parts = [f"masks drawn: {self.masks:,}"]
        if self.empty:
            parts.append(f"empty, without an annotation: {self.empty:,}")
        if self.covered:
            parts.append(f"{self.covered:,} pixels lie under a later annotation of another class, which wins")
        if self.unknown:
            listed = ", ".join(f"{count:,} {name!r}" for name, count in self.unknown.most_common(_LISTED))
            listed += f" and {len(self.unknown) - _LISTED} more" if len(self.unknown) > _LISTED else ""
            parts.append(f"annotations of no known class, left out: {self.unknown.total():,} ({listed})")
        if self.errors:
            parts.append(f"masks that cannot be drawn: {len(self.errors):,} ({next(iter(self.errors.values()))})")
        return "; ".join(parts)


def draw_masks(annotations: Annotations, labels: LabelSpace, folder: Path, instances: Path | None = None) -> Drawn:
    """Write the masks of all pictures as palette PNGs below `folder`, by id, which must be a path below it; and below
    `instances` the ids of their regions, of pictures that have any.

    A file that holds its mask already is left as it is: what was made from it stays valid. Regions of a class that
    `labels` does not have are left out and counted.
    """

    def draw(picture: AnnotatedPicture) -> DrawnMask | BadInput:
        try:
            drawn = draw_mask(picture, labels, annotations.path)
        except BadInput as error:
            return error
        path = folder / f"{picture.id}.png"
        if not _holds(path, drawn.mask, labels):
            write_mask(path, drawn.mask, labels)
        if instances is not None:
            ids = instances / f"{picture.id}.npz"
            if drawn.instances.any():
                write_instances(ids, drawn.instances)
            else:
                ids.unlink(missing_ok=True)
        return drawn

    masks = empty = covered = known = 0
    unknown, errors = Counter[str](), dict[str, str]()
    for picture, drawn in zip(annotations.pictures, ordered_map(draw, annotations.pictures), strict=True):
        if isinstance(drawn, BadInput):
            errors[picture.id] = drawn.reason
            continue
        masks, empty = masks + 1, empty + picture.empty
        covered, known = covered + drawn.covered, known + drawn.known
        unknown += drawn.unknown
    return Drawn(masks, empty, covered, known, unknown, errors)


def _holds(path: Path, mask: np.ndarray, labels: LabelSpace) -> bool:
    try:
        return path.is_file() and np.array_equal(read_mask(path, labels), mask)
    except BadInput:
        return False


def draw_mask(picture: AnnotatedPicture, labels: LabelSpace, path: Path) -> DrawnMask:
    """Draw the mask of a picture; `path` is for messages.

    Raises
    ------
    BadInput
        The picture has no size or an impossible one, a region cannot be drawn, or pixels of no region have no class.
    """
    if picture.width < 1 or picture.height < 1:
        raise BadInput(path, f"gives no size of {picture.id}", "state width and height of every picture")
    check_pixels(path, picture.width * picture.height)
    mask = np.full((picture.height, picture.width), VOID if labels.background is None else labels.background, np.uint8)
    drawn, instances = np.zeros(mask.shape, bool), np.zeros(mask.shape, np.int64)
    covered = known = 0
    unknown = Counter[str]()
    for name, region, id_ in picture.draw():
        if region.shape != mask.shape:
            stated = f"{picture.width}x{picture.height}"
            raise BadInput(
                path,
                f"holds a region of {region.shape[1]}x{region.shape[0]} pixels for {picture.id}, which is {stated}",
            )
        index = class_of(name, labels)
        if index is None:
            unknown[name] += 1
            continue
        known += 1
        covered += int((region & drawn & (mask != index)).sum())
        mask[region] = index
        instances[region] = id_ or 0
        drawn |= region
    if labels.background is None and labels.void is None and not drawn.all():
        reason = f"leaves pixels of {picture.id} without a class, and there is neither a background nor void"
        raise BadInput(path, reason, "name a background class, or state a void value in a classes JSON")
    return DrawnMask(mask, covered, known, unknown, instances)


def are_instances(pictures: Iterable[Sequence[str]]) -> bool:
    """Whether annotations are single objects, by the class names of each picture's: some picture has two of a class.

    Else each may be all that a picture has of a class.
    """
    return any(len(set(names)) < len(names) for names in pictures)
