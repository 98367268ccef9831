"""Reading and writing masks, reading images.

Whatever is wrong with a file comes out as `BadInput`, and as nothing else.

Masks are read by index, never by colour, except when all a file has is colours. Sources: palette PNG, grey PNG of 1 to
16 bits, NPY, NPZ. Images are decoded as they are stored: EXIF orientation is not applied, because masks (VOC's among
them) follow the stored pixels. The largest image accepted is `PIL.Image.MAX_IMAGE_PIXELS` pixels (89 million unless
changed; None lifts the limit).
"""

import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from PIL import ExifTags, Image

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.data.labels import VOID, LabelSpace

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
MASK_SUFFIXES = (".png", ".npy", ".npz")

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LISTED_VALUES = 8
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_RAISE_LIMIT = "if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS"


def read_image(path: Path | str) -> Image.Image:
    """Read a JPEG or PNG as RGB, 8 bits a channel; alpha is dropped, 16-bit grey keeps its upper 8 bits, EXIF
    orientation is not applied.

    Raises
    ------
    BadInput
        When the file is missing, empty, truncated, neither JPEG nor PNG whatever its name says, or too large.
    """
    image = _decode(path, ("JPEG", "PNG"), "is not a JPEG or PNG", "convert it to one of them")
    try:
        return to_rgb(image)
    except Exception as error:
        raise BadInput(path, f"cannot be converted from mode {image.mode} to RGB: {error}") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode as RGB, 8 bits a channel; 16-bit grey keeps its upper 8 bits, alpha is dropped."""
    if image.mode.startswith("I"):  # PIL clips 16-bit grey at 255 instead of scaling it
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    elif "transparency" in image.info:  # PIL would warn of a palette's
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")


def read_mask(path: Path | str, labels: LabelSpace, size: tuple[int, int] | Image.Image | None = None) -> np.ndarray:
    """Read a mask.

    Parameters
    ----------
    path : Path or str
        PNG, NPY or NPZ (key ``mask``, or the only array), by suffix.
    labels : LabelSpace
        The classes; every pixel must be one of them or void.
    size : (int, int) or PIL image, optional
        Width and height that the mask must have, or the picture that it belongs to: its EXIF orientation may explain a
        mask that lies on its side.

    Returns
    -------
    np.ndarray
        uint8 [H, W], class indices, 255 where void.

    Raises
    ------
    BadInput
        When the file is missing, empty, truncated, of another kind, of another size, too large, of a type that holds no
        labels (floats, objects, more than two dimensions), or holds labels that are not in `labels`; an RGB mask is
        decoded by exact colour when all of its colours are those of `labels`, and refused otherwise.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        values = _read_npy(path)
    elif suffix == ".npz":
        values = _read_npz(path)
    elif suffix == ".png":
        values = _read_png(path, labels)
    else:
        raise BadInput(
            path, f"is not a mask: its name ends in {suffix or 'nothing'}", f"use one of {', '.join(MASK_SUFFIXES)}"
        )
    if size is not None:
        _check_size(path, values, size)
    return _to_labels(path, values, labels)


def exif_orientation(image: Image.Image) -> int:
    """How a picture wants to be turned for display, 1 to 8; 1, not at all, where it does not say."""
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever a damaged block makes PIL trip over: it is metadata, and the pixels are sound
        return 1
    return orientation if orientation in range(1, 9) else 1


