"""The gallery: an audit as one HTML file, worst first, on which people say what they think of each prediction.

The page asks nothing of any network and runs no code but its own (its Content-Security-Policy names the script by its
hash). Per entry it has a small JPEG of the photo, and masks and heat map as deflated bytes, which it colours and lays
over the photo. They sit in the page, in inert blocks that are parsed when a card comes near the window, or, for large
audits, as files in a folder beside it (`segqc.gallery.store`). The large view shows the original photo where the page
reaches it; the worst entries have larger previews for where it does not.

What filters, orders and cards need of each row is in the page. What only the large view shows (objects, files, other
columns) is too, or, for large audits, lies beside it in scripts of a hundred rows each.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from segqc.base.files import atomic_path
from segqc.base.fingerprints import text_sha256
from segqc.base.storage.paths import RemotePath, absolute_text, as_path
from segqc.base.version import __version__
from segqc.data.labels import LabelSpace
from segqc.gallery.about import header_facts, introduction
from segqc.gallery.colours import photo_palette
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.overlay import heat_rgba
from segqc.gallery.previews import Previews, previews_in_order
from segqc.gallery.rows import page_objects, page_row, plain_value, schema_words
from segqc.gallery.store import FineBudget, PageRows, PictureFolder, PicturesInside, remove_old_pictures
from segqc.results.review import REVIEW_FORMAT, REVIEW_TAGS
from segqc.results.table import audit_fingerprint, is_scored

INLINE_COUNT = 1500  # so many entries with pictures make a page of about 30 MB, which browsers open at once

STYLES = ("page.css", "detail.css")
SCRIPTS = tuple(
    f"{part}.js"
    for part in (
        "data", "details", "state", "review", "pictures", "paint", "cards", "grid", "scene", "viewer", "detail",
        "filters", "scatter", "gallery", "judging", "keys", "start",
    )
)  # fmt: skip


def write_gallery(
    path: Path | str,
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    title: str,
    summary: Mapping[str, Any],
    *,
    objects_of: Callable[[str], Sequence[Mapping[str, Any]]] = lambda id_: (),
    judged: str = "prediction",
    audit: str | None = None,
    name: str | None = None,
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
        Shown on demand; nested mappings are flattened. The header says what it says of the data, the model and the
        quality (`segqc.gallery.about`).
    objects_of : callable, optional
        Rows of objects.csv by the id of an entry, the worst first; the worst `segqc.gallery.rows.OBJECTS_SHOWN` are
        listed.
    judged : str
        What the masks are called, in the singular.
    audit : str, optional
        The `segqc.results.table.audit_fingerprint` by which reviews of this page are known, where `entries` are not the
        whole audit.
    name : str, optional
        What people call the audit: saved reviews and their files carry it; the title by default.
    thumbnails : "auto", "inline" or "beside"
        Pictures and details in the page itself, or as files in the folder ``<stem>_files`` beside it, which then has to
        go where the page goes. "auto": in the page up to `INLINE_COUNT` entries.
    workers : int, optional
        Threads that make previews; None takes one a core. The file does not depend on it, and no more pictures than
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
    path = as_path(path)
    prepared = _prepared(entries, labels, objects_of, workers, on_read, on_progress or (lambda done: None))
    rows = PageRows()
    beside = _is_beside(thumbnails, entries)
    folder = _write_pictures_beside(path, prepared, rows) if beside else None
    head, tail = _page_around_data(title, judged.capitalize(), beside)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(head)
        _write_pictures(PicturesInside(stream), prepared, rows, path.parent)  # none are left where they lie beside
        data = _shared_data(labels, judged, summary) | {
            "intro": introduction(summary, judged, rows.scored, len(rows) - rows.scored),
            "name": name or title,
            "count": len(rows),
            "pictures": folder,
            "audit": audit or audit_fingerprint(entry.row for entry in entries),
        }
        rows.write(stream, "rows", data)
        stream.write(tail)
    remove_old_pictures(path, folder)


def _is_beside(thumbnails: str, entries: Sequence[GalleryEntry]) -> bool:
    """Whether the pictures go into a folder beside the page."""
    return thumbnails == "beside" or (
        thumbnails == "auto" and sum(is_scored(entry.row) for entry in entries) > INLINE_COUNT
    )


def _write_pictures_beside(
    path: Path, prepared: Iterable[tuple[dict[str, Any], Previews | None]], rows: PageRows
) -> str:
    """Write the pictures of all entries beside the page, add their rows to `rows`, and return the folder's address."""
    with PictureFolder(path) as store:
        _write_pictures(store, prepared, rows, path.parent)
        return store.finish()


