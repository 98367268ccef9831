"""NIfTI files: which files they are, and their voxels."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segqc.base.errors import BadInput
from segqc.data.decoding import check_file
from segqc.data.listing import files_by_id
from segqc.data.pictures import IMAGE_SUFFIXES
from segqc.data.volumes.frame import Frame

VOLUME_SUFFIXES = (".nii", ".nii.gz")
_VOXELS = 2**31  # of a volume that is read at once


@dataclass(frozen=True)
class Volume:
    """A volume in memory.

    Attributes
    ----------
    path : Path
    values : ndarray `[I, J, K]`
        Integers, or floats where the header scales them, in the order of the file's axes.
    frame : Frame
        Where the voxels lie.
    """

    path: Path
    values: np.ndarray
    frame: Frame


def is_volume(path: Path) -> bool:
    """Whether a file is a NIfTI volume, by its name."""
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def volumes_by_id(folder: Path, leave_out: Collection[Path] = ()) -> dict[str, list[Path]]:
    """NIfTI files below a folder by id: the path below the folder without .nii or .nii.gz; see `files_by_id`."""
    found: dict[str, list[Path]] = {}
    for id_, paths in files_by_id(folder, (".nii", ".gz"), leave_out).items():
        volumes = [path for path in paths if is_volume(path)]
        if volumes:
            name = id_[: -len(".nii")] if id_.lower().endswith(".nii") else id_
            found.setdefault(name, []).extend(volumes)
    return found


def holds_volumes(folder: Path) -> bool:
    """Whether a folder is one of volumes: it holds more NIfTI files than pictures."""
    volumes = volumes_by_id(folder)
    return bool(volumes) and len(volumes) > len(files_by_id(folder, IMAGE_SUFFIXES))


def require_nibabel(path: Path) -> None:
    """Raise `BadInput`, with the package to install, where nibabel is missing."""
    try:
        import nibabel  # noqa: F401
    except ImportError as error:
        raise BadInput(path, "needs nibabel, which is not installed", "pip install 'segqc[formats]'") from error


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file of three dimensions, or of two: a single slice.

    Raises
    ------
    BadInput
        nibabel is not installed; the file is damaged or too large, has more dimensions, holds no numbers, or does not
        say how its axes lie.
    """
    check_file(path)
    require_nibabel(path)
    import nibabel

    try:
        image: Any = nibabel.load(os.fspath(path))
        shape = tuple(length for place, length in enumerate(image.shape) if place < 3 or length != 1)
        shape += (1,) * (3 - len(shape))
        if len(shape) != 3 or min(shape) < 1:
            raise BadInput(path, f"has shape {list(image.shape)}, not three dimensions", "store one volume a file")
        voxels = int(np.prod(shape, dtype=np.int64))
        if voxels > _VOXELS:
            raise BadInput(path, f"has {voxels:,} voxels, more than {_VOXELS:,}", "split it")
        values = np.asanyarray(image.dataobj).reshape(shape)
        stated = max(int(image.header[name]) for name in ("sform_code", "qform_code")) > 0
        frame = Frame(shape, np.asarray(image.affine, np.float64), stated)
    except BadInput:
        raise
    except Exception as error:  # nibabel and its decoders raise many kinds for damaged files
        raise BadInput(path, f"is not a readable NIfTI file: {error}", "write or copy it again") from error
    if values.dtype.kind not in "biuf":
        raise BadInput(path, f"holds {values.dtype} values, not numbers", "store one grey value a voxel")
    if not frame.usable:
        raise BadInput(path, "does not say how its axes lie: its affine is degenerate", "write it with a valid header")
    return Volume(path, values, frame)
