"""The columns that a calibration adds to an audit, and what it says of the audit as a whole."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from segqc.base.lazy import Computed
from segqc.calibration.calibration import Calibration
from segqc.calibration.drift import SMALLEST_SAMPLE, compare_scores
from segqc.calibration.objects import ObjectCalibration
from segqc.results.schema import DECISION_COLUMNS, OBJECT_DECISION_COLUMNS, names

_ADDED, _ADDED_TO_OBJECTS = names(DECISION_COLUMNS), names(OBJECT_DECISION_COLUMNS)


def judge_rows(rows: Sequence[dict[str, Any]], calibration: Calibration) -> Sequence[dict[str, Any]]:
    """Rows of an audit with `DECISION_COLUMNS`, in the same order; they are made as they are asked for.

    `decision` is that of `Calibration.judge`, one prediction alone; `flagged` is the batch's: Benjamini and Hochberg
    over all scored rows. A row that could not be scored is for review and has no numbers.
    """
    scored = [place for place, row in enumerate(rows) if row["status"] == "ok"]
    flags = dict[int, bool]()
    if calibration.accepted is not None:
        judgements = (calibration.judge(rows[place]["score"]) for place in scored)
        p_values = [found.p_value for found in judgements if found.p_value is not None]
        flags = dict(zip(scored, calibration.flag(p_values).tolist(), strict=True))

    def judged(place: int) -> dict[str, Any]:
        row = rows[place]
        if row["status"] != "ok":
            return row | dict.fromkeys(_ADDED) | {"decision": "review" if calibration.decides else None}
        found = calibration.judge(row["score"])
        low, high = found.interval or (None, None)
        numbers = (found.p_value, flags.get(place), found.expected_dice, low, high, found.decision)
        return row | dict(zip(_ADDED, numbers, strict=True))

    return Computed(len(rows), judged)


def judge_objects(objects: Sequence[dict[str, Any]], calibration: ObjectCalibration) -> Sequence[dict[str, Any]]:
    """Rows of objects.csv with `OBJECT_DECISION_COLUMNS`, in the same order; empty for objects that a mask lacks. They
    are made as they are asked for.
    """

    def judged(place: int) -> dict[str, Any]:
        row = objects[place]
        ends, decision = None, None
        if row["expected_iou"] is not None:
            ends, decision = calibration.judge(row["score"], row["expected_iou"])
        return row | dict(zip(_ADDED_TO_OBJECTS, (*(ends or (None, None)), decision), strict=True))

    return Computed(len(objects), judged)


def summarise_decisions(
    rows: Sequence[dict[str, Any]], objects: Sequence[dict[str, Any]], calibration: Calibration
) -> dict[str, Any]:
    """What the calibration says of judged rows and objects together: counts, promises, and whether the scores have
    moved away from it.
    """
    scores = np.array([row["score"] for row in rows if row["status"] == "ok"])
    summary: dict[str, Any] = {
        "source": calibration.source,
        "audit": calibration.audit,
        "decisions": _decisions(rows),
        "flagged": sum(bool(row["flagged"]) for row in rows),
        "fdr": calibration.goals.fdr,
        "objects": None if calibration.objects is None else _decisions(objects),
        "statements": calibration.statements(),
        "warnings": list(calibration.notes) + ([calibration.warning] if calibration.warning else []),
    }
    if calibration.accepted is not None and len(scores):
        # Benjamini and Hochberg flag k of m only when k p-values are at most k fdr / m, and no p-value is below 1 / (n
        # + 1).
        needed = int(np.ceil(len(scores) / (calibration.goals.fdr * (len(calibration.accepted) + 1)) - 1e-9))
        if needed > 1:
            summary["statements"].append(
                f"with {len(calibration.accepted)} accepted predictions and a batch of {len(scores)}, flagging begins "
                f"when {needed} of the batch score above all accepted ones; more accepted help"
            )
    if len(scores) >= SMALLEST_SAMPLE and len(calibration.reference) >= SMALLEST_SAMPLE:
        drift = compare_scores(scores, np.array(calibration.reference))
        summary["drift"] = {
            "statistic": drift.statistic,
            "p_value": drift.p_value,
            "direction": drift.direction,
            "drifted": drift.drifted,
        }
        if drift.drifted:
            summary["warnings"].append(f"drift: {drift}; what the calibration says may no longer hold")
    return summary


def _decisions(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["decision"] for row in rows if row["decision"] is not None))
