"""The volumes of an audit, ranked: a row for each, and one for each of its classes where there is ground truth."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from segqc.auditing.folder import volumes_journal
from segqc.auditing.job import AuditJob
from segqc.auditing.rows import Comparison, rank_rows
from segqc.auditing.volume_score import volume_score, worst_slices
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.fingerprints import file_stamp
from segqc.base.journal import Journal
from segqc.base.lazy import Computed
from segqc.base.parallel import ordered_map
from segqc.base.tables import write_table
from segqc.data.pairs import Problem
from segqc.data.reader import PairReader
from segqc.data.volumes.slices import SlicedVolume
from segqc.results.schema import VOLUME_TABLE, names

_MEASURED = ("dice", "msd", "hd95", "missed", "spurious")


def write_volumes(
    out: Path,
    job: AuditJob,
    reader: PairReader,
    slices: Sequence[dict[str, Any]],
    comparison: Comparison | None,
    header: dict[str, Any],
    console: Console | None,
) -> Sequence[dict[str, Any]]:
    """Rank the volumes of a job by their slices, compare them with ground truth in three dimensions, and write
    volumes.csv and, where there is ground truth, volume_classes.csv; both as Parquet too.

    Parameters
    ----------
    out : Path
        The audit's folder.
    job : AuditJob
        With volumes.
    reader : PairReader
    slices : sequence of dict
        Rows of the audit.
    comparison : Comparison or None
    header : dict
        What scores and metrics depend on: what was measured is kept in a journal with this header.
    console : Console or None
        Where progress goes.

    Returns
    -------
    sequence of dict
        Rows of volumes.csv, worst first.
    """
    by_id = {row["id"]: row for row in slices}
    rows, classes = [_problem_row(problem) for problem in job.problems], list[dict[str, Any]]()
    volumes = job.volumes or ()
    with Journal(volumes_journal(out), header) as journal, make_progress(console) as progress:
        task = progress.add_task("measuring volumes", total=len(volumes), visible=any(v.compared for v in volumes))
        for volume in volumes:
            row = _volume_row(volume, [by_id[id_] for id_ in volume.slices])
            if volume.compared and comparison is not None:
                measured, of_classes = _measured(volume, reader, comparison, journal)
                reason = measured.pop("reason", "")
                row |= measured | {"reason": "; ".join(filter(None, (row["reason"], reason)))}
                classes += of_classes
            rows.append(row)
            progress.advance(task)
    ranked = rank_rows(rows)
    for suffix in ("csv", "parquet"):
        write_table(out / f"volumes.{suffix}", ranked, names(VOLUME_TABLE))
        if classes:
            write_table(out / f"volume_classes.{suffix}", classes, list(classes[0]))
    return ranked


def with_volumes(rows: Sequence[dict[str, Any]], volumes: Sequence[SlicedVolume]) -> Sequence[dict[str, Any]]:
    """Rows of slices with the volume that they are of, and their spacing."""
    known = {id_: volume for volume in volumes for id_ in volume.slices}
    return Computed(len(rows), lambda place: _with_volume(rows[place], known)) if known else rows


def _with_volume(row: dict[str, Any], known: Mapping[str, SlicedVolume]) -> dict[str, Any]:
    return row | _of_slice(known[row["id"]])


def summarise_volumes(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, mean Dice, and the worst volume, for the audit's summary."""
    scored = [row for row in rows if row["status"] == "ok"]
    dice = [row["dice"] for row in scored if row["dice"] is not None]
    worst = scored[0] if scored else None
    return {
        "volumes": len(rows),
        "scored": len(scored),
        "errors": len(rows) - len(scored),
        "mean_dice": float(np.mean(dice)) if dice else None,
        "worst": worst and {"id": worst["id"], "score": worst["score"], "slices": worst["worst_slices"].split(";")},
    }


def _volume_row(volume: SlicedVolume, slices: Sequence[dict[str, Any]]) -> dict[str, Any]:
    row = dict.fromkeys(names(VOLUME_TABLE)) | {
        "id": volume.id,
        "status": "ok",
        "reason": "; ".join(volume.remarks),
        "slices": len(slices),
        "spacing": ";".join(f"{size:g}" for size in volume.spacing),
        "image": str(volume.files.picture),
        "prediction": str(volume.files.labels),
    }
    good = [slice_ for slice_ in slices if slice_["status"] == "ok"]
    failed = [slice_ for slice_ in slices if slice_["status"] != "ok"]
    if failed:
        said = f"{len(failed)} slices could not be scored, such as {failed[0]['id']}: {failed[0]['reason']}"
        row["reason"] = "; ".join(filter(None, (row["reason"], said)))
    if not good:
        return row | {"status": "error", "scored": 0}
    ids = [slice_["id"] for slice_ in good]
    scores, weights = [slice_["score"] for slice_ in good], [slice_["volume_weight"] for slice_ in good]
    return row | {
        "score": volume_score(scores, weights),
        "worst_slices": ";".join(worst_slices(ids, scores, weights)),
        "highest_slice_score": max(scores),
        "scored": len(good),
        "empty": sum(not slice_["classes"] for slice_ in good),
    }


def _of_slice(volume: SlicedVolume) -> dict[str, str]:
    return {"volume": volume.id, "spacing": ";".join(f"{size:g}" for size in volume.spacing[1:])}


def _problem_row(problem: Problem) -> dict[str, Any]:
    return dict.fromkeys(names(VOLUME_TABLE)) | {
        "id": problem.id,
        "status": "error",
        "reason": problem.reason,
        "prediction": str(problem.path),
    }


def _measured(
    volume: SlicedVolume, reader: PairReader, comparison: Comparison, journal: Journal
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Cells of a volume's row, and rows of its classes."""
    stamps = [file_stamp(path) for path in volume.files.all]
    kept = journal.rows.get(volume.id)
    if kept is None or kept["files"] != stamps:
        kept = {"files": stamps, **_compare(volume, reader, comparison)}
        journal.append(volume.id, kept)
    return dict(kept["cells"]), kept["classes"]


def _compare(volume: SlicedVolume, reader: PairReader, comparison: Comparison) -> dict[str, Any]:
    """Prediction and truth as they were read for the slices, stacked."""
    try:
        prediction = _stack(reader.prediction, [pair.mask for pair in volume.pairs])
        truth = _stack(reader.truth, [pair.ground_truth for pair in volume.pairs])
    except BadInput as error:
        return {"cells": {"reason": f"not compared: {error}"}, "classes": []}
    cells, classes = comparison.measure_volume(volume.id, prediction, truth, reader.labels, volume.spacing)
    return {"cells": {name: cells[name] for name in _MEASURED}, "classes": classes}


def _stack(read: Callable[[Path], np.ndarray], paths: Sequence[Path | None]) -> np.ndarray:
    """Masks of slices as one volume, uint8 `[slices, rows, columns]`."""
    return np.stack(list(ordered_map(read, [path for path in paths if path is not None])))
