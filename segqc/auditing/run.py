"""`segqc audit`: a folder of predictions in, a ranked list of the suspect ones out.

Each pair is scored alone, so order, companions and worker count change nothing. A finished pair is a line in a journal
and a heat map on disk; the same command continues a killed audit. A pair that cannot be scored is a row with its
reason, never an exception and never silence.
"""

import dataclasses
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.decisions import judge_rows, summarise_decisions
from segqc.auditing.folder import HEATMAPS, claimed, journal_paths, start_afresh, written_paths
from segqc.auditing.job import AuditJob, Scorers
from segqc.auditing.rows import (
    COLUMNS,
    Comparison,
    ReadPair,
    error_row,
    pair_stamps,
    read_pair,
    score_pair,
)
from segqc.base.console import make_progress
from segqc.base.devices import make_accelerator, peak_memory_gib
from segqc.base.files import write_json
from segqc.base.journal import Journal
from segqc.base.parallel import ordered_map
from segqc.base.settings import to_json
from segqc.base.tables import write_table
from segqc.base.version import __version__
from segqc.calibration.calibration import Calibration
from segqc.calibration.storage import find_calibration
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, audit_pairs, find_voc
from segqc.gallery.contact_sheet import write_contact_sheet
from segqc.gallery.page import GalleryEntry, write_gallery
from segqc.model.folder import model_folder
from segqc.results.schema import HARDLY_SEEN, audit_columns, split_list


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes
    ----------
    rows : list of dict
        As in scores.csv, worst first, errors last.
    summary : dict
        As in summary.json.
    out : Path
        The audit's folder.
    """

    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    out: Path

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Rows of pairs that could not be scored."""
        return [row for row in self.rows if row["status"] == "error"]


def audit(
    config: AuditConfig,
    comparison: Comparison | None = None,
    console: Console | None = None,
    job: AuditJob | None = None,
) -> AuditReport:
    """Score every prediction, rank, and write tables, heat maps, contact sheet and gallery to `config.out`.

    Parameters
    ----------
    config : AuditConfig
    comparison : Comparison, optional
        Fills the `dice` column and the summary's `quality` where ground truth is given. The score never sees ground
        truth.
    console : Console, optional
        Where progress goes; None is silent.
    job : AuditJob, optional
        What to score by which model, and how to call it, from a caller who has claimed `config.out`
        (`segqc.auditing.folder`); by default the configuration's predictions by its model.

    Raises
    ------
    BadInput
        No predictions, no images, or no model there; `config.out` holds files of somebody else, or another audit is
        writing there. A bad pair is a row instead.
    """
    started = time.monotonic()
    config = dataclasses.replace(config, model=model_folder(config.model))
    accelerator = make_accelerator(config.device)
    claim = claimed(config.out, accelerator) if job is None else nullcontext()
    job = job or _predictions(config)
    scorers = Scorers(job.models, job.model_of, accelerator.device, config.levels)
    calibration = find_calibration(
        config.model, config.calibration, scorers.fingerprint, config.levels, scorers.any.model.config.score_levels
    )
    console = console if accelerator.is_main_process else None
    header = {
        "model": scorers.fingerprint,
        "levels": config.levels,
        "heatmaps": config.heatmaps,
        "compared": comparison is not None,
        "columns": COLUMNS,
        "version": __version__,
    }
    rank, world = accelerator.process_index, accelerator.num_processes
    paths = journal_paths(config.out, world)
    with claim:
        if accelerator.is_main_process and not any(Journal(path, header).rows for path in paths):
            start_afresh(config.out)
        accelerator.wait_for_everyone()
        scored = _score_all(
            scorers, job.pairs[rank::world], Journal(paths[rank], header), config, comparison, console, world
        )
        accelerator.wait_for_everyone()
        rows = _rows(job.pairs, [Journal(path, header) for path in paths]) + [
            error_row(problem) for problem in job.problems
        ]
        ranked = rank_rows(rows) if calibration is None else judge_rows(rank_rows(rows), calibration)
        summary = _summary(config, job, scorers, ranked, comparison, calibration, started, scored)
        if accelerator.is_main_process:
            _write(config, job, scorers.any.labels, ranked, summary, console)
        accelerator.wait_for_everyone()
    return AuditReport(ranked, summary, config.out)


