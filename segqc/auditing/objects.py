"""objects.csv: the objects of all masks of an audit in one ranking, the worst first."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segqc.base.tables import write_table
from segqc.objects.judge import SUSPECT
from segqc.results.schema import OBJECT_COLUMNS, names
from segqc.verdict import JudgedObject

COLUMNS = names(OBJECT_COLUMNS)


def count_objects(objects: Iterable[JudgedObject]) -> dict[str, int]:
    """The columns of a picture's row that count its objects."""
    suspect = [found.kind for found in objects if found.score > SUSPECT]
    return {"suspect_objects": suspect.count("predicted"), "missed_objects": suspect.count("missed")}


def object_row(found: JudgedObject) -> dict[str, Any]:
    """An object as JSON values, by the columns of its table that are its own."""
    return {
        "object": found.number,
        "kind": found.kind,
        "class": found.name,
        "expected_class": found.expected,
        **dict(zip(("x0", "y0", "x1", "y1"), found.box, strict=True)),
        "area": found.area,
        "expected_iou": found.expected_iou,
        "score": found.score,
        "touches_border": found.touches_border,
    }


def rank_objects(objects_of: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of all pictures' objects, given by the pictures' ids, worst first with ranks from 1; equal scores by id,
    then by number.
    """
    rows = [{"id": id_, **row} for id_, objects in objects_of.items() for row in objects]
    rows.sort(key=lambda row: (-row["score"], row["id"], row["object"]))
    return [row | {"rank": place} for place, row in enumerate(rows, 1)]


def write_objects(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write objects.csv and objects.parquet."""
    for suffix in ("csv", "parquet"):
        write_table(out / f"objects.{suffix}", rows, COLUMNS)
