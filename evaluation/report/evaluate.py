"""`segqc evaluate`: judge an audit against ground truth, beside every baseline a sceptic would name.

Whatever was computed is kept under `out`: the same command continues a killed run, and repeats only what its settings
change.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from evaluation.corruption.suite import run_suite, score_masks
from evaluation.metrics.class_table import CLASS_COLUMNS, SUMMARY_COLUMNS, summarise_classes
from evaluation.metrics.mask_features import MASK_FEATURES
from evaluation.ranking.correlation import usual_resamples
from evaluation.ranking.judging import judge, judge_empty, table_columns
from evaluation.ranking.undefined import few_failures, undefined_figures
from evaluation.report.answer import make_answer
from evaluation.report.config import EvaluateConfig
from evaluation.report.contenders import Contender, contenders
from evaluation.report.evaluation import Evaluation
from evaluation.report.objects import study_objects, write_object_tables
from evaluation.report.page import Report, ReportTable, render_report
from evaluation.report.pictures import draw_pictures, published_of
from evaluation.report.study import Study, make_study
from segqc.base.console import make_progress
from segqc.base.devices import find_device
from segqc.base.files import atomic_path, write_json
from segqc.base.parallel import ordered_map
from segqc.base.ray_cluster import ray_cluster
from segqc.base.settings import to_json
from segqc.base.tables import write_table
from segqc.base.version import __version__
from segqc.data.pairs import Pair
from segqc.model.folder import fingerprint, load_model
from segqc.quality_control import QualityControl

AREA = MASK_FEATURES.index("area")
_MANY = 10_000
"""Images from which methods are judged in threads. With fewer, these wait for the interpreter's lock: on two cores 241
images take a fifth longer by threads, 20,000 a third less."""
EMPTY_CAPTION = (
    "Share of the other images that a method takes for better than such a prediction, whose Dice is 0; a tie counts "
    "one half. At 1 none of them is missed; at 0 they look perfect."
)
CLASSES_CAPTION = (
    "Over the images with the class in prediction or truth; medians of distances where both have it (-: in no image)."
)
CORRUPTIONS_CAPTION = (
    "A known error in a true mask against the untouched mask; wins: over the same picture's own untouched mask. "
    "A line without figures: the error fits into none of these masks."
)


def evaluate(config: EvaluateConfig, console: Console | None = None) -> Evaluation:
    """Measure, score, judge and write `config.out`.

    Parameters
    ----------
    config : EvaluateConfig
    console : Console, optional
        Where progress goes; None is silent.

    Returns
    -------
    Evaluation

    Raises
    ------
    BadInput
        No finished audit, no ground truth, fewer than three images to judge, or an option that names nothing.
    """
    find_device(config.device)  # before the work, not after half of it
    with ray_cluster(config.ray_address, "cpu") if config.engine == "ray" else nullcontext() as cluster:
        if console is not None and cluster is not None:
            console.print(str(cluster))
        study = make_study(config, console, cluster)
        entered = contenders(config, study, console, cluster)
        objects = study_objects(study, config.seed, console, cluster)
    top = min(config.top, len(study.examples))
    methods = entered.methods
    scores = {method.name: method.scores for method in methods}
    if len(scores) < len(methods):
        raise ValueError(f"Expected methods with different names, but got {[method.name for method in methods]}")
    resamples = config.resamples or usual_resamples(len(study.examples))
    with make_progress(console) as progress:

        def each(judged: Callable[[str], dict[str, Any]], names: Iterable[str]) -> Iterable[dict[str, Any]]:
            found = (map if len(study.examples) < _MANY else ordered_map)(judged, names)
            return progress.track(found, len(scores), description="intervals")

        rows = judge(scores, study.quality, methods[0].name, top, config.threshold, resamples, config.seed, each)
    corruptions = _corruptions(config, study, console) if config.corruptions else None
    groups = {method.name: method.group for method in methods}
    answer = make_answer(rows, groups, scores, study.quality, config.threshold, resamples, config.seed)
    found = Evaluation(
        answer,
        rows,
        groups,
        entered.absent,
        study,
        corruptions,
        top,
        config.out,
        undefined_figures(rows, scores, study.quality, top, config.threshold),
        config.threshold,
        (*entered.notes, *filter(None, [few_failures(study.quality.dice, config.threshold)])),
        resamples,
        objects,
    )
    _write(config, found, methods)
    return found


def _corruptions(config: EvaluateConfig, study: Study, console: Console | None) -> list[dict[str, Any]]:
    summary = study.audit.summary
    folder, levels = Path(summary["model"]["folder"]), study.audit.settings["levels"]
    tiles = study.audit.settings.get("tiles")
    qc = QualityControl(load_model(folder, config.device), None if levels is None else tuple(levels), tiles=tiles)
    items = [
        Pair(example.id, example.image, truth) for example, truth in zip(study.examples, study.truths, strict=True)
    ]
    report = run_suite(
        partial(score_masks, qc),
        items,
        study.reader.truths or study.labels,
        seed=config.seed,
        out=config.out,
        console=console,
        scorer_id=f"{fingerprint(folder)} levels {levels} {qc.runtime}"
        + (f" tiles {qc.tiles}" if qc.tiles > 1 else ""),
        pictures=study.reader.pictures,
        max_items=config.corruptions,
        resamples=config.resamples or usual_resamples(config.corruptions),
        device=qc.model.device,
    )
    return report.table


def _write(config: EvaluateConfig, found: Evaluation, methods: Sequence[Contender]) -> None:
    """Tables, figures, page and evaluation.json."""
    study, out = found.study, config.out
    grouped = [row | {"group": found.groups[row["method"]]} for row in found.rows]
    summary = summarise_classes(study.classes, study.labels.names, len(study.examples), study.labels.background)
    empty = judge_empty(
        {method.name: method.scores for method in methods}, study.features[:, AREA] == 0, study.quality.dice
    )
    images, image_columns = _image_rows(study, methods)
    for suffix in ("csv", "parquet"):
        write_table(out / f"methods.{suffix}", grouped, ["group", *table_columns()])
        write_table(out / f"classes.{suffix}", study.classes, CLASS_COLUMNS)
        write_table(out / f"images.{suffix}", images, image_columns)
    write_table(out / "class_summary.csv", summary, SUMMARY_COLUMNS)
    if found.objects is not None:
        write_object_tables(out, found.objects, study.labels.name)
    facts = _facts(config, found)
    report = Report(
        title=f"Evaluation of {config.audit.name or config.audit}",
        answer=found.answer,
        facts=facts,
        rows=found.rows,
        groups=found.groups,
        needs={method.name: method.needs for method in methods},
        absent=found.absent,
        published=published_of(methods),
        pictures=draw_pictures(config, found, methods),
        tables=_tables(found, summary, empty),
        top=found.top,
        threshold=config.threshold,
        undefined=found.undefined_notes(),
    )
    with atomic_path(out / "report.html") as temporary:
        temporary.write_text(render_report(report), encoding="utf-8")
    record = {"config": to_json(config), "segqc": __version__, "images": len(study.examples), "facts": facts}
    record["answer"] = {"sentences": found.answer.sentences, "lines": found.answer.lines}
    write_json(
        out / "evaluation.json",
        record
        | {"absent": found.absent, "left_out": study.left_out, "rows": grouped, "empty": empty}
        | {"undefined": found.undefined, "reader": study.reader.to_dict()}
        | {"objects": None if found.objects is None else found.objects.summary},
    )


def _image_rows(study: Study, methods: Sequence[Contender]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each image, with its quality and the score of each method, None where it has none; and the columns."""
    quality = study.quality
    columns = {"dice": quality.dice, "msd": quality.msd, "hd95": quality.hd95}
    columns |= {method.name: method.scores for method in methods}
    rows: list[dict[str, Any]] = [{"id": id_} for id_ in study.ids]
    for name, values in columns.items():
        for row, value in zip(rows, values.tolist(), strict=True):
            row[name] = None if math.isnan(value) else value
    return rows, ["id", *columns]


