"""Masks as class indices: read from files of any format, and written as palette PNGs.

Masks are read by index, never by colour, except when all a file has is colours. In memory a mask is uint8 `[H, W]` of
class indices, 255 where void.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.files import FLAT_PNG, atomic_path
from segqc.data.labels import VOID, LabelSpace
from segqc.data.pictures import exif_orientation
from segqc.data.rasters import READERS, Raster, read_raster
from segqc.data.runs import class_counts

MASK_SUFFIXES = tuple(READERS)

_LISTED_VALUES = 8
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def read_mask(path: Path | str, labels: LabelSpace, size: tuple[int, int] | Image.Image | None = None) -> np.ndarray:
    """Read a mask.

    Parameters
    ----------
    path : Path or str
        PNG, TIFF, BMP, GIF, NPY or NPZ (key ``mask``, or the only array), by suffix.
    labels : LabelSpace
        The classes and the values that stand for them; every pixel must be one of them or void.
    size : (int, int) or PIL image, optional
        Width and height that the mask must have, or the picture that it belongs to: its EXIF orientation may explain
        a mask that lies on its side.

    Returns
    -------
    np.ndarray
        uint8 [H, W], class indices, 255 where void.

    Raises
    ------
    BadInput
        When the file is missing, empty, truncated, of another kind, of another size, too large, of a type that holds
        no labels (fractions, objects, more than two dimensions), or holds values that are not in `labels`; a mask of
        colours is decoded when all of its colours are those of `labels`, and refused otherwise.
    """
    raster = read_raster(path)
    if size is not None:
        check_size(path, raster.size, size)
    return to_labels(path, raster, labels)


def to_labels(path: Path | str, raster: Raster, labels: LabelSpace) -> np.ndarray:
    """Class indices of a mask file that was read, uint8 `[H, W]`; `path` is for the message.

    Raises
    ------
    BadInput
        The file holds values or colours that are no class.
    """
    if raster.values is None or (raster.colours is not None and _grey_means_colour(raster, labels)):
        assert raster.colours is not None
        return decode_colours(path, raster.colours, labels)
    if labels.by_colour and raster.palette is not None and raster.values.max() < len(raster.palette):
        return decode_colours(path, raster.palette[raster.values], labels)
    values = raster.values.astype(np.uint8) if raster.values.dtype == bool else raster.values
    classes = labels.value_classes
    # in the common case a count instead of a sort
    found = np.flatnonzero(class_counts(values)) if values.dtype == np.uint8 else np.unique(values)
    unknown = [int(value) for value in found if int(value) not in classes]
    if unknown:
        raise _unknown_values(path, unknown, labels)
    if all(classes[int(value)] == value for value in found):
        return np.ascontiguousarray(values, dtype=np.uint8)
    indices = np.array([classes[int(value)] for value in found], np.uint8)
    return np.ascontiguousarray(indices[np.searchsorted(found, values)])


def _grey_means_colour(raster: Raster, labels: LabelSpace) -> bool:
    """Whether a file of three equal channels holds colours of the classes and not their indices (black and white)."""
    assert raster.values is not None
    values = np.unique(raster.values).tolist()
    if set(values) <= set(labels.value_classes):
        return False
    colours = {tuple(labels.palette[place].tolist()) for place in labels.colour_indices.values()}
    return all((value, value, value) in colours for value in values)


def _unknown_values(path: Path | str, unknown: list[int], labels: LabelSpace) -> BadInput:
    listed = ", ".join(str(value) for value in unknown[:_LISTED_VALUES])
    listed += ", ..." if len(unknown) > _LISTED_VALUES else ""
    void = "no void" if labels.void is None else f"{labels.void} = void"
    if labels.ids is None:
        known = f"0 to {labels.num_classes - 1}, {void}"
    else:
        values = sorted(labels.ids)
        shown = ", ".join(map(str, values[:_LISTED_VALUES])) + (", ..." if len(values) > _LISTED_VALUES else "")
        known = f"{shown}; {void}"
    return BadInput(
        path,
        f"holds labels that are no class: {listed} (known: {known})",
        "check the number of classes and the void value, "
        "or map the file's values to classes by ids in the classes JSON",
    )


def decode_colours(path: Path | str, colours: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Class indices of RGB pixels `[H, W, 3]` by exact colour, uint8 `[H, W]`; alpha has been ignored.

    Raises
    ------
    BadInput
        Some colour belongs to no class.
    """
    indices = np.array(list(labels.colour_indices), np.uint8)
    known = rgb_key(labels.palette[list(labels.colour_indices.values())])
    order = np.argsort(known)
    pixels = rgb_key(colours)
    nearest = order[np.searchsorted(known[order], pixels).clip(max=len(known) - 1)]
    foreign = known[nearest] != pixels
    if foreign.any():
        found = np.unique(pixels[foreign])
        listed = ", ".join(f"#{colour:06x}" for colour in found[:_LISTED_VALUES])
        listed += ", ..." if len(found) > _LISTED_VALUES else ""
        raise BadInput(
            path,
            f"is an RGB image with the wrong palette: {len(found)} of its colours belong to no class ({listed})",
            "save label indices in a palette or grey PNG, "
            "or name each class's colour under palette in the classes JSON",
        )
    return indices[nearest]


def rgb_key(rgb: np.ndarray) -> np.ndarray:
    """Colours `[..., 3]` uint8 as single numbers 0xRRGGBB, int32 `[...]`."""
    return rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)


def check_size(path: Path | str, found: tuple[int, int], size: tuple[int, int] | Image.Image) -> None:
    """Refuse a mask that has another size than its picture; a picture that lies on its side says so.

    Parameters
    ----------
    path : Path or str
        The mask.
    found, size : (width, height)
        Sizes of the mask and of the picture, px; the picture itself may be given.

    Raises
    ------
    BadInput
        The sizes differ.
    """
    orientation = exif_orientation(size) if isinstance(size, Image.Image) else 1
    width, height = size.size if isinstance(size, Image.Image) else size
    if found == (width, height):
        return
    reason = f"is {found[0]}x{found[1]} pixels but its image is {width}x{height}"
    fix = "resize the mask by nearest neighbour"
    if found == (height, width):
        rotate = "rotate the mask as the picture is stored if that has an EXIF orientation, which is not applied"
        fix = f"{rotate}; else {fix}"
        if orientation in _ON_ITS_SIDE:
            reason += f" and has EXIF orientation {orientation}, which is not applied"
            fix = "rotate the mask as the picture is stored, or store the picture as it is displayed"
    raise BadInput(path, reason, fix)


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
    stored = np.zeros(256, np.int64)
    present = np.flatnonzero(class_counts(mask))
    stored[present] = [labels.file_value(int(index)) for index in present]
    if stored.min() < 0 or stored.max() > 65535:
        raise ValueError(
            f"Expected file values from 0 to 65535, but the classes' ids need {stored.min()} to {stored.max()}"
        )
    if stored.max() > 255:
        image = Image.fromarray(stored[mask].astype(np.uint16))
    else:
        image = Image.fromarray(np.ascontiguousarray(stored.astype(np.uint8)[mask]))
        palette = labels.palette.copy()
        for index, place in labels.colour_indices.items():
            if 0 <= labels.file_value(index) <= 255:
                palette[labels.file_value(index)] = labels.palette[place]
        image.putpalette(palette.tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG", **FLAT_PNG)
