"""objects.csv: the objects of all masks of an audit in one ranking, the worst first."""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segqc.base.lazy import Computed
from segqc.base.tables import write_table
from segqc.objects.judge import SUSPECT
from segqc.results.schema import object_columns
from segqc.verdict import JudgedObject


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


def rank_objects(
    ids: Sequence[str], objects_of: Sequence[Sequence[Mapping[str, Any]]], columns: Sequence[str]
) -> Sequence[dict[str, Any]]:
    """The rows of all pictures' objects, given beside the pictures' ids, worst first with ranks from 1; equal scores by
    id, then by number. They have these columns, and are made as they are asked for: see `segqc.base.lazy`.
    """
    own = [name for name in columns if name not in ("id", "rank")]
    # As Python objects keys and values would take five times the memory. What is asked for by rank comes from another
    # picture each time: to unpack all objects of a picture for one of them would take half a minute for 100 dense ones.
    keys, values, counts = array("d"), list[bytes](), list[int]()
    for objects in objects_of:
        counts.append(len(objects))
        for row in objects:
            keys.extend((-row["score"], row["object"]))
            values.append(json.dumps([row[name] for name in own]).encode())
    picture = np.repeat(np.arange(len(ids)), counts)
    score, number = np.frombuffer(keys, np.float64).reshape(-1, 2).T
    by_id = np.empty(len(ids), np.int64)
    by_id[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    order = np.lexsort((number, by_id[picture], score))

    def ranked(rank: int) -> dict[str, Any]:
        place = int(order[rank])
        found = dict(zip(own, json.loads(values[place]), strict=True))
        found |= {"id": ids[int(picture[place])], "rank": rank + 1}
        return {name: found[name] for name in columns}

    return Computed(len(order), ranked)


def write_objects(out: Path, rows: Sequence[dict[str, Any]], compared: bool, calibrated: bool) -> None:
    """Write objects.csv and objects.parquet, with the columns of ground truth and of a calibration where they are."""
    for suffix in ("csv", "parquet"):
        write_table(out / f"objects.{suffix}", rows, object_columns(compared, calibrated))