def _write_pictures(
    store: PicturesInside | PictureFolder,
    prepared: Iterable[tuple[dict[str, Any], Previews | None]],
    rows: PageRows,
    folder: Path,
) -> None:
    """Write the pictures of all entries and add their rows, which say where the original is from `folder`."""
    budget = FineBudget()
    for row, previews in prepared:
        row |= {"fine": False, "source": ""}
        if previews is not None:
            fine = budget.take(previews)
            store.add(len(rows), previews, fine)
            row["fine"] = fine is not None
            if previews.source is not None:
                row["source"] = _address(previews.source, folder)
        rows.add(store.in_page(row))


def _address(file: Path, folder: Path) -> str:
    """Address of a file from a page in `folder`; an absolute one where no relative path leads there, and none from a
    disk or a bucket into another bucket, which browsers cannot follow.
    """
    if isinstance(file, RemotePath) or isinstance(folder, RemotePath):
        same = isinstance(file, RemotePath) and file.parts[:2] == folder.parts[:2]
        return quote(os.path.relpath(absolute_text(file), absolute_text(folder))) if same else ""
    try:
        return quote(Path(os.path.relpath(file, folder)).as_posix())
    except ValueError:  # another drive of Windows
        return file.absolute().as_uri()


def _shared_data(labels: LabelSpace, judged: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows beside its rows: classes with their colours, words of the schema, and the audit's summary."""
    colours = [f"#{bytes(colour).hex()}" for colour in photo_palette(labels)]
    classes = zip(labels.names, colours[: labels.num_classes], strict=True)
    return {
        "judged": judged.capitalize(),
        "classes": [{"name": name, "colour": colour} for name, colour in classes],
        "background": labels.background,
        "void_colour": colours[labels.void] if labels.void is not None else "#e0e0c0",
        "heat_colours": heat_rgba().tolist(),
        "facts": header_facts(summary),
        "summary": _flatten(summary),
        "schema": schema_words(),
        "review_format": REVIEW_FORMAT,
        "tags": list(REVIEW_TAGS),
    }


def _page_around_data(title: str, judged: str, beside: bool) -> tuple[str, str]:
    """The page before and after its data blocks; `beside`: whether its pictures are files of their own.

    Masks beside a page are scripts, so that such a page trusts the scripts of its disk; any other only its own.
    """
    folder = resources.files("segqc.gallery") / "web"
    style = "".join((folder / name).read_text("utf-8") for name in STYLES)
    # In strict mode and a scope of its own: nothing leaks to the page, and a mistyped name is an error.
    script = '"use strict";\n(() => {\n' + "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS) + "})();\n"
    parts = {
        "title": html.escape(title.encode("utf-8", "replace").decode()),
        "judged": html.escape(judged),
        "version": __version__,
        # 'self' is the server that a page comes from; a page opened from a disk has none, and needs the scheme.
        "script_source": " 'self' file:" if beside else "",
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
    objects_of: Callable[[str], Sequence[Mapping[str, Any]]],
    workers: int | None,
    on_read: Callable[[int, Layers], None] | None,
    on_progress: Callable[[int], None],
) -> Iterator[tuple[dict[str, Any], Previews | None]]:
    """Row as the page reads it and pictures (None for an entry without a score) of each entry, in order."""
    for done, (entry, previews) in enumerate(
        zip(entries, previews_in_order(entries, labels, workers, on_read), strict=True), start=1
    ):
        objects = page_objects(objects_of(str(entry.row["id"])))
        worst = objects[0]["score"] if objects else None  # they come worst first
        row = page_row(entry.row) | {"layers": [], "problem": "", "objects": objects, "worst_object": worst}
        if previews is not None:
            row |= {"layers": previews.layers, "problem": previews.problem}
            if previews.size is not None:
                row["width"], row["height"] = previews.size
        yield row, previews
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
