"""`segqc evaluate`: judge an audit against ground truth, beside every baseline a sceptic would name.

Whatever was computed is kept under `out`: the same command continues a killed run, and repeats only what its settings
change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from evaluation.corruption.suite import run_suite, score_masks
from evaluation.metrics.class_table import CLASS_COLUMNS, SUMMARY_COLUMNS, summarise_classes
from evaluation.metrics.mask_features import MASK_FEATURES
from evaluation.ranking.judging import judge, judge_empty, table_columns
from evaluation.report import figures
from evaluation.report.config import EvaluateConfig
from evaluation.report.contenders import Contender, contenders
from evaluation.report.page import Picture, render_report
from evaluation.report.paper import DEEP_SVDD, GNSM, Published, with_published
from evaluation.report.study import Study, make_study
from segqc.base.devices import find_device
from segqc.base.files import atomic_path, write_json
from segqc.base.settings import to_json
from segqc.base.tables import write_table
from segqc.base.version import __version__
from segqc.data.pairs import Pair
from segqc.gallery.contact_sheet import write_contact_sheet
from segqc.gallery.layers import GalleryEntry
from segqc.model.folder import fingerprint, load_model
from segqc.quality_control import QualityControl

SHEET_ROWS = 24
AREA = MASK_FEATURES.index("area")
EMPTY_CAPTION = (
    "Share of the other images that a method takes for better than such a prediction, whose Dice is 0; a tie counts one half. At 1 none of them is "
    "missed; at 0 they look perfect."
)
_CURVES = ("on trial", "other audits", "probabilities", "second opinion", "supervised")


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes
    ----------
    rows : list of dict
        Of `evaluation.ranking.judging.judge`, the method on trial first.
    groups : dict of str to str
        Group of each method.
    absent : dict of str to str
        Methods without scores, and why.
    study : Study
    corruptions : list of dict or None
        Table of `evaluation.corruption.suite.run_suite`.
    top : int
        K of "the K ranked worst": the configuration's, or the number of images where these are fewer.
    out : Path
    """

    rows: list[dict[str, Any]]
    groups: dict[str, str]
    absent: dict[str, str]
    study: Study
    corruptions: list[dict[str, Any]] | None
    top: int
    out: Path

    @property
    def top_note(self) -> str:
        """What the columns of the K ranked worst are worth where they are all images; else nothing."""
        if self.top < len(self.study.examples):
            return ""
        return f"The {self.top} ranked worst are all {self.top} images: their columns say nothing of a ranking. Choose a smaller --top."


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
    study = make_study(config, console)
    top = min(config.top, len(study.examples))
    methods, absent = contenders(config, study, console)
    scores = {method.name: method.scores for method in methods}
    if len(scores) < len(methods):
        raise ValueError(f"Expected methods with different names, but got {[method.name for method in methods]}")
    rows = judge(scores, study.quality, methods[0].name, top, config.threshold, config.resamples, config.seed)
    corruptions = _corruptions(config, study, console) if config.corruptions else None
    found = Evaluation(
        rows, {method.name: method.group for method in methods}, absent, study, corruptions, top, config.out
    )
    _write(config, found, methods)
    return found


def _corruptions(config: EvaluateConfig, study: Study, console: Console | None) -> list[dict[str, Any]]:
    summary = study.audit.summary
    folder, levels = Path(summary["model"]["folder"]), study.audit.settings["levels"]
    qc = QualityControl(load_model(folder, config.device), None if levels is None else tuple(levels))
    items = [
        Pair(example.id, example.image, truth) for example, truth in zip(study.examples, study.truths, strict=True)
    ]
    report = run_suite(
        partial(score_masks, qc),
        items,
        study.labels,
        seed=config.seed,
        out=config.out,
        console=console,
        scorer_id=f"{fingerprint(folder)} levels {levels}",
        max_items=config.corruptions,
        resamples=config.resamples,
    )
    return report.table


