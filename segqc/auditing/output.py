"""What an audit writes when its rows are known: tables, contact sheet, review page and summary."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.decisions import summarise_decisions
from segqc.auditing.job import AuditJob, Scorers
from segqc.auditing.objects import write_objects
from segqc.auditing.rows import WITHOUT_DICE, Comparison
from segqc.base.console import make_progress
from segqc.base.devices import peak_memory_gib
from segqc.base.files import write_json
from segqc.base.lazy import Computed
from segqc.base.parallel import ordered_map
from segqc.base.settings import to_json
from segqc.base.storage.paths import as_path
from segqc.base.tables import write_table
from segqc.base.version import __version__
from segqc.calibration.calibration import Calibration
from segqc.data.inspection.survey import commonest_reason
from segqc.data.pairs import Pair
from segqc.data.reader import PairReader
from segqc.gallery.contact_sheet import ContactSheet
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.object_sheet import ObjectSheet, largest_suspects
from segqc.gallery.page import write_gallery
from segqc.results.schema import HARDLY_SEEN, NOT_COMPARED, RESIZED, audit_columns, split_list
from segqc.results.table import SUMMARY

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_COMPARED_AT_LEAST = 3  # with fewer pictures there is no ranking to judge


class Spent(NamedTuple):
    """Wall-clock time of an audit, and how many pairs it scored in that time."""

    seconds: float
    scored: int


def summarise(
    config: AuditConfig,
    job: AuditJob,
    scorers: Scorers,
    rows: Sequence[dict[str, Any]],
    objects: Sequence[dict[str, Any]],
    comparison: Comparison | None,
    calibration: Calibration | None,
    spent: Spent,
) -> dict[str, Any]:
    """The audit's summary.json: counts, score quantiles, what the calibration says, and how well the ranking did where
    ground truth is known.
    """
    seen = _Seen.of(rows)
    scores = np.array(seen.scores)
    summary: dict[str, Any] = {
        "judged": job.judged,
        "predictions": len(rows),
        "scored": len(scores),
        "errors": len(rows) - len(scores),
        "resized": seen.warnings[RESIZED],
        "hardly_seen": seen.warnings[HARDLY_SEEN],
        "score_quantiles": {str(q): float(np.quantile(scores, q)) for q in _QUANTILES} if len(scores) else None,
        "method": scorers.any.model.config.method,
        "runtime": scorers.any.runtime,
        "model": {"folder": str(job.models[0].resolve()), "fingerprint": scorers.fingerprint},
        "seconds": round(spent.seconds, 1),
        "pairs_per_second": round(spent.scored / spent.seconds, 2) if spent.scored else None,
        "peak_memory_gib": peak_memory_gib(scorers.any.model.device),
        "config": to_json(config),
        "working_directory": str(Path.cwd()),
        "segqc": __version__,
    } | job.facts
    if job.without is not None:
        summary |= {"images_without_prediction": len(job.without), "ids_without_prediction": job.without}
    if calibration is not None:
        summary["calibration"] = summarise_decisions(rows, objects, calibration)
    if comparison is not None:
        summary |= _compare(seen, job, comparison, config.ground_truth is not None)
    return summary


@dataclass
class _Seen:
    """What the summary counts in the rows that were scored, from one look at each.

    Attributes
    ----------
    scores : list of float
    compared : list of (float, float)
        Score and Dice where ground truth is known.
    refused : list of (str, str)
        Id of each row whose ground truth cannot be used, and why.
    warnings : Counter of str
    """

    scores: list[float] = field(default_factory=list)
    compared: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> "_Seen":
        seen = cls()
        for row in rows:
            if row["status"] != "ok":
                continue
            seen.scores.append(row["score"])
            if row["dice"] is not None:
                seen.compared.append((row["score"], row["dice"]))
            warnings = split_list(row["warnings"])
            seen.warnings.update(warnings)
            if NOT_COMPARED in warnings:
                seen.refused.append((row["id"], row["reason"].rpartition(WITHOUT_DICE)[2]))
        return seen


def _compare(seen: _Seen, job: AuditJob, comparison: Comparison, was_given: bool) -> dict[str, Any]:
    """How well the ranking did where ground truth is known, and, where it was given, why something is not known."""
    compared, refused = seen.compared, seen.refused
    without = [pair.id for pair in job.pairs if pair.ground_truth is None]
    if len(without) == len(job.pairs) and not was_given:
        return {}
    found: dict[str, Any] = {}
    if len(compared) >= _COMPARED_AT_LEAST:
        quality = comparison.judge([score for score, _ in compared], [dice for _, dice in compared])
        found["quality"] = {"compared": len(compared)} | quality
    else:
        found["not_judged"] = f"{len(compared)} predictions could be compared with ground truth; a ranking takes three"
    if refused:
        found["not_compared"] = commonest_reason(refused)
    if without:
        found["without_ground_truth"] = len(without)
    return found


def write_audit(
    config: AuditConfig,
    job: AuditJob,
    reader: PairReader,
    rows: Sequence[dict[str, Any]],
    objects: Sequence[dict[str, Any]],
    of_pictures: Sequence[Sequence[dict[str, Any]]],
    summary: dict[str, Any],
    console: Console | None,
) -> None:
    """Write tables, contact sheets and review page to `config.out`, and last the summary, by which a finished audit is
    known. Sheet and page are drawn from one decoding of each file. `of_pictures`: the objects of each pair.
    """
    for name in ("scores.csv", "scores.parquet"):
        write_table(config.out / name, rows, audit_columns("calibration" in summary, job.volumes is not None))
    of_objects = "calibration" in summary and summary["calibration"]["objects"] is not None
    write_objects(config.out, objects, job.compared, of_objects)
    places = {pair.id: place for place, pair in enumerate(job.pairs)}
    if not summary["scored"]:  # nothing to look at
        write_json(config.out / SUMMARY, summary)
        return
    labels, quality = reader.labels, summary.get("quality", {})

    def entry(rank: int) -> GalleryEntry:
        row = rows[rank]
        return _entry(row, job.pairs[places[row["id"]]] if row["image"] else None, config.out, reader)

    def objects_of(id_: str) -> list[dict[str, Any]]:
        return sorted(of_pictures[places[id_]], key=lambda row: (-row["score"], row["object"])) if id_ in places else []

    entries = Computed(len(rows), entry)
    sheet = ContactSheet(entries[: config.top], labels, judged=job.judged)
    object_sheet = ObjectSheet(largest_suspects(objects, config.top), labels)

    def show(place: int, layers: Layers) -> None:
        sheet.add(place, layers)
        object_sheet.add(layers)

    with make_progress(console) as progress:
        task = progress.add_task("gallery", total=len(entries))
        write_gallery(
            config.out / "gallery.html",
            entries,
            labels,
            title=job.title,
            summary={name: value for name, value in quality.items() if name in ("mean_dice", "spearman")} | summary,
            objects_of=objects_of,
            name=config.out.resolve().name,
            judged=job.judged,
            on_read=show,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    sheets: dict[str, ContactSheet | ObjectSheet] = {"contact_sheet.png": sheet, "objects.png": object_sheet}
    for _ in ordered_map(lambda name: sheets[name].write(config.out / name), sheets):
        pass
    write_json(config.out / SUMMARY, summary)


def _entry(row: dict[str, Any], pair: Pair | None, out: Path, reader: PairReader) -> GalleryEntry:
    """A row with its pictures; one that makes no pair has none."""
    if pair is None:
        return GalleryEntry(row, as_path(row["prediction"]))
    heat = out / row["heatmap"] if row["heatmap"] else None
    shown = heat if heat is not None and heat.is_file() else None
    return GalleryEntry(row, pair.image, pair.mask, shown, pair.ground_truth, reader=reader)
