"""Words, boxes and pictures on a sheet. Lengths are in pixels of the page at scale 1; the page is drawn at `SCALE`,
about 200 dots an inch on a landscape A3.
"""

import zlib
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from segqc.base.files import atomic_path

SCALE = 2
CELL = (168, 126)  # one picture

Colour = tuple[int, int, int]
INK, MUTED, FAINT, PAPER, HOT = (22, 25, 30), (92, 100, 112), (222, 226, 231), (255, 255, 255), (178, 50, 16)


class Pen:
    """Drawing at scale 1 on a page that is `SCALE` times as large."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.page = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), PAPER)
        self._draw = ImageDraw.Draw(self.page)

    def text(
        self, x: float, y: float, text: str, size: int, colour: Colour = INK, *, bold: bool = False, anchor: str = "ls"
    ) -> None:
        """Text with its base line at `y` ("ls" from the left, "rs" to the right, "ms" centred)."""
        self._draw.text((x * SCALE, y * SCALE), text, fill=colour, font=_font(size, bold), anchor=anchor)

    def box(self, x: float, y: float, width: float, height: float, fill: Colour, outline: Colour | None = None) -> None:
        self._draw.rectangle(
            (x * SCALE, y * SCALE, (x + width) * SCALE - 1, (y + height) * SCALE - 1), fill=fill, outline=outline
        )

    def paste(self, picture: Image.Image, x: float, y: float) -> None:
        self.page.paste(picture, (round(x * SCALE), round(y * SCALE)))

    def cell(self, x: float, y: float, picture: Image.Image | str) -> None:
        """A picture centred in a cell, or words in its place."""
        self.box(x, y, *CELL, (244, 245, 247))
        if isinstance(picture, str):
            self.text(x + CELL[0] / 2, y + CELL[1] / 2 + 4, picture, 10, MUTED, anchor="ms")
        else:
            self.paste(picture, x + (CELL[0] - picture.width / SCALE) / 2, y + (CELL[1] - picture.height / SCALE) / 2)


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as it comes with Matplotlib: the same on every machine."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    # The basic layout engine does not depend on which shaping libraries a machine has.
    return ImageFont.truetype(
        folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size * SCALE, layout_engine=ImageFont.Layout.BASIC
    )


def text_width(text: str, size: int, *, bold: bool = False) -> float:
    """Width of `text` in pixels at scale 1."""
    return _font(size, bold).getlength(text) / SCALE


def shorten(text: str, width: float, size: int, *, bold: bool = False) -> str:
    """`text` on one line, cut with an ellipsis to at most `width` pixels; "" where not even that fits."""
    text = " ".join(text.split())
    if text_width(text, size, bold=bold) <= width:
        return text
    low, high = -1, len(text)  # invariant: low letters and an ellipsis fit (or low is -1), high letters do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if text_width(text[:middle].rstrip() + "…", size, bold=bold) <= width else (low, middle)
        )
    return "" if low < 0 else text[:low].rstrip() + "…"


def save_sheet(page: Image.Image, path: Path | str) -> None:
    """Write a page as a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        # Half the time of Pillow's defaults, and 4 % larger.
        page.save(temporary, "PNG", dpi=(200, 200), compress_level=1, compress_type=zlib.Z_FILTERED)
