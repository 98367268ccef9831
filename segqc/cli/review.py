"""The commands that hand an audit to people: `segqc export` and `segqc gallery`."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from segqc.base.console import console, print_warnings, wrote
from segqc.export.config import ExportConfig
from segqc.gallery.config import GalleryConfig

_EXPORT = ExportConfig()
_LISTED_PROBLEMS = 10  # on the console; export.json has all


def export(
    audit: Annotated[Path, typer.Option(help="Folder written by `segqc audit`, or its scores.csv or scores.parquet.")],
    to: Annotated[str, typer.Option(help="labelstudio, cvat, fiftyone, coco or csv.")],
    out: Annotated[Path, typer.Option(help="Folder for the queue.")] = _EXPORT.out,
    top: Annotated[
        int | None, typer.Option(help="So many of the most suspect; all that pass the filters by default.", min=1)
    ] = None,
    decision: Annotated[
        list[str] | None,
        typer.Option(help="Only this decision of a calibration (fail, review, pass); may be repeated."),
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Only scores of at least this.")] = None,
    max_p_value: Annotated[float | None, typer.Option(help="Only p-values of at most this.", min=0, max=1)] = None,
    review: Annotated[
        Path | None, typer.Option(help="JSON saved by the gallery: only what was rejected or left unsure there.")
    ] = None,
    shapes: Annotated[
        str, typer.Option(help="The predicted mask as rle (exact) or polygon (easier to edit).")
    ] = _EXPORT.shapes,
    tolerance: Annotated[
        float, typer.Option(help="Pixels by which a polygon may leave the mask's outline to save corners.", min=0)
    ] = _EXPORT.tolerance,
    images_root: Annotated[
        Path | None,
        typer.Option(help="Paths are relative to this folder; the innermost above all pictures by default."),
    ] = None,
    url_prefix: Annotated[
        str | None, typer.Option(help='Put before those paths, such as "https://example.com/pictures/".')
    ] = None,
    classes: Annotated[str | None, typer.Option(help="As in train; those of the audit's model by default.")] = None,
) -> None:
    """Hand the most suspect predictions to an annotation tool, worst first, with their masks and the reason.

    Predictions that cannot be exported are listed in export.json with their reason.
    """
    from segqc.export.run import export as run

    report = run(
        ExportConfig(
            audit=audit, to=cast(Any, to), out=out, top=top, decisions=tuple(decision or ()), min_score=min_score, max_p_value=max_p_value,
            review=review, shapes=cast(Any, shapes), tolerance=tolerance, images_root=images_root, url_prefix=url_prefix, classes=classes,
        )
    )  # fmt: skip
    console.print(
        f"{report.exported} in the queue, {report.left_out} left out by the filters, {len(report.skipped)} that cannot be exported."
    )
    for problem in report.skipped[:_LISTED_PROBLEMS]:
        console.print(f"  not exported: {problem.id}: {problem.reason}", soft_wrap=True, highlight=False)
    if len(report.skipped) > _LISTED_PROBLEMS:
        console.print(f"  and {len(report.skipped) - _LISTED_PROBLEMS} more: see {report.files[-1]}", soft_wrap=True)
    if report.turned:
        said = f"{len(report.turned)} pictures have an EXIF orientation, which the masks do not follow: a tool that applies it draws them askew"
        print_warnings([f"{said} (turned_by_exif in {report.files[-1].name}; docs/review.md)"])
    console.print(wrote(out, f": {', '.join(path.name for path in report.files)}"), soft_wrap=True)
    console.print(
        f"Paths of the pictures are relative to {report.images_root}. docs/review.md says how to import.",
        soft_wrap=True,
    )


def gallery(
    audit: Annotated[Path, typer.Option(help="Folder written by `segqc audit`, or its scores.csv or scores.parquet.")],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; gallery.html in the audit's folder by default.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Another audit's folder or table: how each rank has changed since.")
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(help="Folder of true masks to show; as the audit had it by default.")
    ] = None,
    thumbnails: Annotated[
        str, typer.Option(help="auto, inline (one file) or beside (a folder of small pictures, for large audits).")
    ] = "auto",
    classes: Annotated[str | None, typer.Option(help="As in train; those of the audit's model by default.")] = None,
) -> None:
    """Make the review page of an audit again, alone or in comparison with another audit."""
    from segqc.gallery.command import make_gallery

    path = make_gallery(GalleryConfig(audit, out, compare, ground_truth, cast(Any, thumbnails), classes), console)
    console.print(wrote(path, ". Open it in a browser; docs/review.md says how to review."), soft_wrap=True)
