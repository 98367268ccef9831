"""Which picture, and which true labels, go with each label volume."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.data.listing import files_by_id
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import NamePattern, find_patterns
from segqc.data.pairs import Names, Problem, by_pattern
from segqc.data.volumes.files import VOLUME_SUFFIXES, require_nibabel, volumes_by_id

FIRST_CHANNEL = NamePattern(after="_0000")
"""nnU-Net names the channels of a picture `ct_0000.nii.gz`, `ct_0001.nii.gz`, and its labels `ct.nii.gz`."""


@dataclass(frozen=True)
class VolumeFiles:
    """The files of one volume: id, picture, labels (predicted or for training), and true labels to compare with."""

    id: str
    picture: Path
    labels: Path
    truth: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """The files that there are."""
        return tuple(path for path in (self.picture, self.labels, self.truth) if path is not None)


@dataclass(frozen=True)
class FoundVolumes:
    """The volumes of folders, before they are opened.

    Attributes
    ----------
    volumes : list of VolumeFiles
        Sorted by id.
    problems : list of Problem
        Label files that make no volume, and why.
    without_labels : list of str
        Ids of pictures without labels.
    said : tuple of str
        What was decided, to be printed.
    """

    volumes: list[VolumeFiles]
    problems: list[Problem]
    without_labels: list[str]
    said: tuple[str, ...] = ()


def find_volumes(
    images: Path,
    labels: Path,
    truths: Path | None = None,
    names: Names = (None, None),
    leave_out: Collection[Path] = (),
    what: str = "mask",
) -> FoundVolumes:
    """Pair the volumes of two or three folders by id.

    Parameters
    ----------
    images, labels : Path
    truths : Path, optional
        Folder of true labels; labels that have none there are still a volume.
    names : tuple of NamePattern or None
        What of a file's name is its id, in `images` and in `labels`. By default names that are equal pair; else those
        of nnU-Net, of which the first channel is taken; else what differs is found.
    leave_out : collection of Path
        As in `segqc.data.predictions.audit_pairs`.
    what : str
        What the labels are, for messages.

    Raises
    ------
    BadInput
        A folder is missing or holds no volume, or nibabel is not installed.
    """
    require_nibabel(labels)
    pictures, found = _required(images, "picture", leave_out), _required(labels, what, leave_out)
    of_pictures, of_labels = _patterns(list(pictures), list(found), names)
    said = _channels(pictures) if of_pictures == FIRST_CHANNEL else ()
    pictures, found = by_pattern(pictures, of_pictures), by_pattern(found, of_labels)
    known: Mapping[str, list[Path]] = {}
    if truths is not None:
        known = _required(truths, "ground-truth mask", leave_out)
        known = by_pattern(dict(known), find_patterns(list(pictures), list(known))[1])
    volumes, problems = [], _other_files(labels, what, leave_out)
    for id_, paths in sorted(found.items()):
        of_truth = known.get(id_, [])
        reason = (
            _several(what, paths)
            or _several("picture", pictures.get(id_, []))
            or _several("ground-truth mask", of_truth)
            or (None if id_ in pictures else f"has no picture {id_} or {id_}_0000 in {images}")
        )
        if reason is None:
            volumes.append(VolumeFiles(id_, pictures[id_][0], paths[0], of_truth[0] if of_truth else None))
        else:
            problems.append(Problem(id_, paths[0], reason))
    return FoundVolumes(volumes, problems, sorted(pictures.keys() - found.keys()), said)


def _required(folder: Path, what: str, leave_out: Collection[Path]) -> dict[str, list[Path]]:
    folder = folder.expanduser()
    found = volumes_by_id(folder, leave_out)
    if not found:
        reason = f"holds no {what} as a volume ({', '.join(VOLUME_SUFFIXES)})" if folder.is_dir() else "is not a folder"
        raise BadInput(folder, reason, "volumes go with volumes: name the folder of NIfTI files")
    return found


def _patterns(pictures: list[str], labels: list[str], names: Names) -> tuple[NamePattern | None, NamePattern | None]:
    equal = len(set(pictures) & set(labels)) * 2 >= min(len(pictures), len(labels))
    if names[0] is None and not equal and any(FIRST_CHANNEL.id_of(name) for name in pictures):
        return find_patterns(pictures, labels, FIRST_CHANNEL, names[1])
    return find_patterns(pictures, labels, *names)


def _channels(pictures: Mapping[str, list[Path]]) -> tuple[str, ...]:
    """A line where pictures have several channels, of which one is used."""
    first = {FIRST_CHANNEL.id_of(name) for name in pictures}
    endings = {name[-4:] for name in pictures if name[-5:-4] == "_" and name[-4:].isdigit() and name[:-5] in first}
    if len(endings) < 2:
        return ()
    other = sorted(endings)[1]
    used = f"channel 0000 of {', '.join(sorted(endings))} is used"
    return (f"{used}; --image-suffix _{other} takes another",)


def _several(what: str, paths: list[Path]) -> str | None:
    if len(paths) < 2:
        return None
    return f"has the same id as {', '.join(path.name for path in paths[1:])}: two {what}s for one id"


def _other_files(folder: Path, what: str, leave_out: Collection[Path]) -> list[Problem]:
    """Masks of other kinds among the volumes; an NPZ beside a volume holds its probabilities."""
    suffixes = tuple(suffix for suffix in MASK_SUFFIXES if suffix != ".npz")
    files = [path for paths in files_by_id(folder, suffixes, leave_out).values() for path in paths]
    reason = f"is no NIfTI volume, as the other {what}s are"
    return [Problem(path.relative_to(folder).as_posix(), path, reason) for path in files]
