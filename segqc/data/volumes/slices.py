"""The slices of a volume as files: 8-bit pictures, masks, and true masks, with a record by which they are found again.

Rows of an axial slice run from front to back and its columns from right to left, as radiologists look at it. A slice's
number is its index in the file of the picture.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.base.fingerprints import file_stamp
from segqc.base.parallel import ordered_map
from segqc.data.pairs import Pair
from segqc.data.pictures import to_bytes
from segqc.data.volumes.alignment import labels_upright
from segqc.data.volumes.files import read_volume
from segqc.data.volumes.find import VolumeFiles

_FORMAT = 1  # of the files that are written; a change of them raises it


@dataclass(frozen=True)
class SliceFolders:
    """Where slices are written: `images`, a folder for masks, `ground_truth`, and records of the volumes.

    Parameters
    ----------
    root : Path
    masks_name : str
        Name of the folder of masks: "masks" or "predictions".
    """

    root: Path
    masks_name: str = "masks"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def masks(self) -> Path:
        return self.root / self.masks_name

    @property
    def truths(self) -> Path:
        return self.root / "ground_truth"

    def record(self, id_: str) -> Path:
        """The file that says what the slices of a volume were made of."""
        return self.root / "volumes" / f"{id_}.json"


@dataclass(frozen=True)
class SlicedVolume:
    """A volume whose slices are files.

    Attributes
    ----------
    files : VolumeFiles
    folders : SliceFolders
    slices : tuple of str
        Ids, in the order of the body: from below, behind or left.
    spacing : (float, float, float)
        mm from slice to slice, from row to row, and from column to column.
    compared : bool
        Whether true masks were written.
    remarks : tuple of str
        What had to be assumed, and why it is not compared.
    """

    files: VolumeFiles
    folders: SliceFolders
    slices: tuple[str, ...]
    spacing: tuple[float, float, float]
    compared: bool
    remarks: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.files.id

    @property
    def pairs(self) -> list[Pair]:
        """A pair for each slice."""
        return [
            Pair(
                id_,
                self.folders.images / f"{id_}.png",
                self.folders.masks / f"{id_}.png",
                self.folders.truths / f"{id_}.png" if self.compared else None,
            )
            for id_ in self.slices
        ]


def slice_volume(files: VolumeFiles, folders: SliceFolders, intensity: tuple[float, float]) -> SlicedVolume:
    """Write the slices of a volume; what was written of the same files and intensities stays.

    Parameters
    ----------
    files : VolumeFiles
    folders : SliceFolders
    intensity : (low, high)
        Values of the picture that become 0 and 255; values beyond are clipped.

    Raises
    ------
    BadInput
        Picture or labels cannot be read, or their voxels do not pair. True labels of which that holds are left out,
        with a remark.
    """
    made_of = {"format": _FORMAT, "files": [file_stamp(path) for path in files.all], "intensity": list(intensity)}
    record = _recorded(folders.record(files.id), made_of)
    volume = None if record is None else _volume(files, folders, record)
    if volume is not None and all(path.is_file() for pair in volume.pairs for path in _paths(pair)):
        return volume
    record = _write_slices(files, folders, intensity)
    write_json(folders.record(files.id), {"made_of": made_of, **record})
    return _volume(files, folders, record)


def _write_slices(files: VolumeFiles, folders: SliceFolders, intensity: tuple[float, float]) -> dict[str, Any]:
    picture = read_volume(files.picture)
    masks, remark = labels_upright(read_volume(files.labels), picture)
    remarks, truths = [remark] if remark else [], None
    if files.truth is not None:
        try:
            truths, remark = labels_upright(read_volume(files.truth), picture)
            remarks += [f"ground truth: {remark}"] if remark else []
        except BadInput as error:
            remarks.append(f"not compared: {error}")
    frame = picture.frame
    numbers, across = frame.slice_numbers(), frame.across
    ids = _ids(files.id, numbers)
    values = frame.turned(picture.values)

    def write(place: int) -> None:
        shown = to_bytes(_plane(values, across, place), intensity)
        stacks = [(folders.images, shown), (folders.masks, _plane(masks, across, place))]
        stacks += [] if truths is None else [(folders.truths, _plane(truths, across, place))]
        for folder, plane in stacks:
            with atomic_path(folder / f"{ids[place]}.png") as temporary:
                Image.fromarray(plane).save(temporary)

    for _ in ordered_map(write, range(len(ids))):
        pass
    columns, rows = (size for axis, size in enumerate(frame.spacing) if axis != across)
    return {
        "slices": ids,
        "spacing": [frame.spacing[across], rows, columns],
        "compared": truths is not None,
        "remarks": remarks,
    }


def _plane(stack: np.ndarray, across: int, place: int) -> np.ndarray:
    """A slice `[rows, columns]`: top or front first, right or front first."""
    plane = np.moveaxis(stack, across, 0)[place]  # a view; `take` copies a slice many times as slowly
    return np.ascontiguousarray(plane[::-1, ::-1].T)


def _ids(volume: str, numbers: Sequence[int]) -> list[str]:
    """Ids that sort as their numbers do."""
    width = max(3, len(str(len(numbers) - 1)))
    return [f"{volume}/{number:0{width}d}" for number in numbers]


def _recorded(path: Path, made_of: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a volume, where it was made of these."""
    try:
        record = read_json(path)
    except BadInput:
        return None
    return record if record.get("made_of") == json.loads(json.dumps(made_of)) else None


def _volume(files: VolumeFiles, folders: SliceFolders, record: dict[str, Any]) -> SlicedVolume:
    across, rows, columns = record["spacing"]
    return SlicedVolume(
        files,
        folders,
        tuple(record["slices"]),
        (across, rows, columns),
        record["compared"],
        tuple(record["remarks"]),
    )


def _paths(pair: Pair) -> list[Path]:
    return [path for path in (pair.image, pair.mask, pair.ground_truth) if path is not None]