def _write(config: EvaluateConfig, found: Evaluation, methods: Sequence[Contender]) -> None:
    study, out = found.study, config.out
    grouped = [row | {"group": found.groups[row["method"]]} for row in found.rows]
    summary = summarise_classes(study.classes, study.labels.names, len(study.examples), study.labels.background)
    names = ["id", "dice", "msd", "hd95", *(method.name for method in methods)]
    values = (study.quality.dice, study.quality.msd, study.quality.hd95, *(method.scores for method in methods))
    images = [
        {"id": id_}
        | {name: None if np.isnan(value) else float(value) for name, value in zip(names[1:], numbers, strict=True)}
        for id_, *numbers in zip(study.ids, *values, strict=True)
    ]
    for suffix in ("csv", "parquet"):
        write_table(out / f"methods.{suffix}", grouped, ["group", *table_columns()])
        write_table(out / f"classes.{suffix}", study.classes, CLASS_COLUMNS)
        write_table(out / f"images.{suffix}", images, names)
    write_table(out / "class_summary.csv", summary, SUMMARY_COLUMNS)
    pictures = _pictures(config, found, methods)
    statuses = [row["status"] for row in study.classes]
    failures = int((study.quality.dice < config.threshold).sum())
    facts = [
        f"{len(study.examples)} images, mean Dice {study.quality.dice.mean():.3f}, {failures} of them below "
        f"{config.threshold:g}; {len(study.left_out)} predictions left out. Of {len(statuses)} classes in images, {statuses.count('missed')} were "
        f"missed and {statuses.count('spurious')} spurious; their distances count as the image diagonal"
        + ("." if config.undefined == "diagonal" else " in no mean (left out)."),
        f"Metrics by {config.metrics_backend}; {config.resamples:,} bootstrap resamples, seed {config.seed}; segqc {__version__}.",
    ]
    if found.top_note:
        facts.append(found.top_note)
    tables: list[tuple[str, str, Sequence[Mapping[str, Any]]]] = []
    empty = judge_empty(
        {method.name: method.scores for method in methods}, study.features[:, AREA] == 0, study.quality.dice
    )
    if empty:
        tables.append(("Predictions without foreground, where the truth has some", EMPTY_CAPTION, empty))
    tables.append(
        (
            "Classes",
            "Over the images with the class in prediction or truth; medians of distances where both have it.",
            summary,
        )
    )
    if found.corruptions is not None:
        caption = (
            "A known error in a true mask against the untouched mask; wins: over the same picture's own untouched mask."
        )
        tables.append(("Corrupted ground truth", caption, [_corruption_line(line) for line in found.corruptions]))
    if study.left_out:
        tables.append(("Left out", "", [{"id": id_, "why": why} for id_, why in study.left_out.items()]))
    needs = {method.name: method.needs for method in methods}
    title = f"Evaluation of {config.audit.name or config.audit}"
    published = _published(methods)
    page = render_report(
        title,
        facts,
        found.rows,
        found.groups,
        needs,
        found.absent,
        published,
        pictures,
        tables,
        found.top,
        config.threshold,
    )
    with atomic_path(out / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    record = {"config": to_json(config), "segqc": __version__, "images": len(study.examples), "facts": facts}
    write_json(
        out / "evaluation.json",
        record | {"absent": found.absent, "left_out": study.left_out, "rows": grouped, "empty": empty},
    )


def _corruption_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the suite's table, intervals in brackets."""
    shown = {"corruption": line["corruption"].replace("_", " "), "setting": line["setting"], "masks": line["pairs"]}
    for key, title in (("auroc", "AUROC"), ("win_rate", "wins")):
        shown[title] = (
            None if line[key] is None else f"{line[key]:.3f} [{line[f'{key}_low']:.2f}, {line[f'{key}_high']:.2f}]"
        )
    return shown | {"mean Dice of the corrupted": line["mean_dice"]}


def _pictures(config: EvaluateConfig, found: Evaluation, methods: Sequence[Contender]) -> list[Picture]:
    out, quality, trial = config.out, found.study.quality, methods[0]
    # Each of the simple groups by its best; a table of thirty curves tells nobody anything.
    shown = {method.name: method.scores for method in methods if method.group in _CURVES and method is not trial}
    spearman = {row["method"]: row["spearman"] for row in found.rows if row["spearman"] is not None}
    for group in ("mask", "picture and mask"):
        candidates = [method for method in methods if method.group == group and method.name in spearman]
        if candidates:
            best = min(candidates, key=lambda method: spearman[method.name])
            shown[best.name] = best.scores
    ordered = sorted(shown, key=lambda name: spearman.get(name, 1.0))
    curves = {trial.name: trial.scores} | {name: shown[name] for name in ordered[:5]}
    pages = [
        (
            "correlations.png",
            figures.correlation_map(with_published(found.rows, _published(methods), found.top), found.top),
            "Correlation with quality",
            "Figure 1 of the paper. Blue is right for Dice, red for distances.",
        ),
        (
            "risk_coverage.png",
            figures.risk_coverage_curves(curves, quality, trial.name),
            "Risk and coverage",
            "The method on trial and the five best of the others, of the mask heuristics and of Deep SVDD only the best.",
        ),
        (
            "score_against_dice.png",
            figures.score_against_dice(curves, quality, config.threshold),
            "Score against Dice",
            "The same methods, an image each; the Dice scores below the line are failures.",
        ),
    ]
    if found.corruptions is not None:
        caption = "Bars: three strengths. 0.5 is chance; lines are 95 % intervals over pictures."
        pages.append(
            (
                "corruptions.png",
                figures.corruption_bars(found.corruptions),
                "Corrupted masks told from untouched ones",
                caption,
            )
        )
    pictures = []
    for name, figure, heading, caption in pages:
        figures.save(figure, out / name)
        pictures.append(Picture(out / name, heading, caption))
    for name, method in _sheets(methods).items():
        write_contact_sheet(
            out / name, _sheet_entries(found.study, method), found.study.labels, title=f"Ranked worst by {method.name}"
        )
        pictures.append(
            Picture(out / name, f"Ranked worst by {method.name}", f"The first {SHEET_ROWS}, with their true masks.")
        )
    return pictures


def _published(methods: Sequence[Contender]) -> dict[str, Published]:
    return {method.name: method.published for method in methods if method.published is not None}


def _sheets(methods: Sequence[Contender]) -> dict[str, Contender]:
    """By file name, whose worst images are shown: those of the method on trial and, as in figures 2 to 4 of the paper,
    of GNSM and Deep SVDD.
    """
    sheets = {"top_segqc.png": methods[0]}
    for name, published in (("top_gnsm.png", GNSM), ("top_deep_svdd.png", DEEP_SVDD)):
        first = next((method for method in methods if method.published is published), None)
        if first is not None and first is not methods[0]:
            sheets[name] = first
    return sheets


def _sheet_entries(study: Study, method: Contender) -> list[GalleryEntry]:
    scored = [place for place in range(len(study.ids)) if not np.isnan(method.scores[place])]
    worst = sorted(scored, key=lambda place: (-method.scores[place], study.ids[place]))[:SHEET_ROWS]
    entries = []
    for rank, place in enumerate(worst, 1):
        example, score, dice = study.examples[place], float(method.scores[place]), float(study.quality.dice[place])
        row = study.audit.by_id[example.id] | {"worst_class": None, "expected_class": None, "worst_box": None}
        heat = None
        if method.audit is not None:
            row, heat = row | method.audit.by_id[example.id], method.audit.heatmap(example.id)
        row |= {"rank": rank, "score": score, "dice": dice}
        entries.append(GalleryEntry(row, example.image, example.mask_file, heat, study.truths[place]))
    return entries
