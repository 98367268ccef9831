"""Mask files as they are stored: the numbers or colours of one file, before they are taken for classes.

Each format has one reader; `READERS` finds it by the file's suffix. A new format is a function from a path to a
`Raster` and a line in that table.
"""

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path
from segqc.data.channels import channel_axis, class_indices
from segqc.data.decoding import check_file, check_pixels, decode, read_tiff_array

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LOSSY = "lossy compression changes labels: export the masks again as PNG"


@dataclass(frozen=True)
class Raster:
    """One mask file.

    Attributes
    ----------
    values : ndarray `[H, W]` integer, or None
        Stored numbers: palette indices, grey values, array elements. None when the file has colours only.
    colours : ndarray `[H, W, 3]` uint8, or None
        RGB pixels of a file that stores colours which are not all grey.
    palette : ndarray `[n, 3]` uint8, or None
        The file's own colour table.
    alpha : ndarray `[H, W]` uint8, or None
        The alpha channel, where there is one that is not opaque throughout.
    """

    values: np.ndarray | None
    colours: np.ndarray | None = None
    palette: np.ndarray | None = None
    alpha: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        stored = self.values if self.values is not None else self.colours
        assert stored is not None
        return stored.shape[1], stored.shape[0]


def read_raster(path: Path | str) -> Raster:
    """Read a mask file of any known format.

    Raises
    ------
    BadInput
        The file is missing, empty, damaged, too large, of another format, or of a type that holds no labels
        (fractions, more than two dimensions, objects).
    """
    suffix = Path(path).suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        reason = f"is not a mask: its name ends in {suffix or 'nothing'}"
        if suffix in (".jpg", ".jpeg", ".webp"):
            raise BadInput(path, reason, _LOSSY)
        raise BadInput(path, reason, f"use one of {', '.join(READERS)}")
    return reader(as_path(path))


def _read_picture_file(path: Path) -> Raster:
    """PNG, TIFF, BMP or GIF (first frame), by content."""
    image = decode(
        path, ("PNG", "TIFF", "BMP", "GIF"), "is not a PNG, TIFF, BMP or GIF, whatever its name says", _LOSSY
    )
    if image.mode in ("RGB", "RGBA"):
        return _from_colours(np.asarray(image))
    alpha = None
    if image.mode in ("LA", "PA"):
        alpha = _transparency(np.asarray(image.getchannel(1)))
        image = image.getchannel(0)
    if image.mode == "F":
        return Raster(_whole_numbers(path, np.asarray(image)), alpha=alpha)
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise BadInput(
            path, f"has colours of mode {image.mode}, which name no classes", "save label indices as grey PNG"
        )
    values = np.asarray(image)
    if image.mode == "L":
        values = _unstretched(path, values)
    return Raster(values, palette=_palette(image), alpha=alpha)


def _read_tiff(path: Path) -> Raster:
    """A TIFF: one page as any picture file, several pages or more than four bands as channels of classes."""
    check_file(path)
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            pages = getattr(image, "n_frames", 1)
    except Image.UnidentifiedImageError:
        pages = 0  # what only tifffile reads
    except Exception:  # as in `decode`, which says what is wrong
        pages = 1
    if pages == 1:
        return _read_picture_file(path)
    values = read_tiff_array(path, whole=True)
    if values.dtype.kind not in "biuf" or values.size == 0:
        raise BadInput(path, f"holds {values.dtype} values of shape {list(values.shape)}", "save it as uint8")
    if values.ndim == 2:  # further pages are of another kind, such as a thumbnail
        return Raster(_whole_numbers(path, values))
    return Raster(class_indices(path, values))


def _from_colours(pixels: np.ndarray) -> Raster:
    """Colours `[H, W, 3 or 4]`; three equal channels are a grey mask that was saved as RGB."""
    alpha = _transparency(pixels[..., 3]) if pixels.shape[2] == 4 else None
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return Raster(red.copy(), np.ascontiguousarray(pixels[..., :3]), alpha=alpha)
    return Raster(None, np.ascontiguousarray(pixels[..., :3]), alpha=alpha)


