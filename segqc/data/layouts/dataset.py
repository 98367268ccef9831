"""What a layout's recogniser returns, and how it makes pairs of two folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import Annotations, draw_masks
from segqc.data.labels import LabelSpace
from segqc.data.listing import files_by_id
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import AS_IT_IS, NamePattern
from segqc.data.pairs import Pair, Problem
from segqc.data.pictures import AS_STORED, IMAGE_SUFFIXES, PictureReading
from segqc.data.volumes.find import FoundVolumes
from segqc.data.volumes.sets import slice_volumes
from segqc.data.volumes.slices import SlicedVolume, SliceFolders


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
    found_volumes: FoundVolumes | None = None
    volumes: tuple[SlicedVolume, ...] = ()
    pictures: PictureReading = AS_STORED


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
    pairs, problems = [], []
    for id_ in sorted(pictures.keys() | found.keys()):
        of_picture, of_mask = pictures.get(id_, []), found.get(id_, [])
        if len(of_picture) == 1 and len(of_mask) == 1:
            pairs.append(Pair(id_, of_picture[0], of_mask[0]))
        else:
            path = (of_picture + of_mask)[0]
            missing = "no picture" if not of_picture else "no mask" if not of_mask else "more than one picture or mask"
            problems.append(Problem(id_, path, f"has {missing}"))
    return DataSet(layout, tuple(pairs), tuple(problems), labels, said)


def of_slices(
    layout: str,
    found: FoundVolumes,
    work: Path | None,
    intensity: Sequence[float] | None = None,
    labels: LabelSpace | None = None,
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

    Raises
    ------
    BadInput
        No `work` was given, or `intensity` is no range.
    """
    if work is None:
        raise BadInput("volumes", "their slices have to be written somewhere", "give --out")
    sliced = slice_volumes(found, SliceFolders(work / "slices"), intensity)
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


def pair_annotations(layout: str, annotations: Annotations, images: Path, work: Path | None) -> DataSet:
    """Draw the masks of an annotation file below `work`, and pair them with the pictures.

    Raises
    ------
    BadInput
        No `work` was given.
    """
    if work is None:
        raise BadInput(annotations.path, "holds annotations, whose masks have to be drawn somewhere", "give --out")
    labels = annotations.label_space()
    folder = work / "drawn_masks"
    drawn = draw_masks(annotations, labels, folder)
    pictures = files_by_id(images, IMAGE_SUFFIXES)
    by_name = {id_.rpartition("/")[2]: id_ for id_ in pictures}
    pairs, problems = [], []
    for picture in annotations.pictures:
        id_ = picture.id if picture.id in pictures else by_name.get(picture.id.rpartition("/")[2], "")
        if picture.id in drawn.errors:
            problems.append(Problem(picture.id, annotations.path, drawn.errors[picture.id]))
        elif id_:
            pairs.append(Pair(picture.id, pictures[id_][0], folder / f"{picture.id}.png"))
        else:
            problems.append(Problem(picture.id, annotations.path, f"has no picture in {images}"))
    said = [
        str(drawn),
        *(f"{count} annotations passed over: {kind}" for kind, count in annotations.passed_over.items()),
    ]
    return DataSet(layout, tuple(pairs), tuple(problems), labels, tuple(said))
