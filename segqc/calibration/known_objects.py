"""The objects of an audit whose IoU is known."""

from collections.abc import Mapping

import numpy as np

from segqc.base.errors import BadInput
from segqc.calibration.objects import ObjectTruths
from segqc.calibration.sample import note_unfair_sample
from segqc.results.objects import read_object_columns
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
    objects = read_object_columns(table.folder, ("id", "iou", "expected_iou", "score"), known="iou")
    ids = objects["id"]
    if not ids:
        fix = "audit again with --ground-truth, --voc-root or --data"
        raise BadInput(table.folder, "knows the IoU of no object", fix)
    if len(ids) > 1 and min(objects["iou"]) == 1:
        reason = "has an IoU of 1 throughout: these seem to be the true masks themselves"
        raise BadInput(table.folder, reason, "audit predictions: the objects of true masks say nothing about these")
    note_unfair_sample("labelled", {row["id"] for row in table.rows if row.get("dice") is not None}, scores, notes)
    pictures = [table.by_id[id_].get("volume") or id_ for id_ in ids]
    expected, ious, of_objects = (np.array(objects[name], np.float64) for name in ("expected_iou", "iou", "score"))
    return ObjectTruths(np.unique(pictures, return_inverse=True)[1], of_objects, expected, ious)
