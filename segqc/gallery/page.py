"""The gallery: an audit as one HTML file, worst first, on which people say what they think of each prediction.

The page asks nothing of any network and runs no code but its own (its Content-Security-Policy names the script by its
hash). Per entry it has a small JPEG of the photo, the prediction and the ground truth as indexed PNGs, and the heat map
as a small PNG in colour, which the browser lays over each other. They sit in the page, in inert blocks that are parsed
when a card comes near the window, or, for large audits, as files in a folder beside it. The entries that people open,
the worst ones, are stored larger than the rest.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from segqc.base.files import atomic_path
from segqc.base.fingerprints import text_sha256
from segqc.base.version import __version__
from segqc.data.labels import LabelSpace
from segqc.data.palette import display_palette
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.overlay import heat_rgba
from segqc.gallery.rows import page_row, plain_value
from segqc.gallery.thumbnails import (
    PictureFolder,
    Thumbnails,
    as_text,
    remove_old_pictures,
    thumbnails_in_order,
)
from segqc.results.review import REVIEW_FORMAT
from segqc.results.table import audit_fingerprint, is_number, is_scored

INLINE_COUNT = 1500  # so many entries with pictures make a page of about 30 MB, which browsers open at once
HEADER_FACTS = 5
COUNTED_BY_THE_PAGE = ("predictions", "scored", "errors")

SCRIPTS = tuple(
    f"{part}.js" for part in ("state", "review", "cards", "detail", "filters", "scatter", "gallery", "start")
)


def write_gallery(
    path: Path | str,
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    title: str,
    summary: Mapping[str, Any],
    *,
    judged: str = "prediction",
    audit: str | None = None,
    thumbnails: str = "auto",
    workers: int | None = None,
    on_read: Callable[[int, Layers], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path or str
        The HTML file.
    entries : sequence of GalleryEntry
        In the order of their ranks. Those whose status is not "ok" are listed with their reason and without pictures;
        an entry with an unreadable picture keeps its card, which says so.
    labels : LabelSpace
        Names and colours of the classes.
    title : str
        Plain text.
    summary : mapping
        Shown on demand; nested mappings are flattened, and the first numbers on the top level stand in the page's
        header.
    judged : str
        What the masks are called, in the singular.
    audit : str, optional
        The `segqc.results.table.audit_fingerprint` by which reviews of this page are known, where `entries` are not the
        whole audit.
    thumbnails : "auto", "inline" or "beside"
        Pictures in the page itself, or as files in the folder ``<stem>_files`` beside it, which then has to go where
        the page goes. "auto": in the page up to `INLINE_COUNT` entries.
    workers : int, optional
        Threads that make thumbnails; None takes one a core. The file does not depend on it, and no more pictures than
        this are in memory.
    on_read : callable, optional
        Called with the place of each entry that has a score and its decoded pictures, in the thread that read them:
        what else is to be drawn of them, such as a contact sheet, need not decode them again.
    on_progress : callable, optional
        Called with the number of entries written so far, after each.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    path = Path(path)
    prepared = _prepared(entries, labels, workers, on_read, on_progress or (lambda done: None))
    rows: list[dict[str, Any]] = []
    folder = _write_pictures(path, prepared, rows) if _is_beside(thumbnails, entries) else None
    head, tail = _page_around_data(title, judged.capitalize(), folder is not None)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(head)
        for row, pictures in prepared:  # none are left where they lie beside the page
            if pictures is not None:
                _write_block(stream, f"pictures-{len(rows)}", as_text(pictures))
            rows.append(row)
        data = _shared_data(labels, judged, summary) | {
            "rows": rows,
            "pictures": folder,
            "audit": audit or audit_fingerprint(entry.row for entry in entries),
        }
        _write_block(stream, "rows", data)
        stream.write(tail)
    remove_old_pictures(path, folder)


def _is_beside(thumbnails: str, entries: Sequence[GalleryEntry]) -> bool:
    """Whether the pictures go into a folder beside the page."""
    return thumbnails == "beside" or (
        thumbnails == "auto" and sum(is_scored(entry.row) for entry in entries) > INLINE_COUNT
    )


def _write_pictures(
    path: Path, prepared: Iterable[tuple[dict[str, Any], Thumbnails | None]], rows: list[dict[str, Any]]
) -> str:
    """Write the pictures of all entries beside the page, add their rows to `rows`, and return the folder's address."""
    with PictureFolder(path) as store:
        for row, pictures in prepared:
            if pictures is not None:
                store.add(len(rows), pictures)
            rows.append(row)
        return store.finish()


