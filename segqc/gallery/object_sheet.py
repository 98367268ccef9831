"""The contact sheet of objects: suspect ones of an audit as crops, with and without the mask.

The most suspect objects of all are often specks, many in one picture. So that a glance shows what matters, the sheet
has the largest suspect object of each picture, the most suspect of these first.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.data.labels import LabelSpace
from segqc.gallery.contact_sheet import CAPTION, GAP, GROUP_GAP, MARGIN, ROW_GAP, TITLE, best_groups
from segqc.gallery.layers import Layers
from segqc.gallery.overlay import Box, draw_box, overlay_mask
from segqc.gallery.pen import CELL, HOT, MUTED, SCALE, Pen, save_sheet, shorten, text_width
from segqc.objects.judge import SUSPECT

_LEAST_CONTEXT = 24  # pixels of the picture around a small object
_Cell = Image.Image | str


class ObjectSheet:
    """A sheet that is filled picture by picture, so that these may come from whoever has decoded them: for each object
    its surroundings in the picture and in the mask.

    Parameters
    ----------
    objects : sequence of mapping
        Rows of objects.csv (`segqc.results.schema.OBJECT_COLUMNS`) in the order of their ranks.
    labels : LabelSpace
        Names and colours of the classes.
    """

    def __init__(self, objects: Sequence[Mapping[str, Any]], labels: LabelSpace) -> None:
        self.objects, self.labels = objects, labels
        self._cells: dict[int, list[_Cell]] = {}

    def add(self, layers: Layers) -> None:
        """Draw the objects of a picture; may be called from several threads."""
        for place, row in enumerate(self.objects):
            if row["id"] == layers.entry.row["id"]:
                self._cells[place] = _crops(layers, (row["x0"], row["y0"], row["x1"], row["y1"]))

    def write(self, path: Path | str) -> None:
        """Write the sheet as a PNG, whole or not at all; an object whose picture was not added has empty cells."""
        page = _draw(self.objects, [self._cells.get(place, []) for place in range(len(self.objects))])
        save_sheet(page, path)


def largest_suspects(objects: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """The largest suspect object of each picture, in the order of their ranks, `count` at most.

    Parameters
    ----------
    objects : sequence of mapping
        Rows of objects.csv in the order of their ranks.
    count : int
    """
    largest: dict[str, Mapping[str, Any]] = {}
    for row in objects:
        if row["score"] > SUSPECT and row["area"] > largest.get(row["id"], {"area": 0})["area"]:
            largest[row["id"]] = row
    return sorted(largest.values(), key=lambda row: row["rank"])[:count]


def surroundings(box: Box, size: tuple[int, int]) -> Box:
    """A window of a cell's proportions around a box: the box and as much again, within a picture of `size`."""
    (x0, y0, x1, y1), (width, height) = box, size
    across, down = (max(2 * (b - a), b - a + 2 * _LEAST_CONTEXT) for a, b in ((x0, x1), (y0, y1)))
    across = max(across, math.ceil(down * CELL[0] / CELL[1]))
    down = max(down, math.ceil(across * CELL[1] / CELL[0]))
    left, top = _fitted((x0 + x1) // 2, across, width), _fitted((y0 + y1) // 2, down, height)
    return left, top, min(left + across, width), min(top + down, height)


def _fitted(middle: int, length: int, available: int) -> int:
    """Start of a stretch of `length` around `middle`, moved into 0..available where it fits."""
    return max(0, min(middle - length // 2, available - length))


def _crops(layers: Layers, box: Box) -> list[_Cell]:
    photo, mask = layers.photo, layers.prediction
    if isinstance(photo, Exception):
        return ["image unreadable", ""]
    window = surroundings(box, photo.size)
    size = window[2] - window[0], window[3] - window[1]
    inside = box[0] - window[0], box[1] - window[1], box[2] - window[0], box[3] - window[1]
    scale = min(CELL[0] * SCALE / size[0], CELL[1] * SCALE / size[1])
    shown = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    crop = photo.crop(window).resize(shown, Image.Resampling.BICUBIC)
    if not isinstance(mask, np.ndarray):
        return [draw_box(crop, inside, size, line=3), "unreadable"]
    part = mask[window[1] : window[3], window[0] : window[2]]
    return [draw_box(picture, inside, size, line=3) for picture in (crop, overlay_mask(crop, part, layers.labels))]


def _draw(objects: Sequence[Mapping[str, Any]], cells: Sequence[Sequence[_Cell]]) -> Image.Image:
    groups = best_groups(len(objects), 2)
    per_group = max(1, math.ceil(len(objects) / groups))
    width, height = 2 * CELL[0] + GAP, CAPTION + CELL[1] + ROW_GAP
    pen = Pen((groups * (width + GROUP_GAP) - GROUP_GAP + 2 * MARGIN, TITLE + per_group * height + 2 * MARGIN))
    pen.text(MARGIN, MARGIN + 16, "The largest suspect object of each picture, most suspect first", 18, bold=True)
    if not objects:
        pen.text(MARGIN, MARGIN + TITLE + 24, "No object is suspect.", 12, MUTED)
    for place, (row, pictures) in enumerate(zip(objects, cells, strict=True)):
        x, y = MARGIN + place // per_group * (width + GROUP_GAP), MARGIN + TITLE + place % per_group * height
        _caption(pen, x, y, width, row)
        for column, picture in enumerate(pictures):
            pen.cell(x + column * (CELL[0] + GAP), y + CAPTION, picture)
    return pen.page


def _caption(pen: Pen, x: float, y: float, width: float, row: Mapping[str, Any]) -> None:
    """Rank, class and score; below, the picture's id and the size."""
    score, rank = f"{row['score']:.3f}", str(row["rank"])
    pen.text(x + width, y + 13, score, 12, HOT, bold=True, anchor="rs")
    pen.text(x, y + 13, rank, 12, HOT, bold=True)
    start = x + text_width(rank, 12, bold=True) + 8
    room = width - (start - x) - text_width(score, 12, bold=True) - 12
    pen.text(start, y + 13, shorten(describe(row), room, 12, bold=True), 12, bold=True)
    area = f"{row['area']} px"
    pen.text(x + width, y + 28, area, 11, MUTED, anchor="rs")
    pen.text(x, y + 28, shorten(str(row["id"]), width - text_width(area, 11) - 12, 11), 11, MUTED)


def describe(row: Mapping[str, Any]) -> str:
    """An object in a few words, such as "cat, expected dog" or "missed: dog"."""
    if row["kind"] == "missed":
        return f"missed: {row['expected_class']}"
    return row["class"] + (f", expected {row['expected_class']}" if row["expected_class"] else "")
