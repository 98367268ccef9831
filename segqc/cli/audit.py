"""`segqc audit`, of predictions and of ground truth."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from segqc.auditing.config import AuditConfig, LabelAuditConfig
from segqc.base.console import console, wrote
from segqc.base.errors import BadInput
from segqc.cli import calibration as cli_calibration
from segqc.cli.options import Device, Images, VocRoot

if TYPE_CHECKING:
    from segqc.auditing.run import AuditReport

EPILOG = (
    "Example: segqc audit --model runs/voc --predictions deeplab_out --voc-root VOCdevkit --image-set val --out audit\n\n"
    "Example, ground truth: segqc audit --voc-root VOCdevkit --image-set train --out labels\n\n"
    "Example, ground truth: segqc audit --images PICTURES --ground-truth MASKS --classes background,road,car --out labels"
)

_AUDIT, _LABELS = AuditConfig(), LabelAuditConfig()
_FOLDS: dict[str, Any] = {"rich_help_panel": "Ground-truth audit (without --predictions)"}
_WRITTEN = "scores.csv, scores.parquet, summary.json, heatmaps/, contact_sheet.png, gallery.html"


def audit(
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Folder of predicted masks: palette or grey PNG, NPY, NPZ. One row each. Left out: the ground truth itself is audited."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model folder written by `segqc train`, or voc (the default) or voc-fast, which come with segqc for the 21 classes of Pascal VOC."
        ),
    ] = None,
    images: Images = None,
    voc_root: VocRoot = None,
    image_set: Annotated[
        str | None,
        typer.Option(
            help="With --voc-root: list of the pictures that should have a prediction, or whose ground truth is audited (train)."
        ),
    ] = None,
    ground_truth: Annotated[
        Path | None,
        typer.Option(help="Folder of true masks: to compare predictions with, or to audit; --voc-root brings its own."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for tables, heat maps and gallery.")] = _AUDIT.out,
    levels: Annotated[
        str | None,
        typer.Option(
            help='Noise levels to read, such as "0" (no noise ladder) or "0,1"; by default those that its score is made of.'
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="Rows of the contact sheet.", min=1)] = _AUDIT.top,
    heatmaps: Annotated[bool, typer.Option("--heatmaps/--no-heatmaps", help="Write a heat map per mask.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 when a mask could not be scored.")] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="JSON of `segqc calibrate`: adds p-value, expected Dice and decision; by default calibration.json in the model's folder."
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help='"background,cat,dog" or a JSON file; VOC\'s 21 by default.', **_FOLDS)
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help=f"Trainings, each without a part of the pairs; {_LABELS.training.folds} by default.", min=2, **_FOLDS
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help=f"As for `segqc train`; {_LABELS.training.method} by default: cheapest, never sees the mask.", **_FOLDS
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="cpu (the default), fast, voc128 or voc256.", **_FOLDS)] = None,
    steps: Annotated[
        int | None, typer.Option(help="Of each training; by default the preset's.", min=1, **_FOLDS)
    ] = None,
    feature_cache: Annotated[
        Path | None,
        typer.Option(help="As for `segqc train`, and the same: on the same pairs it is used again.", **_FOLDS),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of folds and trainings; 0 by default.", min=0, **_FOLDS)] = None,
    device: Device = None,
) -> None:
    """Score a folder of predictions and rank them, worst first; without `--predictions`, find the wrong masks of a
    dataset.

    Writes scores.csv, scores.parquet, summary.json, heatmaps/, contact_sheet.png and gallery.html. What cannot be
    scored is a row with a reason.

    Without `--predictions` the pairs are dealt into folds; a model is trained without each fold and scores its masks,
    which it has not seen. That takes `--folds` trainings. The same command continues a run that was stopped.
    """
    of_folds: dict[str, Any] = {
        "classes": classes, "folds": folds, "method": method, "preset": preset, "steps": steps, "feature_cache": feature_cache, "seed": seed
    }  # fmt: skip
    if predictions is None:
        _refuse(
            {"model": model, "levels": levels, "calibration": calibration},
            "is for predictions",
            "leave it out, or give --predictions",
        )
        if (voc_root is None) == (images is None) or (images is None) != (ground_truth is None):
            fix = "give it; or, to audit ground truth, either --voc-root, or --images together with --ground-truth"
            raise BadInput("--predictions", "is not given", fix)
        given = {name: value for name, value in of_folds.items() if value is not None}
        given |= {"voc_root": voc_root, "images": images, "masks": ground_truth, "device": device} | (
            {"image_set": image_set} if image_set else {}
        )
        report = _audit_labels(LabelAuditConfig(dataclasses.replace(_LABELS.training, **given), out, top, heatmaps))
    else:
        _refuse(of_folds, "is for the audit of ground truth", "leave it out, or --predictions")
        report = _audit_predictions(
            AuditConfig(
                predictions=predictions, out=out, model=model or _AUDIT.model, images=images, voc_root=voc_root, image_set=image_set,
                ground_truth=ground_truth, levels=_numbers(levels), top=top, heatmaps=heatmaps, strict=strict, device=device, calibration=calibration,
            )
        )  # fmt: skip
    if strict and report.errors:
        raise typer.Exit(1)


def _refuse(options: dict[str, Any], reason: str, fix: str) -> None:
    """Raise BadInput for the first of the options that is given."""
    for name, value in options.items():
        if value is not None:
            raise BadInput(f"--{name.replace('_', '-')}", reason, fix)


def _audit_predictions(config: AuditConfig) -> "AuditReport":
    from evaluation.ranking.comparison import DiceComparison
    from segqc.auditing.run import audit as run

    report = run(config, DiceComparison(), console)
    _print_audit(report.rows, report.summary)
    if "calibration" in report.summary:
        cli_calibration.print_calibrated(report.summary["calibration"])
    console.print()
    console.print(wrote(config.out, f": {_WRITTEN}"), soft_wrap=True)
    console.print(f"Next: open {config.out / 'gallery.html'} in a browser.", soft_wrap=True)
    return report


def _audit_labels(config: LabelAuditConfig) -> "AuditReport":
    from segqc.auditing.ground_truth import audit_labels as run

    report = run(config, console)
    _print_audit(report.rows, report.summary)
    console.print()
    console.print(
        wrote(config.out, f": {_WRITTEN}; models/ holds the {config.training.folds} models, each without its fold."),
        soft_wrap=True,
    )
    console.print(
        f"Next: open {config.out / 'gallery.html'} in a browser and look at the masks from the top; "
        f"segqc export --audit {config.out} --to cvat --top 100 --out queue sends them to be drawn anew.",
        soft_wrap=True,
    )
    return report


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """ "0,1" as integers."""
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadInput(
            "--levels",
            f"expected numbers with commas between them, but got {text!r}",
            'give something like --levels "0,1"',
        ) from None


def _print_audit(rows: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    """The ten worst, the counts, and the comparison with ground truth if there is one."""
    table = Table(title="The ten most suspect", box=SIMPLE_HEAD, pad_edge=False)  # fits a terminal of 80 columns
    for name in ("rank", "id", "score", "worst class", "expected", "box (px)") + (
        ("Dice",) if "quality" in summary else ()
    ):
        # numbers are not cut in two
        table.add_column(name, overflow="fold", no_wrap=name not in ("id", "worst class", "expected"))
    for row in [row for row in rows if row["status"] == "ok"][:10]:
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
    counts = f"{summary['scored']} scored, {summary['errors']} errors"
    if "images_without_prediction" in summary:
        counts += f", {summary['images_without_prediction']} images without a prediction"
    memory = "" if summary["peak_memory_gib"] is None else f", {summary['peak_memory_gib']} GiB"
    console.print(f"{counts}; {summary['seconds']} s{speed}{memory}")
    if "quality" in summary:
        quality = Table(title="Against ground truth", show_header=False)
        for name, value in summary["quality"].items():
            quality.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
        console.print(quality)
