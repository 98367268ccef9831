"""Where a review page keeps its pictures and the details of its rows: in the page itself, or as files beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from segqc.base.files import remove_folder, send_folder
from segqc.base.storage.paths import RemotePath
from segqc.gallery.previews import Packet, Previews
from segqc.gallery.rows import IN_PAGE

FINE, SMALL = ".fine", ""  # what is added to an entry's number in the name of a packet; web/pictures.js has the same
_FOLDER_NAME = re.compile(r"[0-9a-f]{16}")
_FILES_PER_FOLDER = 500  # entries; folders of more files than some thousands are slow to list
_ROWS_PER_SCRIPT = 100  # details that come together; web/details.js has the same

FINE_BUDGET = 160_000_000
"""Bytes of base64 that fine packets may take in all. Small ones take at most some 40 million in a page, so that no page
has more than 200 million of pictures."""


class FineBudget:
    """Fine packets to the first entries, which are the worst, as long as there is room."""

    def __init__(self, budget: int = FINE_BUDGET) -> None:
        self.left = budget

    def take(self, previews: Previews) -> Packet | None:
        """The fine packet of an entry, or None where it has none or all later ones go without."""
        if previews.fine is None:
            return None
        self.left -= previews.fine.size
        return previews.fine if self.left >= 0 else None


class PicturesInside:
    """Pictures in inert blocks of the page, of which the browser parses one when its card comes near.

    The page's data hold all of every row.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, index: int, previews: Previews, fine: Packet | None) -> None:
        """Write the pictures of entry `index`."""
        write_block(self._stream, f"pictures-{index}{SMALL}", previews.small.text_with_photo)
        if fine is not None:
            write_block(self._stream, f"pictures-{index}{FINE}", fine.text_with_photo)

    def in_page(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the page's own data hold of a row: all of it."""
        return row


class PictureFolder:
    """Pictures and details as files beside a page, in a folder named by their content: ``gallery_files/<name>`` for
    ``gallery.html``. Photos are JPEG files; rasters, and the details of a hundred rows, are scripts that hand their
    data to the page.

    They are written under a hidden name first, or to a temporary folder of the disk where the page goes to a store.
    Until the new page is in place the old one keeps the folder that it refers to; `remove_old_pictures` then clears it
    away. Used as a context manager, which removes what was not finished.
    """

    def __init__(self, page: Path) -> None:
        self.parent = page.with_name(f"{page.stem}_files")
        if isinstance(page, RemotePath):
            self._temporary = Path(tempfile.gettempdir(), f"segqc-{secrets.token_hex(8)}")
        else:
            self._temporary = self.parent / f".{secrets.token_hex(8)}.tmp"
        self._digest = hashlib.blake2b(digest_size=8)
        self._rows = 0
        self._details: list[dict[str, Any]] = []  # of the script that is not full yet

    def __enter__(self) -> PictureFolder:
        self._temporary.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)

    def add(self, index: int, previews: Previews, fine: Packet | None) -> None:
        """Write the pictures of entry `index`."""
        for suffix, packet in ((SMALL, previews.small), (FINE, fine)):
            if packet is None:
                continue
            name = f"{index}{suffix}"
            files = {f"{name}.js": f'segqcPictures("{name}",{script_json(packet.text)});\n'.encode()}
            if packet.photo is not None:
                files[f"{name}.jpg"] = packet.photo
            for file, data in files.items():
                self._write(index, file, data)

    def in_page(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the page's own data hold of a row; the details go to the script of its hundred."""
        # The page itself lists why a prediction has no score; of the others the reason is a detail.
        names = IN_PAGE - {"reason"} if row["status"] == "ok" else IN_PAGE
        self._details.append({name: value for name, value in row.items() if name not in names})
        self._rows += 1
        if len(self._details) == _ROWS_PER_SCRIPT:
            self._write_details()
        return {name: value for name, value in row.items() if name in names}

    def _write_details(self) -> None:
        number = (self._rows - 1) // _ROWS_PER_SCRIPT
        text = f'segqcDetails("{number}",{script_json(self._details)});\n'
        self._write(number * _ROWS_PER_SCRIPT, f"rows-{number}.js", text.encode())
        self._details = []

    def _write(self, index: int, file: str, data: bytes) -> None:
        """Write a file into the folder of entry `index`."""
        folder = self._temporary / str(index // _FILES_PER_FOLDER)
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes(data)
        self._digest.update(f"{file}.{len(data)}".encode() + data)

    def finish(self) -> str:
        """Write what is left, give the folder its name, and return its address from the page."""
        if self._details:
            self._write_details()
        folder = self.parent / self._digest.hexdigest()
        if isinstance(folder, RemotePath):
            send_folder(self._temporary, folder)
        elif not folder.exists():
            os.replace(self._temporary, folder)
        return f"{quote(self.parent.name)}/{folder.name}"


def remove_old_pictures(page: Path, keep: str | None) -> None:
    """Remove picture folders of earlier versions of `page`, all but the one at the address `keep`."""
    parent = page.with_name(f"{page.stem}_files")
    if not parent.is_dir():
        return
    for folder in parent.iterdir():
        if _FOLDER_NAME.fullmatch(folder.name) and (keep is None or folder.name != keep.rsplit("/", 1)[1]):
            remove_folder(folder)
    if not any(parent.iterdir()):
        parent.rmdir()


class PageRows:
    """The rows of a page by columns, as the page reads them: a list a column, null where a row lacks it, or
    ``{"all": value}`` where all rows have the same.

    Columns are kept as the text that goes into the page: as objects the rows of a large audit would take ten times the
    memory.

    Attributes
    ----------
    scored : int
        Rows whose status is "ok".
    """

    def __init__(self) -> None:
        self.scored = 0
        self._count = 0
        self._columns: dict[str, BytesIO] = {}  # each value after a comma, in ASCII
        self._only: dict[str, str | None] = {}  # the value that all rows have, None where they differ

    def __len__(self) -> int:
        return self._count

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row of JSON values."""
        for name in row:
            if name not in self._columns:
                self._columns[name] = BytesIO()
                self._columns[name].write(b",null" * self._count)
                self._only[name] = "null" if self._count else script_json(row[name])
        for name, text in self._columns.items():
            value = script_json(row.get(name))
            text.write(f",{value}".encode())
            if value != self._only[name]:
                self._only[name] = None
        self.scored += row["status"] == "ok"
        self._count += 1

    def write(self, stream: TextIO, name: str, data: Mapping[str, Any]) -> None:
        """Write an inert block with the rows under "columns" and the values of `data`."""
        stream.write(f'<script type="application/json" id="{name}">{{"columns":{{')
        for place, (column, text) in enumerate(self._columns.items()):
            stream.write(f"{',' * (place > 0)}{script_json(column)}:")
            if self._only[column] is not None:
                stream.write(f'{{"all":{self._only[column]}}}')
            else:
                stream.write(f"[{text.getvalue()[1:].decode()}]")
        stream.write("}," + script_json(data)[1:] + "</script>\n")


def write_block(stream: TextIO, name: str, value: Any) -> None:
    """Write an inert block of JSON into a page."""
    stream.write(f'<script type="application/json" id="{name}">{script_json(value)}</script>\n')


def script_json(value: Any) -> str:
    """JSON that is inert inside an HTML script element: ASCII, without <, > and &, whatever the texts in it say."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
