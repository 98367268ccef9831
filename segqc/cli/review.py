"""The commands that hand an audit to people: `segqc export` and `segqc gallery`."""

from segqc.base.console import console, print_warnings, wrote
from segqc.cli.options import fills_in
from segqc.export.config import ExportConfig
from segqc.gallery.config import GalleryConfig

EXPORT_EPILOG = "Example: segqc export --audit audit --to cvat --top 100 --out queue"
GALLERY_EPILOG = "Example: segqc gallery --audit audit --compare audit_before --out comparison.html"

_LISTED_PROBLEMS = 10  # on the console; export.json has all


@fills_in(ExportConfig)
def export(config: ExportConfig) -> None:
    """Hand the most suspect predictions to an annotation tool, worst first, with their masks and the reason.

    Predictions that cannot be exported are listed in export.json with their reason.
    """
    from segqc.export.run import export as run

    report = run(config)
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
    console.print(wrote(config.out, f": {', '.join(path.name for path in report.files)}"), soft_wrap=True)
    console.print(
        f"Paths of the pictures are relative to {report.images_root}. docs/review.md says how to import.",
        soft_wrap=True,
    )


@fills_in(GalleryConfig)
def gallery(config: GalleryConfig) -> None:
    """Make the review page of an audit again, alone or in comparison with another audit."""
    from segqc.gallery.command import make_gallery

    path = make_gallery(config, console)
    console.print(wrote(path, ". Open it in a browser; docs/review.md says how to review."), soft_wrap=True)