def _transparency(alpha: np.ndarray) -> np.ndarray | None:
    return None if (alpha == 255).all() else alpha.copy()


def _palette(image: Image.Image) -> np.ndarray | None:
    colours = image.getpalette() if image.mode == "P" else None
    return None if not colours else np.array(colours, np.uint8).reshape(-1, 3)


def _unstretched(path: Path, values: np.ndarray) -> np.ndarray:
    """Pillow stretches grey PNGs of 2 and 4 bits to 0..255; labels need the stored numbers (bit depth: byte 24)."""
    with path.open("rb") as stream:
        header = stream.read(25)
    if header.startswith(_PNG_SIGNATURE) and header[24] in (2, 4):
        return values // (255 // (2 ** header[24] - 1))
    return values


def _read_npy(path: Path) -> Raster:
    check_file(path)
    try:
        with path.open("rb") as stream:
            return Raster(_read_array(path, stream))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(path, f"is not a readable NPY file: {error}", "write it again with numpy.save") from error


def _read_npz(path: Path) -> Raster:
    """The array ``mask``, or the only one."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            if "mask.npy" in names:
                names = ["mask.npy"]
            if len(names) != 1:
                keys = ", ".join(name.removesuffix(".npy") for name in names) or "none"
                reason = f"has no array called mask and not exactly one array (it has: {keys})"
                raise BadInput(path, reason, "store the mask under the key mask")
            with archive.open(names[0]) as stream:
                return Raster(_read_array(path, stream))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(path, f"is not a readable NPZ file: {error}", "write it again with numpy.savez") from error


def _read_array(path: Path, stream: IO[bytes]) -> np.ndarray:
    """Whole numbers `[H, W]` from an open NPY stream, which may also be `[1, H, W]`, `[H, W, 1]`, or one-hot.

    The header is judged before a single value is read or memory is asked for.
    """
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        shape, fortran_order, dtype = npy_format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran_order, dtype = npy_format.read_array_header_2_0(stream)
    else:  # 3.0 exists for field names of structured arrays, which are no masks
        raise BadInput(path, f"has NPY format version {version[0]}.{version[1]}", "save a plain integer array")
    if dtype.kind not in "biuf":
        raise BadInput(path, f"holds {dtype} values, not integer labels", "save it as uint8")
    plane = tuple(n for n in shape if n != 1) if len(shape) == 3 and 1 in (shape[0], shape[2]) else shape
    if len(plane) != 2 or min(plane) < 1:
        channel_axis(path, shape)  # refuses what has no channels
        plane = shape
    count = math.prod(plane)
    check_pixels(path, count)
    content = stream.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        reason = f"is truncated: {len(content)} of {count * dtype.itemsize} bytes of values"
        raise BadInput(path, reason, "write or copy it again")
    values = np.frombuffer(content, dtype)
    values = values.reshape(shape[::-1]).T if fortran_order else values.reshape(shape)
    if len(plane) == 3:
        return class_indices(path, values)
    return _whole_numbers(path, values.reshape(plane))


def _whole_numbers(path: Path, values: np.ndarray) -> np.ndarray:
    """Labels that were saved as floats, as integers."""
    if values.dtype.kind != "f":
        return values
    if not np.isfinite(values).all() or not np.array_equal(values, np.round(values)) or np.abs(values).max() > 2**31:
        reason = f"holds {values.dtype} values that are no whole numbers: probabilities are no labels"
        raise BadInput(path, reason, "save the index of the largest probability of each pixel as uint8")
    return values.astype(np.int64)


READERS: dict[str, Callable[[Path], Raster]] = {
    ".png": _read_picture_file,
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".bmp": _read_picture_file,
    ".gif": _read_picture_file,
    ".npy": _read_npy,
    ".npz": _read_npz,
}
"""Reader of each suffix."""