def picture_orientation(path: Path | str) -> int:
    """`exif_orientation` of a file, without decoding its pixels; 1 for what is no picture."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return exif_orientation(image)
    except Exception:  # as in `_decode`
        return 1


def write_mask(path: Path | str, mask: np.ndarray, labels: LabelSpace) -> None:
    """Write a mask (uint8 [H, W], 255 where void) as a palette PNG with the colours of `labels`.

    Raises
    ------
    ValueError
        When `mask` is not a non-empty uint8 [H, W] of class indices and void.
    """
    if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0:
        raise ValueError(f"Expected `mask` to be uint8 [H, W], but got {mask.dtype} {list(mask.shape)}")
    if np.any((mask >= labels.num_classes) & (mask != VOID)):
        raise ValueError(f"Expected labels below {labels.num_classes} or {VOID}, but got {np.unique(mask).tolist()}")
    if labels.void not in (None, VOID):
        mask = np.where(mask == VOID, np.uint8(labels.void), mask)
    image = Image.fromarray(np.ascontiguousarray(mask))
    image.putpalette(labels.palette.tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def _check_size(path: Path | str, values: np.ndarray, size: tuple[int, int] | Image.Image) -> None:
    """The mask has the size of its picture; a picture that lies on its side says so."""
    orientation = exif_orientation(size) if isinstance(size, Image.Image) else 1
    width, height = size.size if isinstance(size, Image.Image) else size
    if values.shape == (height, width):
        return
    reason, fix = (
        f"is {values.shape[1]}x{values.shape[0]} pixels but its image is {width}x{height}",
        "resize the mask by nearest neighbour",
    )
    if values.shape == (width, height):
        fix = f"rotate the mask as the picture is stored if that has an EXIF orientation, which is not applied; else {fix}"
        if orientation in _ON_ITS_SIDE:
            reason += f" and has EXIF orientation {orientation}, which is not applied"
            fix = "rotate the mask as the picture is stored, or store the picture as it is displayed"
    raise BadInput(path, reason, fix)


def _check_file(path: Path | str) -> None:
    path = Path(path)
    try:
        if not path.is_file():
            raise BadInput(path, "is a folder, not a file" if path.is_dir() else "does not exist")
        if path.stat().st_size == 0:
            raise BadInput(path, "is empty (0 bytes)", "write or copy it again")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise BadInput(path, f"cannot be read: {error}") from error


def _check_pixels(path: Path | str, pixels: int) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        raise BadInput(path, f"has {pixels:,} pixels, more than the limit of {limit:,}", _RAISE_LIMIT)


def _decode(path: Path | str, formats: tuple[str, ...], wrong_format: str, fix: str) -> Image.Image:
    """Open and fully decode an image.

    PIL's decoders raise whatever a hostile file makes them trip over, hence the broad clause.
    """
    _check_file(path)
    try:
        with Image.open(path, formats=formats) as image:
            _check_pixels(path, image.width * image.height)
            image.load()
            return image.copy()
    except BadInput:
        raise
    except Image.UnidentifiedImageError as error:
        raise BadInput(path, wrong_format, fix) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(path, f"is too large: {error}", _RAISE_LIMIT) from error
    except Exception as error:
        raise BadInput(path, f"is damaged or truncated: {error}", "write or copy it again") from error


def _read_png(path: Path | str, labels: LabelSpace) -> np.ndarray:
    image = _decode(
        path,
        ("PNG",),
        "is not a PNG, whatever its name says",
        "masks must be PNG, NPY or NPZ: lossy formats change labels",
    )
    if image.mode in ("RGB", "RGBA"):
        return _decode_colours(path, np.asarray(image)[..., :3], labels)
    if image.mode in ("LA", "PA"):
        image = image.getchannel(0)
    values = np.asarray(image)
    if image.mode == "L":
        # PIL stretches grey of 2 and 4 bits to 0..255; labels need the stored numbers. The bit depth is byte 24 of
        # every PNG.
        with Path(path).open("rb") as stream:
            header = stream.read(25)
        if header.startswith(_PNG_SIGNATURE) and header[24] in (2, 4):
            values = values // (255 // (2 ** header[24] - 1))
    return values


def _decode_colours(path: Path | str, colours: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Labels of RGB pixels [H, W, 3] by exact colour; alpha has been ignored."""

    def key(rgb: np.ndarray) -> np.ndarray:
        return rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)

    values = np.array(labels.file_values)
    known = key(labels.palette[values])
    order = np.argsort(known)
    pixels = key(colours)
    position = np.searchsorted(known[order], pixels).clip(max=len(known) - 1)
    index = order[position]
    foreign = known[index] != pixels
    if foreign.any():
        found = np.unique(pixels[foreign])
        listed = ", ".join(f"#{colour:06x}" for colour in found[:_LISTED_VALUES]) + (
            ", ..." if len(found) > _LISTED_VALUES else ""
        )
        raise BadInput(
            path,
            f"is an RGB image with the wrong palette: {len(found)} of its colours belong to no class ({listed})",
            "save label indices in a palette or grey PNG, or name each class's colour under palette in the classes JSON",
        )
    return values[index]


def _read_npy(path: Path | str) -> np.ndarray:
    _check_file(path)
    try:
        with Path(path).open("rb") as stream:
            return _read_array(path, stream)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(path, f"is not a readable NPY file: {error}", "write it again with numpy.save") from error


def _read_npz(path: Path | str) -> np.ndarray:
    _check_file(path)
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
                return _read_array(path, stream)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(path, f"is not a readable NPZ file: {error}", "write it again with numpy.savez") from error


def _read_array(path: Path | str, stream: IO[bytes]) -> np.ndarray:
    """An integer or bool [H, W] from an open NPY stream; the header is judged before a single value is read or memory
    is asked for.
    """
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        shape, fortran_order, dtype = npy_format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran_order, dtype = npy_format.read_array_header_2_0(stream)
    else:  # 3.0 exists for field names of structured arrays, which are no masks
        raise BadInput(path, f"has NPY format version {version[0]}.{version[1]}", "save a plain integer array")
    if dtype.kind not in "biu":
        raise BadInput(path, f"holds {dtype} values, not integer labels", "save it as uint8")
    if len(shape) != 2 or min(shape) < 1:
        raise BadInput(path, f"has shape {list(shape)}, not [height, width]", "save one two-dimensional mask a file")
    count = shape[0] * shape[1]
    _check_pixels(path, count)
    content = stream.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise BadInput(
            path, f"is truncated: {len(content)} of {count * dtype.itemsize} bytes of values", "write or copy it again"
        )
    values = np.frombuffer(content, dtype)
    return values.reshape(shape[::-1]).T if fortran_order else values.reshape(shape)


def _to_labels(path: Path | str, values: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Check every value against `labels`; returns uint8 with void as 255."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype == np.uint8:  # the common case: one count instead of a sort
        counts = np.bincount(values.ravel(), minlength=256)
        found = np.flatnonzero(counts)
    else:
        found = np.unique(values)
    unknown = found[~np.isin(found, labels.file_values)]
    if len(unknown):
        listed = ", ".join(str(value) for value in unknown[:_LISTED_VALUES]) + (
            ", ..." if len(unknown) > _LISTED_VALUES else ""
        )
        void = "no void" if labels.void is None else f"{labels.void} = void"
        raise BadInput(
            path,
            f"holds labels that are no class: {listed} (known: 0 to {labels.num_classes - 1}, {void})",
            "check the number of classes and the void value, or whether this is a mask at all",
        )
    mask = np.ascontiguousarray(values, dtype=np.uint8)
    if labels.void not in (None, VOID):
        mask = np.where(mask == labels.void, np.uint8(VOID), mask)
    return mask
