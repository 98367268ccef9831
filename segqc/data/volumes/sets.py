"""A set of volumes as pairs of slices."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.data.pairs import Pair, Problem
from segqc.data.pictures import PictureReading
from segqc.data.volumes.find import FoundVolumes
from segqc.data.volumes.intensity import intensity_range
from segqc.data.volumes.slices import SlicedVolume, SliceFolders, slice_volume


@dataclass(frozen=True)
class SlicedSet:
    """Volumes whose slices are files.

    Attributes
    ----------
    volumes : tuple of SlicedVolume
    problems : tuple of Problem
        Volumes that cannot be used, and why.
    intensity : (low, high)
        Values of the pictures that became 0 and 255.
    said : tuple of str
        What was decided, to be printed.
    """

    volumes: tuple[SlicedVolume, ...]
    problems: tuple[Problem, ...]
    intensity: tuple[float, float]
    said: tuple[str, ...]

    @property
    def pairs(self) -> list[Pair]:
        """The slices of all volumes, sorted by id."""
        return sorted((pair for volume in self.volumes for pair in volume.pairs), key=lambda pair: pair.id)

    @property
    def reading(self) -> PictureReading:
        """How the pictures were read, for a model to remember."""
        return PictureReading(volume_intensity=self.intensity)


def slice_volumes(
    found: FoundVolumes,
    folders: SliceFolders,
    intensity: Sequence[float] | None = None,
    console: Console | None = None,
) -> SlicedSet:
    """Write the slices of volumes, one volume at a time in memory.

    Parameters
    ----------
    found : FoundVolumes
    folders : SliceFolders
    intensity : (low, high), optional
        As for `slice_volume`; by default the range of the labelled voxels (`intensity_range`).
    console : Console, optional
        Where progress goes; None is silent.

    Raises
    ------
    BadInput
        The intensities are no range.
    """
    volumes, problems = [], list(found.problems)
    with make_progress(console) as progress:
        if intensity is None:
            looked = progress.track(found.volumes, description="finding intensities")
            chosen = intensity_range(found.volumes, looked, folders.root / "intensity.json")
        else:
            chosen = checked_range(intensity)
        for files in progress.track(found.volumes, description="slicing volumes"):
            try:
                volumes.append(slice_volume(files, folders, chosen))
            except BadInput as error:
                problems.append(Problem(files.id, files.labels, str(error)))
    slices = sum(len(volume.slices) for volume in volumes)
    said = f"{slices} slices of {len(volumes)} volumes; intensities {chosen[0]:g} to {chosen[1]:g} become 0 to 255"
    assumed = [f"{volume.id}: {remark}" for volume in volumes for remark in volume.remarks]
    more = [f"{len(assumed)} remarks on volumes, such as {assumed[0]}"] if assumed else []
    return SlicedSet(tuple(volumes), tuple(problems), chosen, (*found.said, said, *more))


def checked_range(intensity: Sequence[float]) -> tuple[float, float]:
    """Two intensities in ascending order.

    Raises
    ------
    BadInput
        They are not that.
    """
    if len(intensity) != 2 or not intensity[0] < intensity[1]:
        raise BadInput("--intensity", f"{tuple(intensity)} is no range LOW,HIGH", "give --intensity -200,300")
    return float(intensity[0]), float(intensity[1])
