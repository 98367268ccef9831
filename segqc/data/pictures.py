"""Picture files as RGB, 8 bits a channel, whatever they store: 8 or 16 bits, grey, CMYK, palette, alpha, more bands.

How a data set's pictures are read (range of intensities, bands, orientation) is a `PictureReading`: found once, stored
with the model, and used for every later picture.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path
from segqc.data.decoding import check_file, decode, read_tiff_array

FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
}
IMAGE_SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_NAMES = tuple(FORMATS)


@dataclass(frozen=True)
class PictureReading:
    """How the pictures of a data set become RGB with 8 bits a channel.

    Attributes
    ----------
    intensity : (low, high), optional
        Stored values that become 0 and 255; values beyond are clipped. None: 0 and the largest value of the stored
        type (255, 65535).
    bands : tuple of int, optional
        Bands that become red, green and blue, counted from 1, of pictures with more than three; one band is grey.
        None: the first three.
    upright : bool
        Turn pictures as their EXIF orientation says. False: as they are stored, as masks usually follow.
    volume_intensity : (low, high), optional
        Values of volumes, in their own unit, that became 0 and 255 when their slices were written; the slices
        themselves are read as they are stored.
    """

    intensity: tuple[float, float] | None = None
    bands: tuple[int, ...] | None = None
    upright: bool = False
    volume_intensity: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for low_high in (self.intensity, self.volume_intensity):
            if low_high is not None and not low_high[0] < low_high[1]:
                raise ValueError(f"Expected intensity LOW,HIGH with LOW below HIGH, but got {low_high}")
        if self.bands is not None and (len(self.bands) not in (1, 3) or min(self.bands) < 1):
            raise ValueError(f"Expected one or three bands, counted from 1, but got {self.bands}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, without what is the default."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PictureReading":
        """Inverse of `to_dict`."""
        known = dict(values)
        for name in ("intensity", "bands", "volume_intensity"):
            known[name] = None if known.get(name) is None else tuple(known[name])
        return cls(**known)


AS_STORED = PictureReading()


def read_image(path: Path | str, reading: PictureReading = AS_STORED) -> Image.Image:
    """Read a picture as RGB, 8 bits a channel; of an animation the first frame, alpha dropped.

    Raises
    ------
    BadInput
        When the file is missing, empty, truncated, too large, or of no known format, whatever its name says.
    """
    is_tiff = Path(path).suffix.lower() in FORMATS["TIFF"]
    if is_tiff and (reading.bands is not None or _needs_tifffile(as_path(path))):
        return _from_bands(path, _read_tiff(as_path(path)), reading)
    image = decode(path, _NAMES, f"is none of {', '.join(_NAMES)}", "convert it to one of them")
    try:
        if reading.upright:
            image = ImageOps.exif_transpose(image)
        return to_rgb(image, reading.intensity)
    except Exception as error:
        raise BadInput(path, f"cannot be converted from mode {image.mode} to RGB: {error}") from error


def to_rgb(image: Image.Image, intensity: tuple[float, float] | None = None) -> Image.Image:
    """A picture of any mode as RGB, 8 bits a channel; alpha is dropped.

    Parameters
    ----------
    image : PIL image
    intensity : (low, high), optional
        Values of a grey picture that become 0 and 255; by default 0 and 65535 for 16 bits, 0 and 255 for 8.
    """
    if image.mode.startswith("I") or image.mode == "F" or (intensity is not None and image.mode == "L"):
        # Pillow clips 16-bit grey at 255 instead of scaling it.
        return Image.fromarray(to_bytes(np.asarray(image), intensity)).convert("RGB")
    if "transparency" in image.info:  # Pillow would warn of a palette's
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")


def to_bytes(values: np.ndarray, intensity: tuple[float, float] | None) -> np.ndarray:
    """Stored intensities as uint8: scaled from `intensity`; else 16 bits keep their upper 8."""
    if intensity is None:
        if values.dtype == np.uint8:
            return values
        if values.dtype.kind == "f":
            scale = 255.0 if values.size and float(np.nanmax(values)) <= 1 else 1.0
            return np.nan_to_num(values * scale).clip(0, 255).astype(np.uint8)
        return (values.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
    low, high = intensity
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.nan_to_num(np.round(scaled)).clip(0, 255).astype(np.uint8)


def stored_size(path: Path | str) -> tuple[int, int]:
    """Width and height of a picture file as it is stored, px, from its header where Pillow knows the format.

    Raises
    ------
    BadInput
        As for `read_image`.
    """
    try:
        with Image.open(path, formats=_NAMES) as image:
            return image.size
    except Exception:  # as in `decode`; the reader says what is wrong, or knows the format
        return read_image(path).size


def exif_orientation(image: Image.Image) -> int:
    """How a picture wants to be turned for display, 1 to 8; 1, not at all, where it does not say."""
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever a damaged block makes Pillow trip over: it is metadata, and the pixels are sound
        return 1
    return orientation if orientation in range(1, 9) else 1


def picture_orientation(path: Path | str) -> int:
    """`exif_orientation` of a file, without decoding its pixels; 1 for what is no picture."""
    try:
        with Image.open(path, formats=_NAMES) as image:
            return exif_orientation(image)
    except Exception:  # as in `decode`
        return 1


def _needs_tifffile(path: Path) -> bool:
    """Whether Pillow cannot read this TIFF: more than four bands, or several bands of 16 bits or floats."""
    check_file(path)
    try:
        with Image.open(path, formats=("TIFF",)):
            return False
    except Image.UnidentifiedImageError:
        return True
    except Exception:  # other trouble: `decode` says what
        return False


def _read_tiff(path: Path) -> np.ndarray:
    """Bands last, `[H, W, B]`, of the first page of a TIFF."""
    values = read_tiff_array(path)
    if values.ndim == 2:
        return values[..., None]
    if values.ndim != 3:
        raise BadInput(path, f"has shape {list(values.shape)}", "store one picture [height, width, bands] a file")
    bands_first = values.shape[0] < min(values.shape[1:])
    return np.moveaxis(values, 0, -1) if bands_first else values


def _from_bands(path: Path | str, values: np.ndarray, reading: PictureReading) -> Image.Image:
    """RGB of chosen bands `[H, W, B]`."""
    count = values.shape[2]
    chosen = reading.bands or ((1, 2, 3) if count >= 3 else (1,))
    if max(chosen) > count:
        raise BadInput(path, f"has {count} bands, but band {max(chosen)} is asked for", "choose others with --bands")
    shown = to_bytes(values[..., [band - 1 for band in chosen]], reading.intensity)
    return Image.fromarray(shown.squeeze(-1) if len(chosen) == 1 else np.ascontiguousarray(shown)).convert("RGB")
