"""`segqc audit`: of predictions, or of ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from segqc.auditing.config import OF_TRAININGS, AuditConfig, LabelAuditConfig, MergeConfig, choose_audit
from segqc.base.console import console, present, wrote
from segqc.base.imports import large_imports
from segqc.cli.calibration import print_calibrated
from segqc.cli.options import fills_in, option_name, parameter_of, parameters_of, takes, values_of
from segqc.training.config import TrainConfig

if TYPE_CHECKING:
    from segqc.auditing.run import AuditReport

EPILOG = (
    "Example: segqc audit --model runs/voc --predictions deeplab_out --voc-root VOCdevkit --image-set val --out audit"
    "\n\nExample, ground truth: segqc audit --voc-root VOCdevkit --image-set train --out labels"
    "\n\nExample, ground truth: segqc audit --images IMAGES --ground-truth MASKS --classes background,road,car --out "
    "labels"
)

MERGE_EPILOG = "Example: segqc merge shards/1 shards/2 shards/3 --out audit"

_LABELS = LabelAuditConfig()
_WRITTEN = (
    "volumes.csv", "scores.csv", "objects.csv", "summary.json", "heatmaps", "contact_sheet.png", "objects.png",
    "gallery.html",
)  # fmt: skip
_PANEL = "Ground-truth audit (without --predictions)"
_OF_TRAININGS = {
    "classes": 'Class names such as "background,cat,dog", or a JSON file (default: the 21 classes of Pascal VOC).',
    "folds": f"Number of trainings, each without one part of the pairs (default: {_LABELS.training.folds}).",
    "method": f"Method, as for `segqc train` (default: {_LABELS.training.method}, which never sees the mask).",
    "preset": "Preset, as for `segqc train`: cpu (default), fast, voc128 or voc256.",
    "steps": "Number of optimizer steps of each training (default: the preset's).",
    "feature_cache": "Folder for cached features, as for `segqc train`; features of the same pairs are used again.",
    "seed": "Random seed for folds and trainings (default: 0).",
}
"""What the settings of `OF_TRAININGS` mean in an audit of ground truth."""


@takes(
    *parameters_of(
        AuditConfig,
        first="predictions model images voc_root image_set ground_truth data split layout",
        unset="predictions model engine",
    ),
    *(parameter_of(TrainConfig, name, _OF_TRAININGS[name], _PANEL, unset=True) for name in OF_TRAININGS),
)
def audit(
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if a mask could not be scored.")] = False,
    **given: Any,
) -> None:
    """Rank a folder of predicted masks, worst first; without `--predictions`, rank the ground-truth masks of a dataset.

    Writes scores.csv, objects.csv (both as .parquet, too), summary.json, heatmaps/, contact_sheet.png, objects.png and
    gallery.html. A mask that cannot be scored gets a row with the reason.

    Without `--predictions`, the pairs are divided into `--folds` folds; for each fold, a model is trained on the other
    pairs and scores the masks of the fold, which it has not seen. The same command continues a run that was stopped.
    """
    config = choose_audit(values_of(AuditConfig, given), spell=option_name)
    report = _audit_predictions(config) if isinstance(config, AuditConfig) else _audit_labels(config)
    if strict and report.errors:
        raise typer.Exit(1)


@fills_in(MergeConfig)
def merge(config: MergeConfig) -> None:
    """Join the folders of all shards of an audit to the folder of the undivided audit.

    Takes what `segqc audit --shard 1/N` to `--shard N/N` have written, with otherwise the same options. Writes what the
    audit without --shard would have written. Model, pictures and masks have to be where they were.
    """
    with large_imports():
        from evaluation.ranking.comparison import DiceComparison
        from segqc.auditing.merge import merge as run

    _print_predictions(run(config, DiceComparison(), console), config.out)


def _audit_predictions(config: AuditConfig) -> "AuditReport":
    with large_imports():
        from evaluation.ranking.comparison import DiceComparison
        from segqc.auditing.run import audit as run

    report = run(config, DiceComparison(), console)
    _print_predictions(report, config.out)
    return report


def _print_predictions(report: "AuditReport", out: Path) -> None:
    """Print what an audit of predictions has found, and what to do next."""
    _print_audit(report.rows, report.summary)
    if "calibration" in report.summary:
        print_calibrated(report.summary["calibration"])
    _print_volumes(report.volumes)
    console.print()
    console.print(wrote(out, f": {_written(report)}"), soft_wrap=True)
    console.print(f"Next: open {out / 'gallery.html'} in a browser.", soft_wrap=True)


def _audit_labels(config: LabelAuditConfig) -> "AuditReport":
    with large_imports():
        from segqc.auditing.ground_truth import audit_labels as run

    report = run(config, console)
    _print_audit(report.rows, report.summary)
    _print_volumes(report.volumes)
    console.print()
    console.print(
        wrote(
            config.out,
            f": {_written(report)}; models/ holds the {config.training.folds} models, each trained without its fold.",
        ),
        soft_wrap=True,
    )
    console.print(
        f"Next: open {config.out / 'gallery.html'} in a browser and look at the masks from the top; "
        f"segqc export --audit {config.out} --to cvat --top 100 --out queue sends the first 100 to be drawn again.",
        soft_wrap=True,
    )
    return report


def _written(report: "AuditReport") -> str:
    return f"{present(report.out, _WRITTEN)} (tables as .parquet, too)"


def _print_volumes(rows: Sequence[dict[str, Any]]) -> None:
    """Print the ten worst volumes with their worst slices, and how many could not be scored."""
    if not rows:
        return
    scored = [row for row in rows if row["status"] == "ok"]
    compared = any(row["dice"] is not None for row in scored)
    table = Table(title="The ten most suspect volumes", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("rank", "id", "score", "worst slices") + (("Dice", "MSD (mm)", "HD95 (mm)") if compared else ()):
        table.add_column(name, overflow="fold", no_wrap=name not in ("id", "worst slices"))
    for row in scored[:10]:
        numbers = [row["worst_slices"].replace(f"{row['id']}/", "").replace(";", " ")]
        if compared:
            digits = {"dice": 3, "msd": 2, "hd95": 2}
            numbers += ["" if row[name] is None else f"{row[name]:.{count}f}" for name, count in digits.items()]
        table.add_row(str(row["rank"]), row["id"], f"{row['score']:.3f}", *numbers)
    console.print(table)
    failed = [row for row in rows if row["status"] != "ok"]
    remarks = [row for row in scored if row["reason"]]
    measured = "; Dice and distances in three dimensions" if compared else ""
    console.print(f"{len(scored)} of {len(rows)} volumes scored, {len(failed)} errors{measured}.")
    for row in (*failed[:3], *remarks[:3]):
        console.print(f"  {row['id']}: {row['reason']}", soft_wrap=True)


def _print_audit(rows: Sequence[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Print the ten worst, the counts, and the comparison with ground truth if there is one."""
    table = Table(title="The ten most suspect", box=SIMPLE_HEAD, pad_edge=False)  # fits a terminal of 80 columns
    for name in ("rank", "id", "score", "worst class", "expected", "box (px)") + (
        ("Dice",) if "quality" in summary else ()
    ):
        # numbers are not cut in two
        table.add_column(name, overflow="fold", no_wrap=name not in ("id", "worst class", "expected"))
    for row in [row for row in rows[:10] if row["status"] == "ok"]:
        cells = [
            str(row["rank"]),
            row["id"],
            f"{row['score']:.3f}",
            row["worst_class"] or "",
            row["expected_class"] or "",
            row["worst_box"] or "",
        ]
        if "quality" in summary:
            cells.append("" if row["dice"] is None else f"{row['dice']:.3f}")
        table.add_row(*cells)
    console.print(table)
    speed = f", {summary['pairs_per_second']} pairs/s" if summary["pairs_per_second"] else ""
    if summary["hardly_seen"]:
        unfamiliar = f"{summary['hardly_seen']} masks are mostly of classes that the model hardly saw in training"
        console.print(Text.assemble((unfamiliar, "yellow"), "; see `reason`."))
    if summary["resized"]:
        console.print(f"{summary['resized']} masks have another size than their picture and were brought to it.")
    counts = f"{summary['scored']} scored, {summary['errors']} errors"
    if "images_without_prediction" in summary:
        counts += f", {summary['images_without_prediction']} images without a prediction"
    memory = "" if summary["peak_memory_gib"] is None else f", {summary['peak_memory_gib']} GiB"
    console.print(f"{counts}; {summary['seconds']} s{speed}{memory}")
    if "quality" in summary:
        console.print(_against_truth(summary["quality"]))
    for name in ("not_judged", "not_compared", "without_ground_truth"):
        if name in summary:
            console.print(f"{name.replace('_', ' ').capitalize()}: {summary[name]}", soft_wrap=True, highlight=False)


def _against_truth(quality: dict[str, Any]) -> Table:
    """The figures of the comparison with ground truth; one without a value has its reason."""
    table = Table(title="Against ground truth", show_header=False)
    undefined = quality.get("undefined", {})
    for name, value in quality.items():
        if name != "undefined":
            shown = f"not defined: {undefined.get(name, 'no reason is known')}" if value is None else str(value)
            table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else shown)
    return table
