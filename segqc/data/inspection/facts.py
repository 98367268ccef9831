"""What one picture or mask file holds, as plain JSON values.

The facts are found in a thread, and a journal keeps them by the file's stamp.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.decoding import check_file
from segqc.data.masks import rgb_key
from segqc.data.pictures import FORMATS, exif_orientation, read_image
from segqc.data.rasters import Raster, read_raster

MOST_VALUES = 1024
"""Different values of a mask that are counted one by one; a file with more holds no labels."""


@dataclass(frozen=True)
class MaskFacts:
    """What a mask file holds.

    Attributes
    ----------
    width, height : int
        px; 0 when the file cannot be read.
    pixels : dict of int to int
        Pixels of each stored value, or of each colour 0xRRGGBB where the file stores colours; at most `MOST_VALUES`.
    distinct : int
        Number of different values or colours.
    coloured : bool
        Whether `pixels` counts colours.
    frame : dict of int to int
        The same counts on the outermost row and column on each side.
    palette : dict of int to int
        Colour 0xRRGGBB of each stored value that occurs, where the file has a colour table.
    hidden : int
        Different values of an alpha channel that is not opaque; 0 without one.
    error : str
        Why the file cannot be read; else empty.
    """

    width: int = 0
    height: int = 0
    pixels: dict[int, int] = field(default_factory=dict)
    distinct: int = 0
    coloured: bool = False
    frame: dict[int, int] = field(default_factory=dict)
    palette: dict[int, int] = field(default_factory=dict)
    hidden: int = 0
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; keys become text."""
        return {
            name: {str(key): count for key, count in value.items()} if isinstance(value, dict) else value
            for name, value in vars(self).items()
            if value
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "MaskFacts":
        """Inverse of `to_json`."""
        known = dict(values)
        for name in ("pixels", "frame", "palette"):
            known[name] = {int(key): count for key, count in known.get(name, {}).items()}
        return cls(**known)


@dataclass(frozen=True)
class PictureFacts:
    """What a picture file holds.

    Attributes
    ----------
    width, height : int
        px, as stored; 0 when the file cannot be read.
    mode : str
        Pillow's mode ("RGB", "L", "I;16"), or "bands" for a TIFF that only tifffile reads.
    low, high : float or None
        Least and largest stored value of a picture with more than 8 bits.
    orientation : int
        EXIF orientation, 1 to 8.
    pages : int
        Pages or frames of the file, of which the first is read.
    error : str
        Why the file cannot be read; else empty.
    """

    width: int = 0
    height: int = 0
    mode: str = ""
    low: float | None = None
    high: float | None = None
    orientation: int = 1
    pages: int = 1
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "PictureFacts":
        """Inverse of `to_json`."""
        return cls(**values)


def mask_facts(path: Path) -> MaskFacts:
    """Look at a mask file; what is wrong with it is in `error`."""
    try:
        return facts_of_raster(read_raster(path))
    except BadInput as error:
        return MaskFacts(error=f"{error.reason}" + (f" ({error.fix})" if error.fix else ""))


def facts_of_raster(raster: Raster) -> MaskFacts:
    """The same of a mask in memory."""
    coloured = raster.values is None
    stored = rgb_key(raster.colours) if coloured and raster.colours is not None else raster.values
    assert stored is not None
    pixels, distinct = _counts(stored)
    border = np.concatenate([stored[0], stored[-1], stored[1:-1, 0], stored[1:-1, -1]])
    palette = {}
    if raster.palette is not None:
        colours = rgb_key(raster.palette)
        palette = {value: int(colours[value]) for value in pixels if 0 <= value < len(colours)}
    hidden = 0 if raster.alpha is None else len(np.unique(raster.alpha))
    return MaskFacts(*raster.size, pixels, distinct, coloured, _counts(border)[0], palette, hidden)


def _counts(values: np.ndarray) -> tuple[dict[int, int], int]:
    """Pixels of the `MOST_VALUES` most frequent values, and how many different ones there are."""
    if values.dtype in (np.uint8, np.dtype(bool)):
        # Pillow counts bytes several times as fast as NumPy, which makes them 64-bit numbers first.
        counts = Image.fromarray(np.ascontiguousarray(np.atleast_2d(values)).view(np.uint8)).histogram()
        found_bytes = {value: count for value, count in enumerate(counts) if count}
        return found_bytes, len(found_bytes)
    found, numbers = np.unique(values, return_counts=True)
    kept = np.argsort(-numbers, kind="stable")[:MOST_VALUES]
    return {int(found[place]): int(numbers[place]) for place in np.sort(kept)}, len(found)


def picture_facts(path: Path) -> PictureFacts:
    """Look at a picture file: its header, and the values of one with more than 8 bits."""
    try:
        check_file(path)
        with Image.open(path, formats=tuple(FORMATS)) as image:
            facts: dict[str, Any] = {"width": image.width, "height": image.height, "mode": image.mode}
            facts |= {"orientation": exif_orientation(image), "pages": getattr(image, "n_frames", 1)}
            if image.mode.startswith("I") or image.mode == "F":
                image.load()
                values = np.asarray(image)
                facts |= {"low": float(values.min()), "high": float(values.max())}
            return PictureFacts(**facts)
    except BadInput as error:
        return PictureFacts(error=error.reason)
    except Exception:  # no picture to Pillow's eye: a TIFF of many bands, or damaged; the reader says which
        try:
            shown = read_image(path)
        except BadInput as error:
            return PictureFacts(error=error.reason)
        return PictureFacts(shown.width, shown.height, "bands")
