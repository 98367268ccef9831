"""`segqc audit`: a folder of predictions in, a ranked list of the suspect ones out.

Each pair is scored alone, so order, companions and worker count change nothing. A finished pair is a line in a part
(`segqc.base.parts`) and a heat map on disk; the same command, with any number of processes, continues a killed
audit. A pair that cannot be scored is a row with its
reason, never an exception and never silence.
"""

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.decisions import judge_rows
from segqc.auditing.engine import device_here, engine_of, runtime_of, score_by
from segqc.auditing.finished import finished_objects, finished_rows
from segqc.auditing.first_look import reader_of
from segqc.auditing.folder import ROWS, claimed, parts_folder, start_afresh
from segqc.auditing.job import AuditJob, Scorers
from segqc.auditing.objects import rank_objects
from segqc.auditing.output import Spent, summarise, write_audit
from segqc.auditing.prediction_job import prediction_job, prediction_sources
from segqc.auditing.rows import (
    COLUMNS,
    OF_SLICES,
    Comparison,
    pair_stamps,
    rank_rows,
)
from segqc.auditing.shards import refuse_shard, shard_of
from segqc.auditing.volume_job import volume_job
from segqc.auditing.volume_tables import summarise_volumes, write_volumes
from segqc.auditing.worker import ScoringPlan
from segqc.base.console import make_progress
from segqc.base.devices import make_accelerator
from segqc.base.errors import BadInput
from segqc.base.parts import Parts
from segqc.base.ray_cluster import RayCluster
from segqc.base.tracking import check_trackers, numbers_in, tracking
from segqc.base.version import __version__
from segqc.calibration.storage import find_calibration
from segqc.data.choices import raise_limit
from segqc.data.inspection.survey import commonest_reason
from segqc.data.pairs import Pair
from segqc.data.prediction_sources import are_drawn
from segqc.data.reader import PairReader
from segqc.data.volumes.files import holds_volumes
from segqc.model.folder import load_config, model_folder
from segqc.results.heatmaps import IN_ONE_FOLDER, Heatmaps
from segqc.results.schema import object_columns


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes
    ----------
    rows : sequence of dict
        As in scores.csv, worst first, errors last. Each is made when it is asked for, as are objects.
    summary : dict
        As in summary.json.
    out : Path
        The audit's folder.
    volumes : sequence of dict
        As in volumes.csv, worst first; empty where pictures were audited.
    objects : sequence of dict
        As in objects.csv, worst first.
    """

    rows: Sequence[dict[str, Any]]
    summary: dict[str, Any]
    out: Path
    volumes: Sequence[dict[str, Any]] = field(default_factory=list)
    objects: Sequence[dict[str, Any]] = field(default_factory=list)

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
    check_trackers(config.track, config.out)
    config = dataclasses.replace(config, model=model_folder(config.model))
    with engine_of(config) as cluster:
        return _audit(config, comparison, console, job, cluster)


def _audit(
    config: AuditConfig,
    comparison: Comparison | None,
    console: Console | None,
    job: AuditJob | None,
    cluster: RayCluster | None,
) -> AuditReport:
    """`audit`, with the pairs scored by the cluster if there is one."""
    started = time.monotonic()
    accelerator = make_accelerator(device_here(config, cluster))
    claim = claimed(config.out, accelerator) if job is None else nullcontext()
    if job is None:
        config, job = _predictions(config, accelerator, console)
    runtime = runtime_of(config, cluster)
    console = console if accelerator.is_main_process else None
    scorers, reader = _load_and_look(config, job, runtime, accelerator, console)
    config = dataclasses.replace(config, tiles=scorers.any.tiles)
    calibration = find_calibration(
        config.model,
        config.calibration,
        scorers.fingerprint,
        config.levels,
        scorers.any.model.config.score_levels,
        scorers.any.tiles,
    )
    heatmaps = Heatmaps(config.out, spread=len(job.pairs) > IN_ONE_FOLDER) if config.heatmaps else None
    job = shard_of(job, config.shard)
    of_slices = job.volumes is not None
    columns = OF_SLICES if of_slices else COLUMNS
    header = {
        "model": scorers.fingerprint,
        "reader": reader.to_dict(),
        "levels": config.levels,
        "tiles": config.tiles,
        "runtime": scorers.any.runtime,
        "heatmaps": config.heatmaps,
        "compared": comparison is not None,
        "columns": columns,
        "object_columns": object_columns(compared=True, calibrated=False),
        "version": __version__,
    }
    plan = ScoringPlan(
        job.models,
        job.model_of,
        config.levels,
        scorers.any.tiles,
        scorers.any.runtime,
        scorers.fingerprint,
        reader,
        comparison,
        columns,
        heatmaps,
        config,
    )
    with claim:
        parts = _finished(config.out, header, accelerator)
        scored = _score_all(plan, scorers, job.pairs, parts, console, accelerator, cluster)
        accelerator.wait_for_everyone()
        if accelerator.num_processes > 1:
            parts.read_others()
        entries = parts.rows_of(pair.id for pair in job.pairs)
        of_pictures = finished_objects(entries, calibration)
        of_objects = calibration is not None and calibration.objects is not None
        objects = rank_objects([pair.id for pair in job.pairs], of_pictures, object_columns(job.compared, of_objects))
        ranked = rank_rows(finished_rows(job, entries, heatmaps))
        if calibration is not None:
            ranked = judge_rows(ranked, calibration)
        spent = Spent(time.monotonic() - started, scored)
        summary = summarise(config, job, scorers, ranked, objects, comparison, calibration, spent)
        summary["reader"] = reader.to_dict()
        volumes: Sequence[dict[str, Any]] = []
        if accelerator.is_main_process:
            if of_slices:
                volumes = write_volumes(config.out, job, reader, ranked, comparison, header, console)
                summary["volumes"] = summarise_volumes(volumes)
            write_audit(config, job, reader, ranked, objects, of_pictures, summary, console)
            _track(config, summary)
        accelerator.wait_for_everyone()
    if not summary["scored"]:
        why = commonest_reason([(row["prediction"] or row["id"], row["reason"]) for row in ranked])
        raise BadInput(
            config.predictions, f"nothing could be scored; {why}", f"all reasons are in {config.out / 'scores.csv'}"
        )
    return AuditReport(ranked, summary, config.out, volumes, objects)


def _load_and_look(
    config: AuditConfig, job: AuditJob, runtime: str, accelerator: Accelerator, console: Console | None
) -> tuple[Scorers, PairReader]:
    """The job's models, and how its files are read: these are looked at while the models are loaded."""
    with ThreadPoolExecutor(1) as beside:
        loading = beside.submit(
            Scorers, job.models, job.model_of, accelerator.device, config.levels, runtime, config.tiles
        )
        with accelerator.main_process_first():
            reader = reader_of(config, load_config(job.models[0]), job, console)
        return loading.result(), reader