def _shared_data(labels: LabelSpace, judged: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows beside its rows: classes with their colours, and the audit's summary and first numbers."""
    flat = _flatten(summary)
    facts = {
        key: value
        for key, value in flat.items()
        if is_number(value) and key in summary and key not in COUNTED_BY_THE_PAGE
    }
    colours = (f"#{bytes(display_palette(labels)[index]).hex()}" for index in range(labels.num_classes))
    return {
        "judged": judged.capitalize(),
        "classes": [{"name": name, "colour": colour} for name, colour in zip(labels.names, colours, strict=True)],
        "heat_colours": _heat_stops(),
        "facts": dict(islice(facts.items(), HEADER_FACTS)),
        "summary": flat,
        "review_format": REVIEW_FORMAT,
    }


def _write_block(stream: TextIO, name: str, value: Any) -> None:
    stream.write(f'<script type="application/json" id="{name}">{script_json(value)}</script>\n')


def script_json(value: Any) -> str:
    """JSON that is inert inside an HTML script element: ASCII, without <, > and &, whatever the texts in it say."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _page_around_data(title: str, judged: str, beside: bool) -> tuple[str, str]:
    """The page before and after its data blocks; `beside`: whether its pictures are files of their own."""
    folder = resources.files("segqc.gallery") / "web"
    style = (folder / "page.css").read_text("utf-8")
    # In strict mode and a scope of its own: nothing leaks to the page, and a mistyped name is an error.
    script = '"use strict";\n(() => {\n' + "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS) + "})();\n"
    parts = {
        "title": html.escape(title.encode("utf-8", "replace").decode()),
        "judged": html.escape(judged),
        "version": __version__,
        # 'self' is the server that a page comes from; a page opened from a disk has none, and needs the scheme.
        "picture_source": "'self' file:" if beside else "",
        "style": style,
        "style_hash": _csp_hash(style),
        "script": script,
        "script_hash": _csp_hash(script),
    }
    pieces = (folder / "page.html").read_text("utf-8").split("{{data}}")
    # One pass: text put in is not searched again, so that a title of "{{script}}" is just a strange title.
    head, tail = (re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], piece) for piece in pieces)
    return head, tail


def _csp_hash(text: str) -> str:
    """Source expression that allows exactly this inline text (Content Security Policy Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(text_sha256(text)).decode()}'"


def _prepared(
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    workers: int | None,
    on_read: Callable[[int, Layers], None] | None,
    on_progress: Callable[[int], None],
) -> Iterator[tuple[dict[str, Any], Thumbnails | None]]:
    """Row as the page reads it and pictures (None for an entry without a score) of each entry, in order."""
    for done, (entry, pictures) in enumerate(
        zip(entries, thumbnails_in_order(entries, labels, workers, on_read), strict=True), start=1
    ):
        row = page_row(entry.row) | {"layers": [], "problem": ""}
        if pictures is not None:
            row |= {"layers": list(pictures.layers), "problem": pictures.problem}
            if pictures.size is not None:
                row["width"], row["height"] = pictures.size
        yield row, pictures
        on_progress(done)


def _flatten(summary: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one of plain values, keys joined by a dot."""
    flat: dict[str, Any] = {}
    for key, value in summary.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            flat[f"{prefix}{key}"] = [plain_value(item) for item in value]
        else:
            flat[f"{prefix}{key}"] = plain_value(value)
    return flat


def _heat_stops() -> list[str]:
    """Nine CSS colours from "as expected" to "suspect"."""
    stops = heat_rgba()[np.linspace(0, 255, 9).astype(int)].tolist()
    return [f"rgb({red} {green} {blue} / {alpha / 255:.3f})" for red, green, blue, alpha in stops]
