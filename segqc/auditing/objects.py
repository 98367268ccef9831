"""objects.csv: the objects of all masks of an audit in one ranking, the worst first."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segqc.base.tables import write_table
from segqc.objects.judge import SUSPECT
from segqc.results.schema import OBJECT_DECISION_COLUMNS, names, object_columns
from segqc.verdict import JudgedObject

_ADDED = names(OBJECT_DECISION_COLUMNS)


def count_objects(objects: Iterable[JudgedObject]) -> dict[str, int]:
    """The columns of a picture's row that count its objects."""
    suspect = [found.kind for found in objects if found.score > SUSPECT]
    return {"suspect_objects": suspect.count("predicted"), "missed_objects": suspect.count("missed")}


def object_row(found: JudgedObject, ious: Mapping[int, float]) -> dict[str, Any]:
    """An object as JSON values, by the columns of its table that are its own; `ious` are those of the picture's objects
    by number, where they are known.
    """
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
        "iou": ious.get(found.number),
    }


def rank_objects(objects_of: Mapping[str, Sequence[Mapping[str, Any]]], compared: bool) -> list[dict[str, Any]]:
    """The rows of all pictures' objects, given by the pictures' ids, worst first with ranks from 1; equal scores by id,
    then by number. With the column of ground truth where any was `compared`.
    """
    columns = object_columns(compared, calibrated=False)
    rows = [{"id": id_, **row} for id_, objects in objects_of.items() for row in objects]
    rows.sort(key=lambda row: (-row["score"], row["id"], row["object"]))
    ranked = (row | {"rank": place} for place, row in enumerate(rows, 1))
    return [{name: row[name] for name in columns} for row in ranked]


def write_objects(out: Path, rows: Sequence[dict[str, Any]], compared: bool, calibrated: bool) -> None:
    """Write objects.csv and objects.parquet, with the columns of ground truth and of a calibration where they are."""
    for suffix in ("csv", "parquet"):
        write_table(out / f"objects.{suffix}", rows, object_columns(compared, calibrated))
