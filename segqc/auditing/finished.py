"""The rows of an audit, made from what its parts hold each time that they are asked for (`segqc.base.lazy`)."""

from collections.abc import Sequence
from typing import Any

from segqc.auditing.decisions import judge_objects
from segqc.auditing.job import AuditJob
from segqc.auditing.rows import error_row
from segqc.auditing.volume_tables import with_volumes
from segqc.base.lazy import Computed
from segqc.calibration.calibration import Calibration
from segqc.results.heatmaps import Heatmaps

Entries = Sequence[dict[str, Any]]
"""What a part holds of each pair of the job, in its order: "files", "row", and "objects"."""


def finished_rows(job: AuditJob, entries: Entries, heatmaps: Heatmaps | None) -> Sequence[dict[str, Any]]:
    """Rows of the pairs with their paths as they are now, then of what makes no pair."""

    def row(place: int) -> dict[str, Any]:
        pair, found = job.pairs[place], entries[place]["row"]
        heat = heatmaps.name(pair.id) if heatmaps is not None and found["status"] == "ok" else None
        return found | {"image": str(pair.image), "prediction": str(pair.mask), "heatmap": heat}

    finished = with_volumes(Computed(len(job.pairs), row), job.volumes or ())
    errors = [error_row(problem) for problem in job.problems]
    return Computed(
        len(finished) + len(errors),
        lambda place: finished[place] if place < len(finished) else errors[place - len(finished)],
    )


def finished_objects(entries: Entries, calibration: Calibration | None) -> Sequence[Sequence[dict[str, Any]]]:
    """The objects of each pair, with what the calibration says of them if it says something."""
    judge = None if calibration is None else calibration.objects
    return Computed(
        len(entries),
        lambda place: entries[place]["objects"] if judge is None else judge_objects(entries[place]["objects"], judge),
    )
