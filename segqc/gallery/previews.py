"""The pictures of audited pairs as the review page carries them: a small packet for each, and a fine one.

A packet holds the photo as a JPEG, and each mask and the heat map as a raster: a byte a pixel, deflated. The page
colours rasters itself, so that classes can be switched on and off and the label of a pixel can be read.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.base.cores import usable_cores
from segqc.base.parallel import ordered_map
from segqc.data.labels import LabelSpace
from segqc.data.pictures import exif_orientation
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.overlay import encode_jpeg, resize_labels, shrink_photo, thumbnail_size
from segqc.results.table import is_scored

SMALL_SIDE = 240  # px on the longer side of a card's photo
SMALL_MASK_SIDE = 512
FINE_SIDE = 1024
FINE_MASK_SIDE = 2048
HEAT_SIDE = 96  # heat maps are smooth: the browser's interpolation does the rest
SMALL_QUALITY, FINE_QUALITY = 68, 80

LAYERS = ("photo", "prediction", "other", "heat", "truth")
"""Every picture that an entry may have."""

_SHOWN_BY_BROWSERS = {"JPEG", "PNG", "WEBP", "GIF", "BMP"}
_EIGHT_BITS = {"RGB", "L", "P"}


@dataclass(frozen=True)
class Packet:
    """Pictures of one entry at one size.

    Attributes
    ----------
    photo : bytes or None
        A JPEG file.
    rasters : dict of str to (int, int, bytes)
        Width, height and deflated bytes of each mask and heat map, by the names of `LAYERS`.
    """

    photo: bytes | None
    rasters: dict[str, tuple[int, int, bytes]]

    @property
    def text(self) -> dict[str, Any]:
        """The rasters as JSON holds them: width, height and base64."""
        return {name: [width, height, _base64(data)] for name, (width, height, data) in self.rasters.items()}

    @property
    def text_with_photo(self) -> dict[str, Any]:
        """The rasters, and the photo as base64."""
        return self.text if self.photo is None else {"photo": _base64(self.photo)} | self.text

    @property
    def size(self) -> int:
        """Bytes that it takes in a page, as base64."""
        data = [packed for _, _, packed in self.rasters.values()] + ([] if self.photo is None else [self.photo])
        return sum(4 * -(-len(part) // 3) for part in data)


@dataclass(frozen=True)
class Previews:
    """Pictures of one entry.

    Attributes
    ----------
    small : Packet
        What a card shows.
    fine : Packet or None
        Photo and masks that are larger than the small ones; None where the originals are no larger.
    layers : list of str
        Names of the pictures that could be read, in the order of `LAYERS`.
    problem : str
        What could not be read; mostly empty.
    size : (int, int) or None
        Width and height of the first original that could be read.
    source : Path or None
        The photo's file, where a browser shows its very pixels.
    """

    small: Packet
    fine: Packet | None
    layers: list[str]
    problem: str
    size: tuple[int, int] | None
    source: Path | None


def make_previews(layers: Layers) -> Previews:
    """Small and fine pictures of an entry. A file that cannot be read costs its own layer only."""
    found = {name: getattr(layers, name) for name in LAYERS}
    problems = [str(picture) for picture in found.values() if isinstance(picture, Exception)]
    read = {
        name: picture for name, picture in found.items() if picture is not None and not isinstance(picture, Exception)
    }
    sizes = [_size(picture) for picture in read.values()]
    masks = {name: picture for name, picture in read.items() if name not in ("photo", "heat")}
    photo = read.get("photo")
    fine_photo = None if photo is None else shrink_photo(photo, FINE_SIDE)
    small = Packet(
        None if fine_photo is None else encode_jpeg(shrink_photo(fine_photo, SMALL_SIDE), SMALL_QUALITY),
        {name: _mask(mask, SMALL_MASK_SIDE) for name, mask in masks.items()}
        | ({"heat": _heat(read["heat"])} if "heat" in read else {}),
    )
    large_masks = {name: mask for name, mask in masks.items() if max(mask.shape) > SMALL_MASK_SIDE}
    fine = Packet(
        encode_jpeg(fine_photo, FINE_QUALITY) if fine_photo and max(fine_photo.size) > SMALL_SIDE else None,
        {name: _mask(mask, FINE_MASK_SIDE) for name, mask in large_masks.items()},
    )
    return Previews(
        small,
        fine if fine.photo or fine.rasters else None,
        list(read),
        "; ".join(problems),
        sizes[0] if sizes else None,
        layers.entry.image if photo is not None and _is_shown_as_it_is(layers.entry.image) else None,
    )


def previews_in_order(
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    workers: int | None,
    on_read: Callable[[int, Layers], None] | None = None,
) -> Iterator[Previews | None]:
    """Previews of each entry, None for one without a score; made by `workers` threads, one a core where None.

    `on_read` is given the place of each entry with a score and its decoded pictures, in the thread that read them.
    """

    def prepare(task: tuple[int, GalleryEntry]) -> Previews | None:
        place, entry = task
        if not is_scored(entry.row):
            return None
        layers = Layers(entry, labels)
        if on_read is not None:
            on_read(place, layers)
        return make_previews(layers)

    # Threads: decoding, resizing and encoding all leave the interpreter's lock.
    return ordered_map(prepare, enumerate(entries), workers or usable_cores())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _size(picture: Image.Image | np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return picture.size if isinstance(picture, Image.Image) else (picture.shape[1], picture.shape[0])


def _mask(mask: np.ndarray, side: int) -> tuple[int, int, bytes]:
    """A label map of at most `side` pixels on its longer side."""
    return _raster(resize_labels(mask, thumbnail_size(_size(mask), side)))


def _heat(heat: Image.Image) -> tuple[int, int, bytes]:
    return _raster(np.asarray(heat.resize(thumbnail_size(heat.size, HEAT_SIDE), Image.Resampling.BOX)))


def _raster(values: np.ndarray) -> tuple[int, int, bytes]:
    # Masks are runs of equal pixels: found as such they take half the time and a tenth less room than by zlib's search.
    runs = zlib.compressobj(1, strategy=zlib.Z_RLE)
    packed = runs.compress(np.ascontiguousarray(values).tobytes()) + runs.flush()
    return values.shape[1], values.shape[0], packed


def _is_shown_as_it_is(path: Path) -> bool:
    """Whether a browser draws the file with the pixels that were judged: it turns pictures by their EXIF orientation,
    and reads 16 bits, CMYK and transparency in its own way.
    """
    try:
        with Image.open(path) as image:
            return image.format in _SHOWN_BY_BROWSERS and image.mode in _EIGHT_BITS and exif_orientation(image) == 1
    except Exception:  # what Pillow cannot read here was read in another way
        return False
