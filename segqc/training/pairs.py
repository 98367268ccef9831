"""The data that a training is given: its pairs, its classes, and a first look at each file."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.base.parallel import ordered_map
from segqc.data.choices import adjusted, patterns, raise_limit
from segqc.data.download import download_voc
from segqc.data.folds import Groups, groups_by_pattern
from segqc.data.label_files import parse_classes
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.layouts import find_dataset
from segqc.data.layouts.dataset import DataSet, of_slices
from segqc.data.listing import passed_over
from segqc.data.mask_sources import annotated_pairs
from segqc.data.masks import MASK_SUFFIXES, read_mask
from segqc.data.pairs import Pair, Problem, folder_pairs
from segqc.data.pictures import AS_STORED, IMAGE_SUFFIXES, PictureReading, read_image
from segqc.data.voc import voc_pairs
from segqc.data.volumes.files import holds_volumes
from segqc.data.volumes.find import find_volumes
from segqc.data.volumes.slices import SlicedVolume
from segqc.training.config import TrainConfig

_SHOWN = 6  # names of groups that are printed


@dataclass(frozen=True)
class TrainingSource:
    """What the configuration names.

    Attributes
    ----------
    labels : LabelSpace
    pairs : list of Pair
    problems : list of Problem
        Files that make no pair.
    pictures : PictureReading
        How the pictures are read, as far as it is known.
    said : tuple of str
        What was decided, to be printed.
    looked_at : bool
        Whether the files were looked at (`segqc.training.first_look`).
    volumes : tuple of SlicedVolume
        The volumes whose slices the pairs are.
    group : str or None
        Regular expression whose first group names the video, patient or the like in a pair's id.
    """

    labels: LabelSpace
    pairs: list[Pair]
    problems: list[Problem]
    pictures: PictureReading = AS_STORED
    said: tuple[str, ...] = ()
    looked_at: bool = False
    volumes: tuple[SlicedVolume, ...] = ()
    group: str | None = None

    @property
    def groups(self) -> Groups:
        """The group of each pair: what `group` finds, else the volume of each slice; None for single pictures."""
        if self.group is not None:
            return groups_by_pattern([pair.id for pair in self.pairs], self.group)
        return {id_: volume.id for volume in self.volumes for id_ in volume.slices} or None


def training_labels(config: TrainConfig) -> LabelSpace:
    """`--classes`, or Pascal VOC's 21, as the options on data change them.

    Raises
    ------
    BadInput
        The classes cannot be read.
    """
    return adjusted(parse_classes(config.classes) if config.classes else VOC_LABELS, config)


def training_source(
    config: TrainConfig, leave_out: Collection[Path] = (), console: Console | None = None
) -> TrainingSource:
    """The pairs and classes that the configuration names; in its folders, the paths in `leave_out` (symbolic links
    resolved) are passed over. Progress on volumes goes to the console, if one is given.

    Raises
    ------
    BadInput
        Not exactly one kind of source, nothing there, or a data set without names of classes.
    """
    raise_limit(config)
    found = named_pairs(config, training_labels(config) if config.classes else None, leave_out, console)
    if config.data is not None or found.labels is not None:
        labels = _labels(config, found, config.data or config.masks or Path("training data"))
    else:
        labels = training_labels(config)
    said = (f"layout {found.layout}", *found.said) if found.layout else found.said
    source = TrainingSource(
        labels, list(found.pairs), list(found.problems), found.pictures, said, volumes=found.volumes, group=config.group
    )
    if config.group is not None and source.groups is not None:
        names = sorted(set(source.groups.values()))
        shown = ", ".join(names[:_SHOWN]) + (" and more" if len(names) > _SHOWN else "")
        source = dataclasses.replace(source, said=(*said, f"{len(names)} groups of pictures: {shown}"))
    return source


def named_pairs(
    config: TrainConfig, labels: LabelSpace | None, leave_out: Collection[Path] = (), console: Console | None = None
) -> DataSet:
    """The pairs that the configuration names, and the classes that the data set itself names, if it does.

    Parameters
    ----------
    config : TrainConfig
        Masks of annotation files, and slices of volumes, are written in its folder.
    labels : LabelSpace or None
        Classes by which annotations are drawn; None: those that they name.
    leave_out : collection of Path
        Paths in its folders that are passed over, symbolic links resolved.
    console : Console, optional
        Where progress on volumes goes.

    Raises
    ------
    BadInput
        Not exactly one kind of source, or nothing there.
    """
    sources = (config.voc_root is not None, config.data is not None, config.images is not None)
    if sum(sources) != 1 or (config.images is None) != (config.masks is None):
        raise BadInput(
            "training data",
            "expected one of --voc-root, --data, or --images together with --masks",
            "see `segqc train --help`",
        )
    work = config.out / "training"
    if config.data is not None:
        return find_dataset(config.data, config.split, work, config.layout, config.intensity, labels, console)
    if config.voc_root is not None:
        if config.download:
            download_voc(config.voc_root)
        pairs, problems = voc_pairs(config.voc_root, config.image_set)
        return DataSet("", tuple(pairs), tuple(problems))
    assert config.images is not None
    assert config.masks is not None
    if holds_volumes(config.images):
        volumes = find_volumes(config.images, config.masks, names=patterns(config), leave_out=leave_out)
        return of_slices("volumes", volumes, work, config.intensity, console=console)
    drawn = annotated_pairs(config.images, config.masks, work, labels, leave_out)
    if drawn is not None:
        return drawn
    pairs, problems = folder_pairs(config.images, config.masks, leave_out, patterns(config))
    known = (*IMAGE_SUFFIXES, *MASK_SUFFIXES)
    folders = dict.fromkeys((config.images, config.masks))
    said = tuple(line for folder in folders for line in passed_over(folder.expanduser(), known, leave_out))
    return DataSet("", tuple(pairs), tuple(problems), said=said)


def _labels(config: TrainConfig, found: DataSet, root: Path) -> LabelSpace:
    """The classes that are given, else those that the data set names."""
    labels = parse_classes(config.classes) if config.classes else found.labels
    if labels is None:
        raise BadInput(root, "names no classes", 'name them with --classes "background,cat,dog", or a file')
    return adjusted(labels, config)


def check_pairs(
    pairs: Sequence[Pair],
    labels: LabelSpace,
    journal: Journal,
    advance: Callable[[int], object],
    pictures: PictureReading = AS_STORED,
) -> tuple[list[Pair], list[Problem]]:
    """Decode every pair once: bad files are found before the first step, not in the middle of the night.

    Returns the pairs that can be read and the problems of the others. Results are kept in `journal`.
    """

    def check(pair: Pair) -> tuple[Pair, str]:
        if pair.mask is None:
            return pair, f"{pair.image} has no mask"
        try:
            image = read_image(pair.image, pictures)
            read_mask(pair.mask, labels, size=image)
        except BadInput as error:
            return pair, str(error)
        return pair, ""

    for pair, reason in ordered_map(check, [pair for pair in pairs if pair.id not in journal]):
        journal.append(pair.id, {"reason": reason})
        advance(1)
    reasons = {pair.id: journal.rows[pair.id]["reason"] for pair in pairs}
    problems = [Problem(pair.id, pair.image, reasons[pair.id]) for pair in pairs if reasons[pair.id]]
    return [pair for pair in pairs if not reasons[pair.id]], problems
