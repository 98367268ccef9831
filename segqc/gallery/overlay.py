"""Pictures of a mask over its photo, shared by the gallery and the contact sheet.

Everything here is pure: arrays and PIL images in, new ones out. Label maps are ``uint8 [H, W]`` (void kept as its own
index), heat maps are 8-bit grey (0 = as expected, 255 = most suspect), boxes are half-open ``(x0, y0, x1, y1)`` in the
original's pixels.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw

from segqc.base.errors import BadInput
from segqc.data.labels import VOID, LabelSpace
from segqc.data.palette import display_palette

Box = tuple[int, int, int, int]

HEAT_COLORMAP = "inferno"
OUTLINE_RGBA = (255, 255, 255, 235)
BOX_RGB = (255, 64, 129)  # a pink that neither the VOC palette nor the heat map's colours contain


def parse_box(text: str | None) -> Box | None:
    """Box of a table cell ``"x0,y0,x1,y1"`` in pixels, half-open; None for an empty, malformed or empty-area cell."""
    try:
        x0, y0, x1, y1 = (round(float(part)) for part in (text or "").split(","))
    except (ValueError, OverflowError):
        return None
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def fit_size(size: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    """Largest ``(width, height)`` of the aspect ratio of `size` within `bounds`; at least one pixel a side."""
    scale = min(bounds[0] / size[0], bounds[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def thumbnail_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """`size` shrunk, never grown, to `side` pixels on its longer side."""
    return size if max(size) <= side else fit_size(size, (side, side))


def resize_labels(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Label map at another ``(width, height)``, by nearest neighbour, since labels have no average."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def mask_outline(mask: np.ndarray, background: int | None) -> np.ndarray:
    """Boundary pixels of a label map.

    Parameters
    ----------
    mask : uint8 [H, W]
    background : label that gets no outline of its own; None gives every class one

    Returns
    -------
    bool [H, W], True where a 4-neighbour inside the picture has another label. The frame of the picture is no boundary.
    Between two foreground classes both sides are marked; against the background only the foreground's side.
    """
    outline = np.zeros(mask.shape, dtype=bool)
    vertical = mask[1:] != mask[:-1]
    horizontal = mask[:, 1:] != mask[:, :-1]
    outline[1:] |= vertical
    outline[:-1] |= vertical
    outline[:, 1:] |= horizontal
    outline[:, :-1] |= horizontal
    return outline if background is None else outline & (mask != background)


def label_rgba(labels: LabelSpace, opacity: float = 1.0) -> np.ndarray:
    """Colour of every label, ``uint8 [256, 4]``: the palette with the background transparent and the rest at `opacity`
    in [0, 1].
    """
    table = np.empty((256, 4), dtype=np.uint8)
    table[:, :3] = display_palette(labels)
    if labels.void is not None:  # files may mark void by another value than the one it has in memory
        table[VOID, :3] = labels.palette[labels.void]
    table[:, 3] = round(255 * opacity)
    if labels.background is not None:
        table[labels.background, 3] = 0
    return table


def overlay_mask(photo: Image.Image, mask: np.ndarray, labels: LabelSpace, opacity: float = 0.55) -> Image.Image:
    """Photo (RGB) with the label map, brought to the photo's size, laid over it at `opacity` in [0, 1], classes
    outlined in white.
    """
    mask = resize_labels(mask, photo.size)
    layer = label_rgba(labels, opacity)[mask]
    layer[mask_outline(mask, labels.background)] = OUTLINE_RGBA
    return _composite(photo, Image.fromarray(layer))


@cache
def heat_rgba() -> np.ndarray:
    """Colour of every heat value, ``uint8 [256, 4]`` (read-only): brighter and less transparent where more suspect."""
    value = np.linspace(0, 1, 256)
    table = np.round(255 * colormaps[HEAT_COLORMAP](0.15 + 0.85 * value)).astype(np.uint8)
    # Low values fade out, so that the photo shows through where nothing is wrong; 0.9 keeps its edges visible where
    # something is.
    table[:, 3] = np.round(255 * 0.9 * np.clip(1.8 * value, 0, 1))
    table.setflags(write=False)
    return table


def grey_photo(photo: Image.Image) -> Image.Image:
    """The photo without its colours and dimmed, RGB: a quiet ground for the heat map's colours."""
    return photo.convert("L").point(lambda value: 0.75 * value + 20).convert("RGB")


def overlay_heat(photo: Image.Image, heat: Image.Image) -> Image.Image:
    """Grey version of the photo with the heat map (mode L, any size) laid over it in colour."""
    smooth = heat.resize(photo.size, Image.Resampling.BILINEAR)
    return _composite(grey_photo(photo), Image.fromarray(heat_rgba()[np.asarray(smooth)]))


def draw_box(picture: Image.Image, box: Box, source_size: tuple[int, int], line: int = 2) -> Image.Image:
    """Copy of `picture` with `box`, given in the pixels of `source_size` = (width, height), framed in pink between two
    dark hairlines.
    """
    sx, sy = picture.width / source_size[0], picture.height / source_size[1]
    # Ends are exclusive in a box, inclusive for the drawing; the rectangle stays inside the picture even if the box
    # does not.
    x0 = min(max(round(box[0] * sx), 0), picture.width - 1)
    y0 = min(max(round(box[1] * sy), 0), picture.height - 1)
    x1 = min(max(round(box[2] * sx) - 1, x0), picture.width - 1)
    y1 = min(max(round(box[3] * sy) - 1, y0), picture.height - 1)
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    for inset, colour in ((0, (0, 0, 0)), *((1 + k, BOX_RGB) for k in range(line)), (1 + line, (0, 0, 0))):
        if x0 + inset <= x1 - inset and y0 + inset <= y1 - inset:
            pen.rectangle((x0 + inset, y0 + inset, x1 - inset, y1 - inset), outline=colour)
    if min(x1 - x0, y1 - y0) < 2:  # too small for three nested lines: the pink must win
        pen.rectangle((x0, y0, x1, y1), outline=BOX_RGB)
    return drawn


def read_heat(path: Path) -> Image.Image:
    """Heat map file as an 8-bit grey image; `BadInput` when it cannot be read."""
    try:
        with Image.open(path) as image:
            return image.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(
            path, f"cannot be read as a heat map ({error})", "run the audit again to write its heat maps anew"
        ) from error


def shrink_photo(photo: Image.Image, side: int) -> Image.Image:
    """The photo at most `side` pixels long."""
    size = thumbnail_size(photo.size, side)
    # Hamming's filter takes half the time of Lanczos's.
    return photo if size == photo.size else photo.resize(size, Image.Resampling.HAMMING)


def encode_jpeg(photo: Image.Image, quality: int) -> bytes:
    """JPEG of a photo, RGB. Tables made for each file would take as long again, for 2 to 4 % fewer bytes."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _composite(ground: Image.Image, layer: Image.Image) -> Image.Image:
    """RGBA `layer` over RGB `ground`."""
    return Image.alpha_composite(ground.convert("RGBA"), layer).convert("RGB")
