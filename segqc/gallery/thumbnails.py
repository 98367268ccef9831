"""Small pictures of audited pairs for the gallery, kept in the page itself or as files in a folder beside it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from segqc.base.cores import usable_cores
from segqc.base.parallel import ordered_map
from segqc.data.labels import LabelSpace
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.overlay import encode_heat, encode_jpeg, encode_mask
from segqc.results.table import is_scored

LARGE_COUNT = 120  # that many entries, the first ones given, get large pictures
LARGE_SIDE = 480  # px on the longer side
SMALL_SIDE = 240
HEAT_SIDE = 96  # heat maps are smooth: the browser's interpolation does the rest

LAYERS = {"photo": "jpg", "prediction": "png", "other": "png", "heat": "png", "truth": "png"}
"""Every picture that an entry may have, with the suffix of its file; web/cards.js has the same."""

_FOLDER_NAME = re.compile(r"[0-9a-f]{16}")
_FILES_PER_FOLDER = 500  # entries; folders of more files than some thousands are slow to list


@dataclass(frozen=True)
class Thumbnails:
    """Pictures of one entry.

    Attributes
    ----------
    layers : dict of str to bytes
        JPEG or PNG files by the names of `LAYERS`, in their order; without those that are not given or cannot be read.
    problem : str
        What could not be read; mostly empty.
    size : (int, int) or None
        Width and height of the first original that could be read.
    """

    layers: dict[str, bytes]
    problem: str
    size: tuple[int, int] | None


def make_thumbnails(layers: Layers, side: int) -> Thumbnails:
    """Pictures at most `side` pixels long. A file that cannot be read costs its own layer only."""
    labels = layers.labels

    def mask(array: np.ndarray) -> bytes:
        return encode_mask(array, labels, side)

    encoded: dict[str, tuple[Any, Callable[[Any], bytes]]] = {
        "photo": (layers.photo, lambda photo: encode_jpeg(photo, side)),
        "prediction": (layers.prediction, mask),
        "other": (layers.other, mask),
        "heat": (layers.heat, lambda heat: encode_heat(heat, HEAT_SIDE)),
        "truth": (layers.truth, mask),
    }
    read = {name: found for name, found in encoded.items() if found[0] is not None}
    problems = [str(picture) for picture, _ in read.values() if isinstance(picture, Exception)]
    sound = {name: found for name, found in read.items() if not isinstance(found[0], Exception)}
    pictures = {name: encode(picture) for name, (picture, encode) in sound.items()}
    sizes = [_size(picture) for picture, _ in sound.values()]
    return Thumbnails(pictures, "; ".join(problems), sizes[0] if sizes else None)


def _size(picture: Image.Image | np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return picture.size if isinstance(picture, Image.Image) else (picture.shape[1], picture.shape[0])


def thumbnails_in_order(
    entries: Sequence[GalleryEntry],
    labels: LabelSpace,
    workers: int | None,
    on_read: Callable[[int, Layers], None] | None = None,
) -> Iterator[Thumbnails | None]:
    """Thumbnails of each entry, None for one without a score; made by `workers` threads, one a core where None.

    `on_read` is given the place of each entry with a score and its decoded pictures, in the thread that read them.
    """

    def prepare(task: tuple[int, GalleryEntry]) -> Thumbnails | None:
        place, entry = task
        if not is_scored(entry.row):
            return None
        layers = Layers(entry, labels)
        if on_read is not None:
            on_read(place, layers)
        return make_thumbnails(layers, LARGE_SIDE if place < LARGE_COUNT else SMALL_SIDE)

    # Threads: decoding, resizing and encoding all leave the interpreter's lock.
    return ordered_map(prepare, enumerate(entries), workers or usable_cores())


def as_text(thumbnails: Thumbnails) -> dict[str, str]:
    """Pictures as base64 by layer, for the page itself."""
    return {name: base64.b64encode(data).decode("ascii") for name, data in thumbnails.layers.items()}


class PictureFolder:
    """Pictures as files beside a page, in a folder named by their content: ``gallery_files/<name>`` for
    ``gallery.html``.

    They are written under a hidden name first. Until the new page is in place the old one keeps the folder that it
    refers to; `remove_old_pictures` then clears it away. Used as a context manager, which removes what was not
    finished.
    """

    def __init__(self, page: Path) -> None:
        self.parent = page.with_name(f"{page.stem}_files")
        self._temporary = self.parent / f".{secrets.token_hex(8)}.tmp"
        self._digest = hashlib.blake2b(digest_size=8)

    def __enter__(self) -> PictureFolder:
        self._temporary.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)

    def add(self, index: int, thumbnails: Thumbnails) -> None:
        """Write the pictures of entry `index`."""
        folder = self._temporary / str(index // _FILES_PER_FOLDER)
        folder.mkdir(exist_ok=True)
        for name, data in thumbnails.layers.items():
            (folder / f"{index}.{name}.{LAYERS[name]}").write_bytes(data)
            self._digest.update(f"{index}.{name}.{len(data)}".encode() + data)

    def finish(self) -> str:
        """Give the folder its name, and return its address from the page."""
        folder = self.parent / self._digest.hexdigest()
        if not folder.exists():
            os.replace(self._temporary, folder)
        return f"{quote(self.parent.name)}/{folder.name}"


def remove_old_pictures(page: Path, keep: str | None) -> None:
    """Remove picture folders of earlier versions of `page`, all but the one at the address `keep`."""
    parent = page.with_name(f"{page.stem}_files")
    if not parent.is_dir():
        return
    for folder in parent.iterdir():
        if _FOLDER_NAME.fullmatch(folder.name) and (keep is None or folder.name != keep.rsplit("/", 1)[1]):
            shutil.rmtree(folder, ignore_errors=True)
    if not any(parent.iterdir()):
        parent.rmdir()