def _facts(config: EvaluateConfig, found: Evaluation) -> list[str]:
    """Sentences below the report's title."""
    study = found.study
    statuses = [row["status"] for row in study.classes]
    failures = int((study.quality.dice < config.threshold).sum())
    counted = "count as the image diagonal" if config.undefined == "diagonal" else "count in no mean (left out)"
    facts = [
        f"{len(study.examples):,} images, mean Dice {study.quality.dice.mean():.3f}, {failures:,} of them below "
        f"{config.threshold:g}; {len(study.left_out):,} predictions left out. Of {len(statuses):,} classes in images, "
        f"{statuses.count('missed'):,} were missed and {statuses.count('spurious'):,} spurious; their distances "
        f"{counted}.",
        f"Metrics by {config.metrics_backend}, distances in {study.unit}; {found.resamples:,} bootstrap resamples, "
        f"seed {config.seed}; segqc {__version__}.",
    ]
    return [*facts, *found.notes, found.top_note] if found.top_note else [*facts, *found.notes]


def _tables(
    found: Evaluation, class_summary: Sequence[Mapping[str, Any]], empty: Sequence[Mapping[str, Any]]
) -> list[ReportTable]:
    """Tables of the page beside those of the methods."""
    tables: list[ReportTable] = []
    if empty:
        tables.append(("Predictions without foreground, where the truth has some", EMPTY_CAPTION, empty))
    tables.append(("Classes", CLASSES_CAPTION, class_summary))
    if found.objects is not None:
        tables.append(("Objects", found.objects.caption, found.objects.rows))
    if found.corruptions is not None:
        lines = [_corruption_line(line) for line in found.corruptions]
        tables.append(("Corrupted ground truth", CORRUPTIONS_CAPTION, lines))
    if found.study.left_out:
        tables.append(("Left out", "", [{"id": id_, "why": why} for id_, why in found.study.left_out.items()]))
    return tables


def _corruption_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the suite's table, intervals in brackets."""
    shown = {"corruption": line["corruption"].replace("_", " "), "setting": line["setting"], "masks": line["pairs"]}
    for key, title in (("auroc", "AUROC"), ("win_rate", "wins")):
        shown[title] = (
            None if line[key] is None else f"{line[key]:.3f} [{line[f'{key}_low']:.2f}, {line[f'{key}_high']:.2f}]"
        )
    return shown | {"mean Dice of the corrupted": line["mean_dice"]}
