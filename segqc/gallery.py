"""The gallery: an audit as one self-contained HTML file, worst first.

The page asks nothing of any network and runs no code but its own (its Content-Security-Policy names the script by its hash). Per entry it
holds a small JPEG of the photo, the prediction and the ground truth as indexed PNGs, and the heat map as a small PNG in colour, which the
browser lays over each other; they sit in inert blocks that are parsed when a card comes near the window. The entries that people open, the
worst ones, are stored larger than the rest.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc import __version__
from segqc.files import BadInput, atomic_path
from segqc.labels import LabelSpace
from segqc.masks import read_image, read_mask
from segqc.overlay import encode_heat, encode_jpeg, encode_mask, heat_rgba, parse_box, read_heat

LARGE_COUNT = 120  # that many entries, the first ones given, get large pictures
LARGE_SIDE = 480  # px on the longer side
SMALL_SIDE = 240
HEAT_SIDE = 96  # heat maps are smooth: the browser's interpolation does the rest
HEADER_FACTS = 5

SCRIPTS = ("gallery_state.js", "gallery_cards.js", "gallery_detail.js", "gallery.js")


@dataclass(frozen=True)
class GalleryEntry:
    """One audited pair and its pictures.

    Parameters
    ----------
    row : mapping
        Row of scores.csv: ``id, rank, score, status, reason, worst_class, expected_class, worst_box, classes, dice, width, height`` and any
        others, which the detail view shows too. Absent values are None or "".
    image : Path
        The photo.
    prediction, heatmap, ground_truth : Path, optional
        Mask file, 8-bit grey PNG (255 = most suspect) and mask file; None leaves that layer out.
    """

    row: Mapping[str, Any]
    image: Path
    prediction: Path | None = None
    heatmap: Path | None = None
    ground_truth: Path | None = None


def write_gallery(
    path: Path | str,
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    title: str,
    summary: Mapping[str, Any],
    *,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path or str
        The HTML file.
    entries : sequence of GalleryEntry
        In the order of their ranks. Those whose status is not "ok" are listed with their reason and without pictures; an entry with an
        unreadable picture keeps its card, which says so.
    labels : LabelSpace
        Names and colours of the classes.
    title : str
        Plain text.
    summary : mapping
        Shown on demand; nested mappings are flattened, and the first numbers on the top level stand in the page's header.
    workers : int, optional
        Threads that make thumbnails; None takes one a core. The file does not depend on it, and no more pictures than this are in memory.
    on_progress : callable, optional
        Called with the number of entries written so far, after each.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    head, tail = _page_around_data(title)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(head)
        rows = []
        for done, (row, pictures) in enumerate(_prepared(entries, labels, workers), start=1):
            rows.append(row)
            if pictures is not None:
                stream.write(f'<script type="application/json" id="pictures-{done - 1}">{script_json(pictures)}</script>\n')
            if on_progress is not None:
                on_progress(done)
        flat = _flatten(summary)
        data = {
            "rows": rows,
            "classes": [{"name": name, "colour": f"#{bytes(labels.palette[index]).hex()}"} for index, name in enumerate(labels.names)],
            "heat_colours": _heat_stops(),
            "facts": dict(islice(((key, value) for key, value in flat.items() if _is_number(value) and key in summary), HEADER_FACTS)),
            "summary": flat,
        }
        stream.write(f'<script type="application/json" id="rows">{script_json(data)}</script>')
        stream.write(tail)


def script_json(value: Any) -> str:
    """JSON that is inert inside an HTML script element: ASCII, without <, > and &, whatever the texts in it say."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page_around_data(title: str) -> tuple[str, str]:
    """The page before and after its data blocks."""
    folder = resources.files("segqc")
    style = (folder / "gallery.css").read_text("utf-8")
    # In strict mode and a scope of its own: nothing leaks to the page, and a mistyped name is an error.
    script = '"use strict";\n(() => {\n' + "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS) + "})();\n"
    parts = {
        "title": html.escape(title.encode("utf-8", "replace").decode()),
        "version": __version__,
        "style": style,
        "style_hash": _csp_hash(style),
        "script": script,
        "script_hash": _csp_hash(script),
    }
    pieces = (folder / "gallery.html").read_text("utf-8").split("{{data}}")
    # One pass: text put in is not searched again, so that a title of "{{script}}" is just a strange title.
    head, tail = (re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], piece) for piece in pieces)
    return head, tail


