"""Small pictures of audited pairs for the gallery, kept in the page itself or as files in a folder beside it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.labels import LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image
from segqc.gallery.overlay import encode_heat, encode_jpeg, encode_mask, read_heat
from segqc.results.table import is_scored

LARGE_COUNT = 120  # that many entries, the first ones given, get large pictures
LARGE_SIDE = 480  # px on the longer side
SMALL_SIDE = 240
HEAT_SIDE = 96  # heat maps are smooth: the browser's interpolation does the rest

LAYERS = {"photo": "jpg", "prediction": "png", "other": "png", "heat": "png", "truth": "png"}
"""Every picture that an entry may have, with the suffix of its file; gallery_cards.js has the same."""

_FOLDER_NAME = re.compile(r"[0-9a-f]{16}")
_FILES_PER_FOLDER = 500  # entries; folders of more files than some thousands are slow to list


@dataclass(frozen=True)
class GalleryEntry:
    """One audited pair and its pictures.

    Parameters
    ----------
    row : mapping
        Row of scores.csv: ``id, rank, score, status, reason, worst_class, expected_class, worst_box, classes, dice,
        width, height``, those of a calibration or a comparison, and any others, which the detail view shows too. Absent
        values are None or "".
    image : Path
        The photo.
    prediction, heatmap, ground_truth, other_prediction : Path, optional
        Mask file, 8-bit grey PNG (255 = most suspect), mask file, and the mask of the audit compared with; None leaves
        that layer out.
    """

    row: Mapping[str, Any]
    image: Path
    prediction: Path | None = None
    heatmap: Path | None = None
    ground_truth: Path | None = None
    other_prediction: Path | None = None


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


def make_thumbnails(entry: GalleryEntry, labels: LabelSpace, side: int) -> Thumbnails:
    """Pictures at most `side` pixels long. A file that cannot be read costs its own layer only."""
    problems: list[str] = []
    sizes: list[tuple[int, int]] = []
    layers: dict[str, bytes] = {}

    def add(name: str, path: Path | None, encode: Callable[[Path], tuple[bytes, tuple[int, int]]]) -> None:
        if path is None:
            return
        try:
            layers[name], size = encode(path)
        except (BadInput, OSError, ValueError) as error:
            problems.append(str(error))
        else:
            sizes.append(size)

    def photo(path: Path) -> tuple[bytes, tuple[int, int]]:
        image: Image.Image = read_image(path)
        return encode_jpeg(image, side), image.size

    def mask(path: Path) -> tuple[bytes, tuple[int, int]]:
        array = read_mask(path, labels, photo_size)
        return encode_mask(array, labels, side), (array.shape[1], array.shape[0])

    def heat(path: Path) -> tuple[bytes, tuple[int, int]]:
        image = read_heat(path)
        return encode_heat(image, HEAT_SIDE), image.size

    add("photo", entry.image, photo)
    photo_size = sizes[0] if sizes else None
    add("prediction", entry.prediction, mask)
    add("other", entry.other_prediction, mask)
    add("heat", entry.heatmap, heat)
    add("truth", entry.ground_truth, mask)
    return Thumbnails(layers, "; ".join(problems), sizes[0] if sizes else None)


def thumbnails_in_order(
    entries: Sequence[GalleryEntry], labels: LabelSpace, workers: int | None
) -> Iterator[Thumbnails | None]:
    """Thumbnails of each entry, None for one without a score; made by `workers` threads, one a core where None."""
    workers = workers or os.cpu_count() or 1

    def prepare(task: tuple[int, GalleryEntry]) -> Thumbnails | None:
        index, entry = task
        return (
            make_thumbnails(entry, labels, LARGE_SIDE if index < LARGE_COUNT else SMALL_SIDE)
            if is_scored(entry.row)
            else None
        )

    # Threads: decoding, resizing and encoding all leave the interpreter's lock. The window keeps fast threads from
    # piling up results.
    with ThreadPoolExecutor(workers) as pool:
        tasks = enumerate(entries)
        pending = [pool.submit(prepare, task) for task in islice(tasks, 2 * workers)]
        while pending:
            yield pending.pop(0).result()
            pending.extend(pool.submit(prepare, task) for task in islice(tasks, 1))


def as_text(thumbnails: Thumbnails) -> dict[str, str]:
    """Pictures as base64 by layer, for the page itself."""
    return {name: base64.b64encode(data).decode("ascii") for name, data in thumbnails.layers.items()}


class PictureFolder:
    """Pictures as files beside a page, in a folder named by their content: ``gallery_files/<name>`` for
    ``gallery.html``.

    They are written under a hidden name first. Until the new page is in place the old one keeps the folder that it
    refers to; `remove_others` then clears it away. Used as a context manager, which removes what was not finished.
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
