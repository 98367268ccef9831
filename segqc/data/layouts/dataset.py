"""What a layout's recogniser returns, and how it makes pairs of two folders."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, draw_masks
from segqc.data.annotations.matching import match_names
from segqc.data.labels import LabelSpace
from segqc.data.listing import files_by_id
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import AS_IT_IS, NamePattern
from segqc.data.pairs import Pair, Problem
from segqc.data.pictures import AS_STORED, IMAGE_SUFFIXES, PictureReading, stored_size
from segqc.data.volumes.find import FoundVolumes
from segqc.data.volumes.sets import slice_volumes
from segqc.data.volumes.slices import SlicedVolume, SliceFolders

DRAWN = "drawn_masks"
"""Folder below a run's own in which masks of annotations are drawn."""


@dataclass(frozen=True)
class DataSet:
    """A data set whose layout was recognised.

    Attributes
    ----------
    layout : str
    pairs : tuple of Pair
    problems : tuple of Problem
        Files that make no pair, and why.
    labels : LabelSpace or None
        The classes that the data set itself names.
    said : tuple of str
        What was decided, to be printed.
    unmasked : dict of str to Path
        Pictures that have no mask, by id; they are among the problems.
    predictions : dict of str to Path
        Predicted masks that the data set itself names, by id.
    annotations : Path or None
        File, or folder, of the annotations of which the masks were drawn.
    found_volumes : FoundVolumes or None
        Volumes that make no pairs yet: see `of_slices`.
    volumes : tuple of SlicedVolume
        Volumes whose slices the pairs are.
    pictures : PictureReading
        How the pictures are read, as far as it is known.
    """

    layout: str
    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...] = ()
    labels: LabelSpace | None = None
    said: tuple[str, ...] = ()
    unmasked: Mapping[str, Path] = field(default_factory=dict)
    predictions: Mapping[str, Path] = field(default_factory=dict)
    annotations: Path | None = None
    found_volumes: FoundVolumes | None = None
    volumes: tuple[SlicedVolume, ...] = ()
    pictures: PictureReading = AS_STORED

    @property
    def image_files(self) -> dict[str, Path]:
        """All pictures by id, with and without a mask."""
        return {pair.id: pair.image for pair in self.pairs} | dict(self.unmasked)


@dataclass(frozen=True)
class Annotated:
    """A data set of annotations, of which no mask was drawn yet.

    Attributes
    ----------
    layout : str
    annotations : Annotations
    images : Path
        Folder of the pictures.
    said : tuple of str
        What was decided, to be printed.
    """

    layout: str
    annotations: Annotations
    images: Path
    said: tuple[str, ...] = ()


def choose_split(root: Path, splits: Sequence[str], wanted: str | None) -> str:
    """The part that was asked for; by default the training part, else the first.

    Raises
    ------
    BadInput
        There is no such part.
    """
    if wanted is None:
        return next((split for split in splits if split.lower().startswith("train")), splits[0])
    if wanted not in splits:
        raise BadInput(root, f"has no part {wanted!r}", f"choose --split from {', '.join(splits)}")
    return wanted


def pair_folders(
    layout: str,
    images: Path,
    masks: Path,
    image_name: NamePattern = AS_IT_IS,
    mask_name: NamePattern = AS_IT_IS,
    labels: LabelSpace | None = None,
    said: tuple[str, ...] = (),
) -> DataSet:
    """Pair two folders by id."""
    pictures = files_by_id(images, IMAGE_SUFFIXES, pattern=image_name)
    return pair_files(layout, pictures, files_by_id(masks, MASK_SUFFIXES, pattern=mask_name), labels, said)


def pair_files(
    layout: str,
    pictures: Mapping[str, list[Path]],
    found: Mapping[str, list[Path]],
    labels: LabelSpace | None = None,
    said: tuple[str, ...] = (),
) -> DataSet:
    """Pair picture and mask files that have one id each; the others are problems."""
    pairs, problems, unmasked = [], [], {}
    for id_ in sorted(pictures.keys() | found.keys()):
        of_picture, of_mask = pictures.get(id_, []), found.get(id_, [])
        if len(of_picture) == 1 and len(of_mask) == 1:
            pairs.append(Pair(id_, of_picture[0], of_mask[0]))
            continue
        path = (of_picture + of_mask)[0]
        missing = "no picture" if not of_picture else "no mask" if not of_mask else "more than one picture or mask"
        problems.append(Problem(id_, path, f"has {missing}", (len(of_picture), len(of_mask))))
        if len(of_picture) == 1 and not of_mask:
            unmasked[id_] = path
    return DataSet(layout, tuple(pairs), tuple(problems), labels, said, unmasked)


