"""The objects of an audit whose IoU is known."""

from collections.abc import Mapping

import numpy as np

from segqc.base.errors import BadInput
from segqc.calibration.objects import ObjectTruths
from segqc.calibration.sample import note_unfair_sample
from segqc.results.objects import read_objects
from segqc.results.table import AuditTable


def known_objects(table: AuditTable, scores: Mapping[str, float], notes: list[str]) -> ObjectTruths:
    """The objects of the pictures that were compared with ground truth; slices of one volume count as one picture.

    Parameters
    ----------
    table : AuditTable
    scores : mapping of str to float
        Scores of the pictures, by id.
    notes : list of str
        Remarks are added here.

    Raises
    ------
    BadInput
        The audit knows the IoU of no object, or its masks seem to be the truth itself.
    """
    rows = [row for row in read_objects(table.folder) if row.get("iou") is not None]
    if not rows:
        fix = "audit again with --ground-truth, --voc-root or --data"
        raise BadInput(table.folder, "knows the IoU of no object", fix)
    if len(rows) > 1 and min(row["iou"] for row in rows) == 1:
        reason = "has an IoU of 1 throughout: these seem to be the true masks themselves"
        raise BadInput(table.folder, reason, "audit predictions: the objects of true masks say nothing about these")
    note_unfair_sample("labelled", {row["id"] for row in table.rows if row.get("dice") is not None}, scores, notes)
    pictures = [table.by_id[row["id"]].get("volume") or row["id"] for row in rows]
    expected, ious, of_objects = (
        np.array([row[name] for row in rows], np.float64) for name in ("expected_iou", "iou", "score")
    )
    return ObjectTruths(np.unique(pictures, return_inverse=True)[1], of_objects, expected, ious)
