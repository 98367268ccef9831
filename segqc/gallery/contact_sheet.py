"""The contact sheet: the worst pairs of an audit on one page, like Figure 2 of the paper.

One row an entry: image, prediction, anomaly heat map and, if given, ground truth. Rows run down a column group, then on
to the next one. Lengths are in pixels of the page at scale 1; the page is drawn at `SCALE`, about 200 dots an inch on a
landscape A3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.data.labels import LabelSpace
from segqc.data.palette import display_palette
from segqc.data.runs import class_counts
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.overlay import draw_box, fit_size, heat_rgba, overlay_heat, overlay_mask, parse_box
from segqc.gallery.pen import CELL, FAINT, HOT, MUTED, SCALE, Pen, save_sheet, shorten, text_width
from segqc.results.table import parse_number

GAP = 6  # between the pictures of a row
ROW_GAP = 14
GROUP_GAP = 34
MARGIN = 28
CAPTION = 36  # the two lines of words above the pictures of a row
HEADER = 26  # titles of the columns
TITLE = 44
LEGEND_LINE = 22
PAGE_RATIO = 1.45  # width over height that the number of column groups aims at

COLUMNS = ("Image", "{judged}", "Anomaly heat map", "Ground truth")


def write_contact_sheet(
    path: Path | str,
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    *,
    title: str | None = None,
    judged: str = "prediction",
    groups: int | None = None,
) -> None:
    """Write the sheet as a PNG, whole or not at all.

    Parameters
    ----------
    path : Path or str
        The PNG file.
    entries : sequence of GalleryEntry
        In the order of their ranks; those whose status is not "ok" are left out. The ground truth has a column when any
        entry has one. A picture that cannot be read leaves its cell empty but for a word about it.
    labels : LabelSpace
        Names and colours of the classes.
    title : str, optional
        Above everything, "Most suspect predictions, worst first" by default; cut short with an ellipsis where it is too
        long, as ids are.
    judged : str
        What the masks are called, in the singular.
    groups : int, optional
        Number of column groups, at least 1; None takes the one whose page comes nearest to landscape paper.

    Raises
    ------
    ValueError
        When `groups` is below 1.
    OSError
        When the file cannot be written.
    """
    sheet = ContactSheet(entries, labels, title=title, judged=judged, groups=groups)
    for place in range(len(entries)):
        sheet.add(place, Layers(entries[place], labels))
    sheet.write(path)


class ContactSheet:
    """A sheet that is filled entry by entry, so that its pictures may come from whoever has decoded them.

    The parameters are those of `write_contact_sheet`.
    """

    def __init__(
        self,
        entries: Sequence[GalleryEntry],
        labels: LabelSpace,
        *,
        title: str | None = None,
        judged: str = "prediction",
        groups: int | None = None,
    ) -> None:
        if groups is not None and groups < 1:
            raise ValueError(f"Expected `groups` to be at least 1, but got {groups}")
        self.entries, self.labels, self.groups = entries, labels, groups
        self.title = title or f"Most suspect {judged}s, worst first"
        columns = COLUMNS[: 4 if any(entry.ground_truth for entry in self._shown) else 3]
        self.columns = [column.format(judged=judged.capitalize()) for column in columns]
        self._cells: dict[int, list[Image.Image | str]] = {}
        self._classes: dict[int, set[int]] = {}

    @property
    def _shown(self) -> list[GalleryEntry]:
        return [entry for entry in self.entries if (entry.row.get("status") or "ok") == "ok"]

    def add(self, place: int, layers: Layers) -> None:
        """Draw the pictures of the entry at `place`, small; a place beyond the entries is passed over.

        May be called from several threads.
        """
        if place < len(self.entries):
            self._cells[place] = _pictures(layers)[: len(self.columns)]
            self._classes[place] = _classes_shown(layers)

    def write(self, path: Path | str) -> None:
        """Write the sheet as a PNG; an entry that was not added keeps its caption and has empty cells."""
        shown = [place for place, entry in enumerate(self.entries) if (entry.row.get("status") or "ok") == "ok"]
        entries = [self.entries[place] for place in shown]
        per_group = math.ceil(len(entries) / (self.groups or best_groups(len(entries), len(self.columns))))
        # no group stays empty: 5 rows in 4 groups make 3 groups of 2
        groups = math.ceil(len(entries) / per_group) if per_group else 1
        cells = [self._cells.get(place, []) for place in shown]
        present = set().union(*(self._classes.get(place, set()) for place in shown))
        classes = [index for index in self.labels.foreground if index in present]
        page = _draw_page(entries, cells, classes, self.labels, self.columns, groups, self.title)
        save_sheet(page, path)


def best_groups(rows: int, columns: int) -> int:
    """Number of column groups whose page comes nearest to `PAGE_RATIO`, the fewer of two equally near."""

    def distance(groups: int) -> float:
        width, height = _body_size(rows, columns, groups)
        return abs(math.log(width / height / PAGE_RATIO))

    return min(range(1, max(1, rows) + 1), key=distance)


def _body_size(rows: int, columns: int, groups: int) -> tuple[int, int]:
    """Width and height of all pictures with their captions, column titles included."""
    per_group = math.ceil(rows / groups)
    return groups * (_group_width(columns) + GROUP_GAP) - GROUP_GAP, HEADER + max(1, per_group) * (
        CAPTION + CELL[1] + ROW_GAP
    )


def _group_width(columns: int) -> int:
    return columns * (CELL[0] + GAP) - GAP


def _draw_page(
    entries: Sequence[GalleryEntry],
    cells: Sequence[Sequence[Image.Image | str]],
    classes: Sequence[int],
    labels: LabelSpace,
    columns: Sequence[str],
    groups: int,
    title: str,
) -> Image.Image:
    body_width, body_height = _body_size(len(entries), len(columns), groups)
    legend, lines = _legend_layout(classes, labels, body_width)
    pen = Pen((body_width + 2 * MARGIN, TITLE + body_height + lines * LEGEND_LINE + 2 * MARGIN))
    pen.text(MARGIN, MARGIN + 16, shorten(title, body_width, 18, bold=True), 18, bold=True)

    top = MARGIN + TITLE
    per_group = math.ceil(len(entries) / groups)
    decimals = _score_decimals(entries)
    for group in range(groups):
        left = MARGIN + group * (_group_width(len(columns)) + GROUP_GAP)
        for index, column in enumerate(columns):
            pen.text(left + index * (CELL[0] + GAP), top + 10, column, 11, MUTED, bold=True)
        pen.box(left, top + HEADER - 9, _group_width(len(columns)), 1, FAINT)
        first = group * per_group
        for line, entry in enumerate(entries[first : first + per_group]):
            y = top + HEADER + line * (CAPTION + CELL[1] + ROW_GAP)
            _draw_caption(pen, left, y, _group_width(len(columns)), entry, decimals)
            for index, picture in enumerate(cells[first + line]):
                pen.cell(left + index * (CELL[0] + GAP), y + CAPTION, picture)
    if not entries:
        pen.text(MARGIN, top + HEADER + 24, "Nothing was scored.", 12, MUTED)
    _draw_legend(pen, legend, top + body_height + 4, body_width, labels)
    return pen.page


def _score_decimals(entries: Sequence[GalleryEntry]) -> int:
    """Decimals that all scores are written with: about three digits of the largest."""
    largest = max((abs(parse_number(entry.row.get("score")) or 0) for entry in entries), default=0)
    return min(8, max(0, 3 - round(math.log10(largest)))) if largest else 3


def _draw_caption(pen: Pen, x: float, y: float, width: float, entry: GalleryEntry, decimals: int) -> None:
    """Rank and id with score and Dice at the right; below, the worst class and what was expected instead."""
    row = entry.row
    rank, score, dice = (parse_number(row.get(key)) for key in ("rank", "score", "dice"))
    right = x + width
    if dice is not None:
        pen.text(right, y + 13, f"Dice {dice:.2f}", 11, MUTED, anchor="rs")
        right -= text_width(f"Dice {dice:.2f}", 11) + 12
    if score is not None:
        words = f"{score:.{decimals}f}"
        pen.text(right, y + 13, words, 12, HOT, bold=True, anchor="rs")
        right -= text_width(words, 12, bold=True) + 5
        pen.text(right, y + 13, "score", 11, MUTED, anchor="rs")
        right -= text_width("score", 11) + 12
    number = "" if rank is None else f"{rank:.0f}"
    pen.text(x, y + 13, number, 12, HOT, bold=True)
    start = x + (text_width(number, 12, bold=True) + 8 if number else 0)
    pen.text(start, y + 13, shorten(str(row.get("id") or ""), right - start, 12, bold=True), 12, bold=True)
    worst, expected = str(row.get("worst_class") or ""), str(row.get("expected_class") or "")
    if worst:
        words = f"worst: {worst}" + (f", expected {expected}" if expected and expected != worst else "")
        pen.text(x, y + 28, shorten(words, width, 11), 11, MUTED)


def _pictures(layers: Layers) -> list[Image.Image | str]:
    """The four pictures of an entry at cell size; a few words in place of one that is missing or cannot be read."""
    photo, box = layers.photo, parse_box(layers.entry.row.get("worst_box"))
    if isinstance(photo, Exception):
        return ["image unreadable", "", "", ""]
    size = photo.size
    small = photo.resize(fit_size(size, (CELL[0] * SCALE, CELL[1] * SCALE)), Image.Resampling.LANCZOS)

    def layer(picture: Any, render: Callable[[Any], Image.Image], framed: bool) -> Image.Image | str:
        if picture is None:
            return "not given"
        if isinstance(picture, Exception):
            return "unreadable"
        drawn = render(picture)
        return draw_box(drawn, box, size, line=3) if framed and box else drawn

    def mask(array: np.ndarray) -> Image.Image:
        return overlay_mask(small, array, layers.labels)

    return [
        small,
        layer(layers.prediction, mask, True),
        layer(layers.heat, lambda heat: overlay_heat(small, heat), True),
        layer(layers.truth, mask, False),
    ]


def _classes_shown(layers: Layers) -> set[int]:
    """Labels of the masks of an entry."""
    masks = (mask for mask in (layers.prediction, layers.truth) if isinstance(mask, np.ndarray))
    return {int(label) for mask in masks for label in np.flatnonzero(class_counts(mask))}


LEGEND_SWATCH = 12
HEAT_BAR = 110


def _legend_layout(
    classes: Sequence[int], labels: LabelSpace, width: float
) -> tuple[list[tuple[int, float, int]], int]:
    """Place (class, x, line) of each class of the legend, wrapped to `width` beside the colour bar, and the number of
    lines.
    """
    limit = width - HEAT_BAR - 190
    places, x, line = [], 0.0, 0
    for index in classes:
        step = LEGEND_SWATCH + 6 + text_width(labels.name(index), 11) + 18
        if x and x + step > limit:
            x, line = 0.0, line + 1
        places.append((index, x, line))
        x += step
    return places, line + 1


def _draw_legend(
    pen: Pen, places: Sequence[tuple[int, float, int]], y: float, width: float, labels: LabelSpace
) -> None:
    colours = display_palette(labels).tolist()
    for index, x, line in places:
        base = y + line * LEGEND_LINE
        pen.box(MARGIN + x, base, LEGEND_SWATCH, LEGEND_SWATCH, tuple(colours[index]), (150, 150, 150))
        pen.text(MARGIN + x + LEGEND_SWATCH + 6, base + 10, labels.name(index), 11)
    ramp = heat_rgba()[np.linspace(0, 255, HEAT_BAR * SCALE).astype(int)].astype(float)
    alpha = ramp[:, 3:] / 255
    # The bar shows the colours as they look over a mid-grey photo, which is what lies below them on the sheet.
    ramp_colours = np.round(alpha * ramp[:, :3] + (1 - alpha) * 128).astype(np.uint8)
    bar = Image.fromarray(np.repeat(ramp_colours[None], LEGEND_SWATCH * SCALE, axis=0))
    right = MARGIN + width
    pen.text(right, y + 10, "suspect", 11, MUTED, anchor="rs")
    start = right - text_width("suspect", 11) - 8 - HEAT_BAR
    pen.paste(bar, start, y)
    pen.text(start - 8, y + 10, "as expected", 11, MUTED, anchor="rs")
