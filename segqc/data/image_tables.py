"""Tables whose cells are image files, as Hugging Face's `datasets` stores them: Arrow streams and Parquet.

A column of images is a struct of `bytes` (a whole PNG or JPEG file) and `path`. pyarrow reads it; `datasets` is not
needed.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path
from segqc.data.path_tables import columns_of_roles
from segqc.data.pictures import FORMATS

_AT_ONCE = 64  # rows of a Parquet file that are in memory together
_SUFFIXES = {kind: suffixes[0] for kind, suffixes in FORMATS.items()}


def image_columns(path: Path) -> list[str]:
    """Names of the columns of images in an Arrow stream or a Parquet file; none for a file that cannot be read."""
    try:
        if path.suffix == ".parquet":
            schema = pyarrow.parquet.read_schema(path)
        else:
            with pyarrow.memory_map(os.fspath(path)) as source:
                schema = pyarrow.ipc.open_stream(source).schema
    except (OSError, pyarrow.ArrowException):
        return []
    return [field.name for field in schema if _holds_images(field.type)]


def _holds_images(kind: pyarrow.DataType) -> bool:
    return pyarrow.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(n).name for n in range(kind.num_fields)}


def picture_and_mask(path: Path, columns: Sequence[str]) -> tuple[str, str | None]:
    """Which column of images holds the pictures, and which the masks, if one does.

    Raises
    ------
    BadInput
        Their names do not tell.
    """
    roles = columns_of_roles(columns)
    picture, mask = roles.get("image"), roles.get("mask")
    others = [name for name in columns if name not in (picture, mask)]
    if picture is None and others:
        picture = "pixel_values" if "pixel_values" in others else others[0] if len(others) == 1 else None
    if picture is not None and mask is None and len(columns) == 2:
        mask = next(name for name in columns if name != picture)
    if picture is None or (mask is None and len(columns) > 1):
        reason = f"has the columns of images {', '.join(columns)}, of which none is called a picture or a mask"
        raise BadInput(path, reason, "name the columns image and mask")
    return picture, mask


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The cells of some columns, row by row.

    Raises
    ------
    BadInput
        The file is damaged.
    """
    try:
        if path.suffix == ".parquet":
            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_AT_ONCE, columns=list(columns)):
                yield from batch.to_pylist()
            return
        with pyarrow.memory_map(os.fspath(path)) as source:
            for batch in pyarrow.ipc.open_stream(source):
                batch.validate(full=True)  # offsets of a damaged stream would lead outside of it
                for row in range(batch.num_rows):  # a batch may be as large as the file
                    yield {name: batch.column(name)[row].as_py() for name in columns}
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(path, f"is damaged: {error}", "save the data set again") from error


def save_image(table: Path, cell: Mapping[str, Any] | None, target: Path) -> Path:
    """Write the image file in a cell to `target` with the suffix of its format; one that is there already stays.

    A cell may name a file instead: that is then returned.

    Raises
    ------
    BadInput
        The cell is empty, names a file that is not there, or holds what is no image.
    """
    content, name = (cell or {}).get("bytes"), (cell or {}).get("path")
    if content is None:
        file = table.parent / name if name else None
        if file is None or not file.is_file():
            raise BadInput(file or table, "does not exist" if file else "has an empty cell of an image")
        return file
    try:
        with Image.open(io.BytesIO(content), formats=tuple(FORMATS)) as image:
            suffix = _SUFFIXES[image.format or ""]
    except Exception as error:  # any decoder's complaint
        raise BadInput(table, f"holds a cell that is no image: {error}", "save the data set again") from error
    path = target.with_name(target.name + suffix)
    if not (path.is_file() and path.read_bytes() == content):
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return path
