"""Tables that list a data set's files: a row a picture, with columns for its mask, its prediction, its id and its part.

Columns are known by their names; paths are relative to the table's folder, absolute, or addresses (s3://...).
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet

from segqc.base.errors import BadInput
from segqc.base.storage.paths import absolute_text, as_path, common_folder
from segqc.data.listing import is_plain_id
from segqc.data.pairs import Problem

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")

_ROLES = {
    "image": (
        "image", "images", "img", "picture", "photo", "input", "filename", "file_name", "file", "filepath", "path",
    ),
    "mask": (
        "mask", "masks", "ground_truth", "groundtruth", "gt", "truth", "label", "labels", "annotation", "target", "seg",
        "segmentation",
    ),
    "prediction": ("prediction", "predictions", "predicted", "pred", "predicted_mask", "pred_mask", "output"),
    "id": ("id", "image_id", "key", "name"),
    "split": ("split", "subset", "set", "part", "partition", "fold"),
}  # fmt: skip
"""Names of the columns of each role, the preferred first."""

_ENDINGS = ("_path", "_file", "_filename")
_LARGEST_FIELD = 2**20


@dataclass(frozen=True)
class TableRow:
    """A row: its id, and its files where the row names them."""

    id: str
    image: Path
    mask: Path | None
    prediction: Path | None


@dataclass(frozen=True)
class PathTable:
    """A table of paths.

    Attributes
    ----------
    rows : list of TableRow
        Those whose files are there, each id once.
    problems : list of Problem
        The other rows, and why.
    columns : dict of str to str
        Column of each role.
    said : tuple of str
        What was decided, to be printed.
    """

    rows: list[TableRow]
    problems: list[Problem]
    columns: dict[str, str]
    said: tuple[str, ...]


def is_path_table(path: Path) -> bool:
    """Whether a file is a table, by its name."""
    return path.suffix.lower() in TABLE_SUFFIXES


def read_path_table(path: Path, split: str | None = None, whole: bool = False) -> PathTable:
    """Read a table of paths.

    Parameters
    ----------
    path : Path
        .csv (with commas, semicolons or tabs), .tsv or .parquet.
    split : str, optional
        Part to read; by default the training part where there is one of that name, else all rows.
    whole : bool
        Whether all rows are read where no part is asked for.

    Raises
    ------
    BadInput
        The file cannot be read, has no column of pictures, or there is no such part.
    """
    header, cells = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    columns = columns_of_roles(header)
    if "image" not in columns:
        reason = f"has no column of pictures: its columns are {', '.join(header[:8]) or 'none'}"
        raise BadInput(path, reason, "name the columns image, mask, prediction, id and split")
    said = [f"columns: {', '.join(f'{role} from {name!r}' for role, name in columns.items())}"]
    chosen, part = _of_split(path, cells, columns, split, whole)
    said += [part] if part else []
    return PathTable(*_rows(path, chosen, columns), columns, tuple(said))


def columns_of_roles(header: Sequence[str]) -> dict[str, str]:
    """The column of each role, by its name."""
    plain = {_plain(name): name for name in reversed(header)}
    return {
        role: next(plain[name] for name in names if name in plain)
        for role, names in _ROLES.items()
        if plain.keys() & names
    }


def _plain(name: str) -> str:
    name = name.strip().casefold().replace(" ", "_").replace("-", "_")
    return next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)


def _of_split(
    path: Path, cells: list[dict[str, str]], columns: dict[str, str], split: str | None, whole: bool
) -> tuple[list[dict[str, str]], str]:
    """The rows of the part that was asked for, and what to say of it."""
    if "split" not in columns:
        if split is not None:
            raise BadInput(path, f"has no column of parts, but --split {split} was given", "name the column split")
        return cells, ""
    names = list(dict.fromkeys(row[columns["split"]] for row in cells))
    wanted = split or next((name for name in names if name.lower().startswith("train")), None)
    if wanted is None or (whole and split is None):
        return cells, f"all parts: {', '.join(names)}"
    if wanted not in names:
        raise BadInput(path, f"has no part {wanted!r}", f"choose --split from {', '.join(names)}")
    return [row for row in cells if row[columns["split"]] == wanted], f"part {wanted} of {', '.join(names)}"


def _rows(path: Path, cells: list[dict[str, str]], columns: dict[str, str]) -> tuple[list[TableRow], list[Problem]]:
    files: list[dict[str, Path]] = [
        {
            role: path.parent / as_path(row[columns[role]]).expanduser()
            for role in ("image", "mask", "prediction")
            if role in columns and row[columns[role]]
        }
        for row in cells
    ]
    ids = _ids(cells, files, columns)
    found: dict[str, TableRow] = {}
    problems = []
    for place, (id_, named) in enumerate(zip(ids, files, strict=True), start=2):
        missing = [file for file in named.values() if not file.is_file()]
        reason = ""
        if "image" not in named:
            reason = f"names no picture, in row {place}"
        elif missing:
            reason = f"does not exist, but is named in row {place} of {path.name}"
        elif not is_plain_id(id_):
            reason = f"has the id {id_!r}, which is no path below a folder"
        elif id_ in found:
            reason = f"has the id of another row, {id_}"
        if reason:
            problems.append(Problem(id_ or f"row {place}", missing[0] if missing else named.get("image", path), reason))
        else:
            found[id_] = TableRow(id_, named["image"], named.get("mask"), named.get("prediction"))
    return list(found.values()), problems


def _ids(cells: list[dict[str, str]], files: list[dict[str, Path]], columns: dict[str, str]) -> list[str]:
    """The ids that the table gives; else the pictures' paths below the folder that they share, without suffix."""
    if "id" in columns:
        return [row[columns["id"]] for row in cells]
    pictures = [named["image"] for named in files if "image" in named]
    shared = absolute_text(common_folder(pictures)) if pictures else ""
    return [
        Path(os.path.relpath(absolute_text(named["image"]), shared)).with_suffix("").as_posix()
        if "image" in named
        else ""
        for named in files
    ]


def _read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max(",;\t", key=first.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            header, *rows = [[cell.strip() for cell in row] for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise BadInput(
            path, f"is not a readable CSV file: {error}", "save it as UTF-8, with a line of names"
        ) from error
    return header, [dict(zip(header, [*row, *[""] * len(header)], strict=False)) for row in rows]


def _read_parquet(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(path, f"is not a readable Parquet file: {error}", "write it again") from error
    kept = [field.name for field in table.schema if not pyarrow.types.is_nested(field.type)]
    rows = table.select(kept).to_pylist()
    return kept, [{name: "" if value is None else str(value).strip() for name, value in row.items()} for row in rows]
