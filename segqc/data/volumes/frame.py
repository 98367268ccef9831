"""Where the voxels of a volume lie, and whether those of two files are the same places of the body."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

_COARSE = 3.0
"""An axis with voxels so many times as long as those of both others is the one across the slices of the scan; nnU-Net's
threshold of anisotropy.
"""


@dataclass(frozen=True, eq=False)
class Frame:
    """The grid of a volume's voxels.

    Attributes
    ----------
    shape : (int, int, int)
    affine : float64 `[4, 4]`
        From indices of voxels to mm towards the right, the front and the top of the body.
    stated : bool
        Whether the header gives this place; else the affine is what nibabel assumes.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    stated: bool = True

    @property
    def usable(self) -> bool:
        """Whether the three axes span a space."""
        axes = self.affine[:3, :3]
        return bool(np.isfinite(self.affine).all() and abs(np.linalg.det(axes)) > 1e-12)

    @property
    def placed(self) -> bool:
        """Whether the place means anything: the identity is what programs write that know of none."""
        return self.stated and not np.allclose(self.affine, np.eye(4))

    @cached_property
    def orientation(self) -> np.ndarray:
        """For each axis of the file, the axis of the body that it is closest to and its direction, `[3, 2]`."""
        from nibabel.orientations import io_orientation

        return io_orientation(self.affine)

    @property
    def axes(self) -> str:
        """Where the axes of the file point to, such as LPS: left, back, top."""
        letters = (("L", "R"), ("P", "A"), ("I", "S"))
        return "".join(letters[int(axis)][int(direction > 0)] for axis, direction in self.orientation)

    @cached_property
    def upright(self) -> "Frame":
        """The same voxels with axes that run right, forward and up."""
        from nibabel.orientations import inv_ornt_aff

        shape = tuple(self.shape[place] for place in np.argsort(self.orientation[:, 0]))
        return Frame((shape[0], shape[1], shape[2]), self.affine @ inv_ornt_aff(self.orientation, self.shape))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel along the axes of the body, mm."""
        x, y, z = np.linalg.norm(self.upright.affine[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def across(self) -> int:
        """The axis of the body across which slices lie: 0 (sagittal), 1 (coronal) or 2 (axial).

        It is the axis with a single voxel; else that with by far the longest voxels, since the scan was made in such
        slices; else the axis from feet to head.
        """
        shape, spacing = self.upright.shape, self.spacing
        single = [axis for axis in (2, 1, 0) if shape[axis] == 1]
        if single:
            return single[0]
        first, second = sorted(spacing, reverse=True)[:2]
        return spacing.index(first) if first >= _COARSE * second else 2

    def turned(self, values: np.ndarray) -> np.ndarray:
        """Voxels in the order of the file as voxels along the axes of the body."""
        from nibabel.orientations import apply_orientation

        return apply_orientation(values, self.orientation)

    def slice_numbers(self) -> list[int]:
        """For each slice along the axis `across` of the body, its index along that axis in the file."""
        count = self.upright.shape[self.across]
        forward = dict(self.orientation.tolist())[float(self.across)] > 0
        return list(range(count)) if forward else list(range(count))[::-1]

    def same_place(self, other: "Frame") -> bool:
        """Whether two grids of one shape lie on each other, to within half a voxel at every corner."""
        if self.shape != other.shape:
            return False
        corners = np.array([[*(length * (n - 1) for length, n in zip(ends, self.shape, strict=True)), 1.0]
                            for ends in product((0, 1), repeat=3)])  # fmt: skip
        apart = np.linalg.norm((corners @ (self.affine - other.affine).T)[:, :3], axis=1)
        return bool(apart.max() < 0.5 * min(self.spacing))
