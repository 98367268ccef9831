"""A data set of Hugging Face on disk: what `save_to_disk` writes, or the hub's Parquet files."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segqc.base.errors import BadInput
from segqc.base.storage.paths import as_path
from segqc.data.image_tables import image_columns, picture_and_mask, read_rows, save_image
from segqc.data.label_files import find_label_file, read_label_file
from segqc.data.layouts.dataset import DataSet, choose_split
from segqc.data.pairs import Pair, Problem

_SHARD = re.compile(r"(.+?)-\d{5}-of-\d{5}.*")


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` is, or holds, tables with columns of images; ids count the rows."""
    parts = _parts(root)
    if not parts or not image_columns(next(iter(parts.values()))[0]):
        return None
    if work is None:
        raise BadInput(root, "holds images in tables, which have to be written somewhere", "give --out")
    chosen = choose_split(root, list(parts), split)
    picture, mask = picture_and_mask(root, image_columns(parts[chosen][0]))
    folder = work / "huggingface" / chosen
    pairs, problems, unmasked = list[Pair](), list[Problem](), dict[str, Path]()
    for id_, table, row in _rows(parts[chosen], [picture] if mask is None else [picture, mask]):
        try:
            image = save_image(table, row[picture], folder / "images" / id_)
        except BadInput as error:
            problems.append(Problem(id_, as_path(error.path), error.reason, (1, 0)))
            continue
        try:
            if mask is None:
                raise BadInput(table, "has no column of masks")
            pairs.append(Pair(id_, image, save_image(table, row[mask], folder / "masks" / id_)))
        except BadInput as error:
            unmasked[id_] = image
            problems.append(Problem(id_, as_path(error.path), error.reason, (1, 0)))
    said = f"part {chosen} of {', '.join(parts)}", f"pictures from {picture!r}, masks from {mask!r}; ids count the rows"
    places = (root, *parts[chosen][0].parents[:2])
    file = next((found for place in places if (found := find_label_file(place)) is not None), None)
    labels = None if file is None else read_label_file(file)
    return DataSet("huggingface", tuple(pairs), tuple(problems), labels, said, unmasked)


def _rows(tables: list[Path], columns: list[str]) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    """Every row with its id and its table."""
    rows = ((table, row) for table in tables for row in read_rows(table, columns))
    for place, (table, row) in enumerate(rows):
        yield f"{place:06d}", table, row


def _parts(root: Path) -> dict[str, list[Path]]:
    """Tables of each part."""
    if root.is_file():
        return {"all": [root]} if root.suffix == ".parquet" else {}
    if (root / "state.json").is_file():
        saved = {"all": sorted(root.glob("*.arrow"))}
    else:
        saved = {path.parent.name: sorted(path.parent.glob("*.arrow")) for path in sorted(root.glob("*/state.json"))}
    parts = {name: tables for name, tables in saved.items() if tables}
    if parts:
        return parts
    for path in sorted([*root.glob("*.parquet"), *root.glob("*/*.parquet")]):
        shard = _SHARD.fullmatch(path.stem)
        parts.setdefault(shard[1] if shard else path.stem, []).append(path)
    return parts