def _track(config: AuditConfig, summary: dict[str, Any]) -> None:
    """Log the summary's numbers and the contact sheet to the trackers that the configuration names."""
    sheet = config.out / "contact_sheet.png"
    with tracking(config.track, parts_folder(config.out), config.out.resolve().name, summary["config"]) as trackers:
        if trackers is not None:
            trackers.log(numbers_in(summary), step=0)
            if sheet.is_file():
                trackers.picture(sheet.stem, sheet)


def _finished(out: Path, header: dict[str, Any], accelerator: Accelerator) -> Parts:
    """What is finished, as every process finds it before any of them writes.

    The main process first removes what an audit of other settings left.
    """
    with accelerator.main_process_first():
        parts = Parts(parts_folder(out), ROWS, accelerator.process_index, header)
        if accelerator.is_main_process and parts.empty:
            start_afresh(out)
            parts.read_others()
    accelerator.wait_for_everyone()
    return parts


def _predictions(
    config: AuditConfig, accelerator: Accelerator, console: Console | None
) -> tuple[AuditConfig, AuditJob]:
    """The predictions that the configuration names, all to be scored by its model; and the configuration, with the
    folders in which they, or their slices, lie.
    """
    raise_limit(config)
    if holds_volumes(config.predictions):
        refuse_shard(config.shard, "volumes")
        if config.instances is not None:
            raise BadInput("--instances", "applies to pictures, not to volumes", "leave it out")
        return volume_job(config, accelerator, console)
    sources = prediction_sources(config)
    if not are_drawn(sources):
        return prediction_job(config, sources)
    refuse_shard(config.shard, "annotations and data sets")
    with claimed(config.out, accelerator), accelerator.main_process_first():
        return prediction_job(config, sources)


def _score_all(
    plan: ScoringPlan,
    scorers: Scorers,
    pairs: Sequence[Pair],
    parts: Parts,
    console: Console | None,
    accelerator: Accelerator,
    cluster: RayCluster | None,
) -> int:
    """Score this process's share of the pairs that are not finished as they are on disk; returns its number."""
    world = accelerator.num_processes
    unfinished = [pair for pair in pairs if not _is_scored(pair, parts, plan.heatmaps)]
    accelerator.wait_for_everyone()  # a heat map of another process would make a pair look finished
    todo = unfinished[accelerator.process_index :: world]
    with parts.own, make_progress(console, "note") as progress:
        if console and len(unfinished) < len(pairs):
            console.print(f"{len(pairs) - len(unfinished)} of {len(pairs)} pairs were scored before.")
        if console and todo and cluster is not None:
            console.print(str(cluster))
        task = progress.add_task("scoring", total=len(todo), note="", visible=bool(todo))
        started, errors = time.monotonic(), 0
        for done, (id_, finished) in enumerate(score_by(cluster, plan, scorers, todo, world), 1):
            parts.append(id_, finished)
            errors += finished["row"]["status"] == "error"
            note = f"{world * done / (time.monotonic() - started):.1f} pairs/s" + (
                f"  {errors} errors" if errors else ""
            )
            progress.update(task, advance=1, note=note)
    return len(todo)


def _is_scored(pair: Pair, parts: Parts, heatmaps: Heatmaps | None) -> bool:
    """Whether the last row is of the very files that the pair has now, and its heat map, if there should be one, is
    there.
    """
    entry = parts.latest(pair.id)
    if entry is None or entry["files"] != pair_stamps(pair):
        return False
    return heatmaps is None or entry["row"]["status"] == "error" or heatmaps.holds(pair.id)
