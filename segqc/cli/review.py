"""`segqc export`, which sends predictions to an annotation tool, and `segqc gallery`, which writes the review page."""

from segqc.base.console import console, print_warnings, wrote
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in
from segqc.export.config import ExportConfig
from segqc.gallery.config import GalleryConfig

EXPORT_EPILOG = "Example: segqc export --audit audit --to cvat --top 100 --out queue"
GALLERY_EPILOG = "Example: segqc gallery --audit audit --compare audit_before --out comparison.html"

_LISTED_PROBLEMS = 10  # on the console; export.json has all of them


@fills_in(ExportConfig)
def export(config: ExportConfig) -> None:
    """Export the most suspect predictions to an annotation tool, worst first, with their masks and the reason.

    Takes an audit. Writes a queue in the tool's format, and export.json, which lists the predictions that could not be
    exported, with the reason. docs/review.md says how to import the queue.
    """
    with large_imports():
        from segqc.export.run import export as run

    report = run(config)
    console.print(
        f"{report.exported} predictions exported, {report.left_out} left out by the filters, "
        f"{len(report.skipped)} could not be exported."
    )
    for problem in report.skipped[:_LISTED_PROBLEMS]:
        console.print(f"  not exported: {problem.id}: {problem.reason}", soft_wrap=True, highlight=False)
    if len(report.skipped) > _LISTED_PROBLEMS:
        console.print(f"  and {len(report.skipped) - _LISTED_PROBLEMS} more: see {report.files[-1]}", soft_wrap=True)
    if report.turned:
        said = (
            f"{len(report.turned)} images have an EXIF orientation that their masks do not follow; "
            "a tool that applies it shows the masks in the wrong place"
        )
        print_warnings([f"{said} (turned_by_exif in {report.files[-1].name}; docs/review.md)"])
    console.print(wrote(config.out, f": {', '.join(path.name for path in report.files)}"), soft_wrap=True)
    console.print(
        f"The paths of the images are relative to {report.images_root}. docs/review.md says how to import the queue.",
        soft_wrap=True,
    )


@fills_in(GalleryConfig)
def gallery(config: GalleryConfig) -> None:
    """Write the review page of an audit again, alone or in comparison with another audit.

    Takes one or two audits. Writes one HTML file, which opens in a browser without a server.
    """
    with large_imports():
        from segqc.gallery.command import make_gallery

    path = make_gallery(config, console)
    console.print(wrote(path, ". Open it in a browser; docs/review.md says how to review."), soft_wrap=True)
