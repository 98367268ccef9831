"""The columns that a calibration adds to an audit, and what it says of the audit as a whole."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from segqc.calibration.calibration import Calibration
from segqc.calibration.drift import SMALLEST_SAMPLE, compare_scores
from segqc.results.schema import DECISION_COLUMNS, names

_ADDED = names(DECISION_COLUMNS)


def judge_rows(rows: Sequence[dict[str, Any]], calibration: Calibration) -> list[dict[str, Any]]:
    """Rows of an audit with `DECISION_COLUMNS`, in the same order.

    `decision` is that of `Calibration.judge`, one prediction alone; `flagged` is the batch's: Benjamini and Hochberg
    over all scored rows. A row that could not be scored is for review and has no numbers.
    """
    judged = []
    for row in rows:
        if row["status"] != "ok":
            judged.append(row | dict.fromkeys(_ADDED) | {"decision": "review"})
            continue
        found = calibration.judge(row["score"])
        low, high = found.interval or (None, None)
        numbers = (found.p_value, None, found.expected_dice, low, high, found.decision)
        judged.append(row | dict(zip(_ADDED, numbers, strict=True)))
    if calibration.accepted is not None:
        scored = [row for row in judged if row["status"] == "ok"]
        for row, flagged in zip(scored, calibration.flag([row["p_value"] for row in scored]).tolist(), strict=True):
            row["flagged"] = flagged
    return judged


def summarise_decisions(rows: Sequence[dict[str, Any]], calibration: Calibration) -> dict[str, Any]:
    """What the calibration says of judged rows together: counts, promises, and whether the scores have moved away from
    it.
    """
    scores = np.array([row["score"] for row in rows if row["status"] == "ok"])
    summary: dict[str, Any] = {
        "source": calibration.source,
        "audit": calibration.audit,
        "decisions": dict(Counter(row["decision"] for row in rows if row["decision"] is not None)),
        "flagged": sum(bool(row["flagged"]) for row in rows),
        "fdr": calibration.goals.fdr,
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
