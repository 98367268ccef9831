"""NIfTI volumes as slices: pictures and masks of two dimensions, with the volume's spacing beside them.

A volume `ct.nii.gz` becomes the slices `ct/000.png`, `ct/001.png`, ... along its last axis, after it was brought to the
orientation that nibabel calls closest canonical (right, anterior, superior), so that picture and mask agree whatever
their files' axes are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, read_json, write_json
from segqc.base.fingerprints import file_stamp
from segqc.data.decoding import check_file
from segqc.data.pairing import AS_IT_IS, NamePattern
from segqc.data.pictures import to_bytes

VOLUME_SUFFIXES = (".nii", ".nii.gz")
_VOXELS = 2**31  # of a volume that is read at once
_RECORD = "volume.json"


@dataclass(frozen=True)
class Volume:
    """A volume in memory.

    Attributes
    ----------
    values : ndarray `[X, Y, Z]`
    spacing : (x, y, z)
        mm.
    """

    values: np.ndarray
    spacing: tuple[float, float, float]


def is_volume(path: Path) -> bool:
    """Whether a file is a NIfTI volume, by its name."""
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def volume_name(path: Path) -> str:
    """File name without .nii or .nii.gz."""
    name = path.name
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else name[: -len(".nii")]


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file.

    Raises
    ------
    BadInput
        nibabel is not installed; the file is damaged, too large, or has not three dimensions.
    """
    check_file(path)
    try:
        import nibabel
    except ImportError as error:
        raise BadInput(path, "needs nibabel, which is not installed", "pip install 'segqc[formats]'") from error
    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))
        shape = tuple(n for place, n in enumerate(image.shape) if place < 3 or n != 1)
        if len(shape) != 3 or min(shape) < 1:
            raise BadInput(path, f"has shape {list(image.shape)}, not three dimensions", "store one volume a file")
        if int(np.prod(shape, dtype=np.int64)) > _VOXELS:
            raise BadInput(path, f"has {np.prod(shape, dtype=np.int64):,} voxels, more than {_VOXELS:,}", "split it")
        values = np.asanyarray(image.dataobj).reshape(shape)
        x, y, z = (float(size) for size in image.header.get_zooms()[:3])
    except BadInput:
        raise
    except Exception as error:  # nibabel and its decoders raise many kinds for damaged files
        raise BadInput(path, f"is not a readable NIfTI file: {error}", "write or copy it again") from error
    return Volume(values, (x, y, z))


def volume_range(paths: Sequence[Path]) -> tuple[float, float]:
    """Range of intensities over volumes: the least 0.5th and the largest 99.5th percentile of them."""
    ends = [np.percentile(read_volume(path).values, (0.5, 99.5)) for path in paths]
    low, high = min(float(low) for low, _ in ends), max(float(high) for _, high in ends)
    return low, max(high, low + 1.0)


def slice_folder(
    folder: Path, out: Path, name: NamePattern = AS_IT_IS, intensity: tuple[float, float] | None = None
) -> dict[str, BadInput]:
    """Write the slices of all volumes below `folder` to `out`; what is there already and of the same files stays.

    Parameters
    ----------
    folder, out : Path
    name : NamePattern
        What of a volume's name is its id.
    intensity : (low, high), optional
        For pictures: values that become 0 and 255. None: the files are masks, whose numbers are kept.

    Returns
    -------
    dict of str to BadInput
        Volumes that cannot be read, by id.
    """
    failed = {}
    for path in sorted(file for file in folder.rglob("*") if is_volume(file) and not file.name.startswith(".")):
        id_ = name.id_of((path.relative_to(folder).parent / volume_name(path)).as_posix())
        if id_ is None:
            continue
        record = {"file": file_stamp(path), "intensity": None if intensity is None else list(intensity)}
        if _recorded(out / id_) == json.loads(json.dumps(record)):
            continue
        try:
            _write_slices(path, out / id_, intensity, record)
        except BadInput as error:
            failed[id_] = error
    return failed


def _write_slices(path: Path, folder: Path, intensity: tuple[float, float] | None, record: dict) -> None:
    volume = read_volume(path)
    values = volume.values
    if intensity is None:
        if values.dtype.kind == "f":
            if not np.isfinite(values).all() or not np.array_equal(values, np.round(values)):
                raise BadInput(path, "holds fractions, not labels", "save the labels as integers")
            values = values.astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadInput(path, f"holds labels from {values.min()} to {values.max()}", "use labels from 0 to 65535")
        stored = values.astype(np.uint8 if values.max() <= 255 else np.uint16)
    else:
        stored = to_bytes(values, intensity)
    for place in range(stored.shape[2]):
        # Rows run from anterior to posterior, columns from right to left, as radiologists look at a slice.
        shown = np.ascontiguousarray(stored[::-1, ::-1, place].T)
        with atomic_path(folder / f"{place:03d}.png") as temporary:
            Image.fromarray(shown).save(temporary)
    write_json(folder / _RECORD, record | {"spacing": volume.spacing, "shape": list(stored.shape)})


def _recorded(folder: Path) -> dict | None:
    if not (folder / _RECORD).is_file():
        return None
    return {key: value for key, value in read_json(folder / _RECORD).items() if key in ("file", "intensity")}