def _csp_hash(text: str) -> str:
    """Source expression that allows exactly this inline text (Content Security Policy Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _prepared(entries: Sequence[GalleryEntry], labels: LabelSpace, workers: int | None) -> Iterator[tuple[dict, dict | None]]:
    """Row and pictures (None for an entry without a score) of each entry, in order."""
    workers = workers or os.cpu_count() or 1

    def prepare(task: tuple[int, GalleryEntry]) -> tuple[dict, dict | None]:
        index, entry = task
        row = _plain_row(entry.row)
        if row["status"] != "ok":
            return row, None
        pictures, size = _pictures(entry, labels, LARGE_SIDE if index < LARGE_COUNT else SMALL_SIDE)
        row["layers"] = [name for name in ("prediction", "heat", "truth") if pictures[name] is not None]
        if size is not None:
            row["width"], row["height"] = size
        return row, pictures

    # Threads: decoding, resizing and encoding all leave the interpreter's lock. The window keeps fast threads from piling up results.
    with ThreadPoolExecutor(workers) as pool:
        tasks = enumerate(entries)
        pending = [pool.submit(prepare, task) for task in islice(tasks, 2 * workers)]
        while pending:
            yield pending.pop(0).result()
            pending.extend(pool.submit(prepare, task) for task in islice(tasks, 1))


def _pictures(entry: GalleryEntry, labels: LabelSpace, side: int) -> tuple[dict[str, str | None], tuple[int, int] | None]:
    """Base64 pictures by layer, with what went wrong under "problem", and the size (width, height) of the largest original read."""
    problems: list[str] = []
    sizes: list[tuple[int, int]] = []

    def layer(path: Path | None, encode: Callable[[Path], tuple[bytes, tuple[int, int]]]) -> str | None:
        if path is None:
            return None
        try:
            data, size = encode(path)
        except (BadInput, OSError, ValueError) as error:
            problems.append(str(error))
            return None
        sizes.append(size)
        return base64.b64encode(data).decode("ascii")

    def photo(path: Path) -> tuple[bytes, tuple[int, int]]:
        image: Image.Image = read_image(path)
        return encode_jpeg(image, side), image.size

    def mask(path: Path) -> tuple[bytes, tuple[int, int]]:
        array: np.ndarray = read_mask(path, labels, photo_size)
        return encode_mask(array, labels, side), (array.shape[1], array.shape[0])

    def heat(path: Path) -> tuple[bytes, tuple[int, int]]:
        image = read_heat(path)
        return encode_heat(image, HEAT_SIDE), image.size

    shown = layer(entry.image, photo)
    photo_size = sizes[0] if sizes else None
    pictures = {
        "photo": shown,
        "prediction": layer(entry.prediction, mask),
        "truth": layer(entry.ground_truth, mask),
        "heat": layer(entry.heatmap, heat),
        "problem": "; ".join(problems) or None,
    }
    return pictures, sizes[0] if sizes else None


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as the page reads it: numbers or null, lists for classes and box, text for the rest."""
    plain = {key: _plain(value) for key, value in row.items()}
    classes = str(plain.get("classes") or "")
    box = parse_box(plain.get("worst_box"))
    return plain | {
        "id": str(plain.get("id") or ""),
        "rank": parse_number(plain.get("rank")),
        "score": parse_number(plain.get("score")),
        "status": str(plain.get("status") or "ok"),
        "reason": str(plain.get("reason") or ""),
        "worst_class": str(plain.get("worst_class") or ""),
        "expected_class": str(plain.get("expected_class") or ""),
        "worst_box": None if box is None else list(box),
        "classes": [name for name in classes.split(";") if name],
        "dice": parse_number(plain.get("dice")),
        "width": parse_number(plain.get("width")),
        "height": parse_number(plain.get("height")),
        "layers": [],
    }


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it: NumPy scalars as numbers, what is not finite as None, the rest as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def parse_number(value: Any) -> float | int | None:
    """A finite number, or None for an empty or unreadable cell."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if _is_number(value) and math.isfinite(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flatten(summary: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one of plain values, keys joined by a dot."""
    flat: dict[str, Any] = {}
    for key, value in summary.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            flat[f"{prefix}{key}"] = [_plain(item) for item in value]
        else:
            flat[f"{prefix}{key}"] = _plain(value)
    return flat


def _heat_stops() -> list[str]:
    """Nine CSS colours from "as expected" to "suspect"."""
    stops = heat_rgba()[np.linspace(0, 255, 9).astype(int)].tolist()
    return [f"rgb({red} {green} {blue} / {alpha / 255:.3f})" for red, green, blue, alpha in stops]