def of_slices(
    layout: str,
    found: FoundVolumes,
    work: Path | None,
    intensity: Sequence[float] | None = None,
    labels: LabelSpace | None = None,
    console: Console | None = None,
) -> DataSet:
    """Write the slices of volumes below `work`, and pair them.

    Parameters
    ----------
    layout : str
    found : FoundVolumes
    work : Path or None
    intensity : (low, high), optional
        Values of the volumes that become 0 and 255; by default the range of the labelled voxels.
    labels : LabelSpace, optional
    console : Console, optional
        Where progress goes; None is silent.

    Raises
    ------
    BadInput
        No `work` was given, or `intensity` is no range.
    """
    if work is None:
        raise BadInput("volumes", "their slices have to be written somewhere", "give --out")
    sliced = slice_volumes(found, SliceFolders(work / "slices"), intensity, console)
    missing = [Problem(id_, work / id_, "is a picture without labels") for id_ in found.without_labels]
    return DataSet(
        layout,
        tuple(sliced.pairs),
        (*sliced.problems, *missing),
        labels,
        sliced.said,
        volumes=sliced.volumes,
        pictures=sliced.reading,
    )


def pair_annotations(
    layout: str,
    annotations: Annotations,
    pictures: Mapping[str, Path],
    folder: Path,
    labels: LabelSpace | None = None,
    said: tuple[str, ...] = (),
    instances: Path | None = None,
) -> DataSet:
    """Draw the masks of annotations below `folder`, and pair them with the pictures.

    Parameters
    ----------
    layout : str
    annotations : Annotations
    pictures : mapping of str to Path
        By id. Masks get their picture's id, never a name from the annotation file: that may be any path.
    folder : Path
    labels : LabelSpace, optional
        Classes to draw; by default those of the file.
    said : tuple of str
        What was decided before, to be printed first.
    instances : Path, optional
        Folder for the ids of single objects.

    Raises
    ------
    BadInput
        There are annotations, and none of them is of a class in `labels`.
    """
    space = labels or annotations.label_space()
    names, missing = match_names([picture.id for picture in annotations.pictures], pictures.keys())
    problems, drawable, absent = list[Problem](), dict[str, AnnotatedPicture](), 0
    for picture in annotations.pictures:
        if picture.id in missing:
            if picture.empty:
                absent += 1
            else:
                problems.append(Problem(picture.id, annotations.path, missing[picture.id], (0, 1)))
        elif names[picture.id] in drawable:
            problems.append(Problem(picture.id, annotations.path, "is in the annotation file more than once", (0, 1)))
        else:
            drawable[names[picture.id]] = _sized(picture, names[picture.id], pictures[names[picture.id]])
    drawn = draw_masks(dataclasses.replace(annotations, pictures=tuple(drawable.values())), space, folder, instances)
    if labels is not None and drawn.unknown and not drawn.known:
        found = ", ".join(list(drawn.unknown)[:8])
        reason = f"has no annotation of a known class: it has {found}; known are {', '.join(space.names[:8])}"
        raise BadInput(annotations.path, reason, "name the classes as the file does, with --classes")
    problems += [Problem(id_, annotations.path, reason, (1, 1)) for id_, reason in drawn.errors.items()]
    unmasked = {id_: path for id_, path in pictures.items() if id_ not in drawable or id_ in drawn.errors}
    pairs = tuple(Pair(id_, pictures[id_], folder / f"{id_}.png") for id_ in drawable if id_ not in drawn.errors)
    lines = [*said, *annotations.notes, str(drawn)]
    lines += [f"annotations passed over: {count:,} {kind}" for kind, count in annotations.passed_over.items()]
    if absent:
        lines.append(f"{absent:,} pictures that the annotations list are not there, and have no annotation")
    if len(pictures) > len(drawable):
        lines.append(f"{len(pictures) - len(drawable):,} pictures are not in the annotations")
    return DataSet(layout, pairs, tuple(problems), space, tuple(lines), unmasked, annotations=annotations.path)


def _sized(picture: AnnotatedPicture, id_: str, path: Path) -> AnnotatedPicture:
    """The annotations under the picture's id; a picture without a stated size has that of its file."""
    width, height = picture.width, picture.height
    if width < 1 or height < 1:
        with contextlib.suppress(BadInput):  # drawing says that there is no size
            width, height = stored_size(path)
    return dataclasses.replace(picture, id=id_, width=width, height=height)


def single_files(found: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    """The file of each id; ids of several files are left out, since either might be meant."""
    return {id_: paths[0] for id_, paths in found.items() if len(paths) == 1}
