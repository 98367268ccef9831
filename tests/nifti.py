"""Small rendered volumes: a body with organs, as a scanner and a segmenter would store them."""

from pathlib import Path

import numpy as np
import pytest

SPACING = (1.5, 2.0, 4.0)
SHAPE = (24, 20, 6)


def save(
    path: Path, values: np.ndarray, affine: np.ndarray | None = None, spacing: tuple[float, ...] = SPACING
) -> Path:
    """Write a NIfTI file; by default with the axes of the body and an origin of its own."""
    nibabel = pytest.importorskip("nibabel")
    if affine is None:
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -30, 12, 5
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def flipped(
    affine_of: tuple[float, ...] = SPACING, shape: tuple[int, int, int] = SHAPE, axes: str = "xy"
) -> np.ndarray:
    """The affine of the same body stored with some axes the other way round."""
    affine = np.diag([*affine_of, 1.0])
    affine[:3, 3] = -30, 12, 5
    for axis in ("xyz".index(letter) for letter in axes):
        affine[axis, 3] += affine_of[axis] * (shape[axis] - 1)
        affine[axis, axis] *= -1
    return affine


def body(seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """A picture in Hounsfield units, int16, and its labels, uint8: two organs in a body in air."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    labels = np.zeros(shape, np.uint8)
    for label, radius in ((1, 0.6), (2, 0.5)):
        centre = rng.uniform(-0.3, 0.3, 3)
        labels[np.square(places - centre[:, None, None, None]).sum(0) < radius**2] = label
    body = np.square(places[:2]).sum(0) < 0.9
    values = np.where(body, 40, -1000) + np.array([0, 120, 260])[labels] + rng.normal(0, 10, shape)
    return values.astype(np.int16), labels


def moved(labels: np.ndarray, seed: int) -> np.ndarray:
    """A prediction: the labels moved by a voxel or two, the second organ lost in its last slice."""
    rng = np.random.default_rng(seed)
    found = np.roll(labels, rng.integers(1, 3, 2), (0, 1))
    top = np.flatnonzero((found == 2).any((0, 1)))[-1]
    found[..., top][found[..., top] == 2] = 0
    return found


def write_set(root: Path, count: int = 2) -> Path:
    """`imagesTr`, `labelsTr` and `predictions` of `count` volumes, named as nnU-Net names them."""
    for case in range(count):
        picture, labels = body(case)
        save(root / "imagesTr" / f"case_{case}_0000.nii.gz", picture)
        save(root / "labelsTr" / f"case_{case}.nii.gz", labels)
        save(root / "predictions" / f"case_{case}.nii.gz", moved(labels, case))
    return root