def rank_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Worst first with ranks from 1; equal scores by id; errors last, without a score."""
    ordered = sorted(
        rows,
        key=lambda row: (row["status"] != "ok", -(row["score"] or 0.0) if row["status"] == "ok" else 0.0, row["id"]),
    )
    return [row | {"rank": place} for place, row in enumerate(ordered, 1)]


def _predictions(config: AuditConfig) -> AuditJob:
    """The predictions that the configuration names, all to be scored by its model."""
    sources = config.predictions, config.images, config.voc_root, _ground_truth(config), config.image_set
    found = audit_pairs(*sources, leave_out=written_paths(config.out))
    title, without = f"Audit of {config.predictions.name or config.predictions}", found.images_without_prediction
    return AuditJob(found.pairs, found.problems, (config.model,), title, without=without)


def _ground_truth(config: AuditConfig) -> Path | None:
    """The folder of true masks, if there is one."""
    if config.ground_truth is None and config.voc_root is not None:
        masks = find_voc(config.voc_root).masks
        return masks if masks.is_dir() and any(masks.iterdir()) else None
    return config.ground_truth


def _score_all(
    scorers: Scorers,
    pairs: Sequence[Pair],
    journal: Journal,
    config: AuditConfig,
    comparison: Comparison | None,
    console: Console | None,
    world: int,
) -> int:
    """Score the pairs that the journal does not hold as they are on disk; returns how many those were."""

    heatmaps = config.out / HEATMAPS if config.heatmaps else None

    def read(pair: Pair) -> ReadPair:
        return read_pair(scorers.of(pair), pair, comparison)

    todo = [pair for pair in pairs if not _is_scored(pair, journal, heatmaps)]
    with journal, make_progress(console, "note") as progress:
        if console and len(todo) < len(pairs):
            console.print(f"{len(pairs) - len(todo)} of {len(pairs)} pairs were scored before.")
        task = progress.add_task("scoring", total=len(todo), note="", visible=bool(todo))
        started, errors = time.monotonic(), 0
        for done, item in enumerate(ordered_map(read, todo), 1):
            row = score_pair(scorers.of(item.pair), item, heatmaps)
            journal.append(item.pair.id, {"files": item.stamps, "row": row})
            errors += row["status"] == "error"
            note = f"{world * done / (time.monotonic() - started):.1f} pairs/s" + (
                f"  {errors} errors" if errors else ""
            )
            progress.update(task, advance=1, note=note)
    return len(todo)


def _is_scored(pair: Pair, journal: Journal, heatmaps: Path | None) -> bool:
    """Whether the journal's row is of the very files that the pair has now, and its heat map, if there should be one,
    is there.
    """
    entry = journal.rows.get(pair.id)
    if entry is None or entry["files"] != pair_stamps(pair):
        return False
    return heatmaps is None or entry["row"]["status"] == "error" or (heatmaps / f"{pair.id}.png").is_file()


def _rows(pairs: Sequence[Pair], journals: Sequence[Journal]) -> list[dict[str, Any]]:
    """Finished rows, each from the journal of the process that had the pair, with the paths as they are written now."""
    found = (journals[place % len(journals)].rows[pair.id]["row"] for place, pair in enumerate(pairs))
    return [
        row | {"image": str(pair.image), "prediction": str(pair.mask)} for row, pair in zip(found, pairs, strict=True)
    ]


def _summary(
    config: AuditConfig,
    job: AuditJob,
    scorers: Scorers,
    rows: list[dict],
    comparison: Comparison | None,
    calibration: Calibration | None,
    started: float,
    scored: int,
) -> dict[str, Any]:
    """Counts, score quantiles, what the calibration says, and how well the ranking did where ground truth is known."""
    good = [row for row in rows if row["status"] == "ok"]
    compared = [row for row in good if row["dice"] is not None]
    seconds = time.monotonic() - started
    scores = np.array([row["score"] for row in good])
    summary: dict[str, Any] = {
        "judged": job.judged,
        "predictions": len(rows),
        "scored": len(good),
        "errors": len(rows) - len(good),
        "hardly_seen": sum(HARDLY_SEEN in split_list(row["warnings"]) for row in good),
        "score_quantiles": {str(q): float(np.quantile(scores, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
        if len(good)
        else None,
        "method": scorers.any.model.config.method,
        "model": {"folder": str(job.models[0].resolve()), "fingerprint": scorers.fingerprint},
        "seconds": round(seconds, 1),
        "pairs_per_second": round(scored / seconds, 2) if scored else None,
        "peak_memory_gib": peak_memory_gib(scorers.any.model.device),
        "config": to_json(config),
        "working_directory": str(Path.cwd()),
        "segqc": __version__,
    } | job.facts
    if job.without is not None:
        summary |= {"images_without_prediction": len(job.without), "ids_without_prediction": job.without}
    if calibration is not None:
        summary["calibration"] = summarise_decisions(rows, calibration)
    if comparison is not None and len(compared) >= 3:
        summary["quality"] = {"compared": len(compared)} | comparison.judge(
            [row["score"] for row in compared], [row["dice"] for row in compared]
        )
    return summary


def _write(
    config: AuditConfig,
    job: AuditJob,
    labels: LabelSpace,
    rows: list[dict],
    summary: dict[str, Any],
    console: Console | None,
) -> None:
    """Tables, contact sheet and gallery."""
    for name in ("scores.csv", "scores.parquet"):
        write_table(config.out / name, rows, audit_columns("calibration" in summary))
    by_id = {pair.id: pair for pair in job.pairs}
    entries = []
    for row in rows:
        pair = by_id.get(row["id"]) if row["image"] else None
        heat = config.out / HEATMAPS / f"{row['id']}.png"
        entries.append(
            GalleryEntry(
                row,
                pair.image if pair else Path(row["prediction"]),
                pair.mask if pair else None,
                heat if heat.is_file() and row["status"] == "ok" else None,
                pair.ground_truth if pair else None,
            )
        )
    write_contact_sheet(config.out / "contact_sheet.png", entries[: config.top], labels, judged=job.judged)
    # The page counts scored and failed pairs itself; its header shows the first few numbers given here.
    facts = summary | {
        name: value for name, value in summary.get("quality", {}).items() if name in ("mean_dice", "spearman")
    }
    first = (
        "folds",
        "images_without_prediction",
        "mean_dice",
        "spearman",
        "seconds",
        "pairs_per_second",
        "peak_memory_gib",
        "predictions",
    )
    header = {name: facts[name] for name in first if name in facts} | summary
    with make_progress(console) as progress:
        task = progress.add_task("gallery", total=len(entries))
        write_gallery(
            config.out / "gallery.html",
            entries,
            labels,
            title=job.title,
            summary=header,
            judged=job.judged,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    write_json(config.out / "summary.json", summary)
