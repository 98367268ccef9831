"""The voxels of a label volume in the order of its picture's."""

import numpy as np

from segqc.base.errors import BadInput
from segqc.data.volumes.files import Volume

_FIX = "save it with the picture's affine: nibabel.Nifti1Image(labels, nibabel.load(picture).affine)"


def labels_upright(labels: Volume, picture: Volume) -> tuple[np.ndarray, str]:
    """Labels along the axes of the body, as `picture.frame.turned(picture.values)` is.

    Returns
    -------
    ndarray `[X, Y, Z]`
        uint8, or uint16 where a label is above 255.
    str
        What had to be assumed; empty where both headers agree.

    Raises
    ------
    BadInput
        The volume holds no labels, has another shape than its picture, or its header contradicts that of its picture so
        that the voxels could be paired in two ways.
    """
    values, own, wanted = _as_labels(labels), labels.frame, picture.frame
    if own.upright.same_place(wanted.upright):
        return own.turned(values), ""
    if own.shape != wanted.shape:
        had, expected = ("x".join(map(str, frame.shape)) for frame in (own, wanted))
        reason = f"has {had} voxels, but its picture {picture.path.name} {expected}"
        raise BadInput(labels.path, reason, "resample it to the picture's voxels by nearest neighbour")
    if not (own.placed and wanted.placed):
        unplaced = labels.path.name if not own.placed else picture.path.name
        return wanted.turned(values), f"the header of {unplaced} gives no place: voxels pair by their indices"
    if np.array_equal(own.orientation, wanted.orientation):
        return wanted.turned(values), f"spacing or origin differ from those of {picture.path.name}, which are used"
    reason = f"has axes {own.axes}, its picture {picture.path.name} {wanted.axes}, and they lie in different places"
    raise BadInput(labels.path, reason, _FIX)


def _as_labels(volume: Volume) -> np.ndarray:
    """Whole numbers from 0 to 65535 in the narrowest type."""
    values = volume.values
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and np.array_equal(values, np.round(values))):
        raise BadInput(volume.path, "holds fractions, not labels", "save the labels as integers")
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:
        raise BadInput(volume.path, f"holds labels from {low} to {high}", "use labels from 0 to 65535")
    return values.astype(np.uint8 if high <= 255 else np.uint16)
