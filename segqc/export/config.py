"""Settings of `segqc export`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Setting, check_settings

ExportTarget = Literal["labelstudio", "cvat", "fiftyone", "coco", "csv"]


@dataclass(frozen=True)
class ExportConfig:
    """`segqc export`."""

    audit: Annotated[Path, Setting("Folder written by `segqc audit`, or its scores.csv or scores.parquet.")]
    to: Annotated[
        ExportTarget, Setting("Annotation tool or file format of the queue: labelstudio, cvat, fiftyone, coco or csv.")
    ]
    out: Annotated[Path, Setting("Folder for the annotation queue.")] = Path("queue")
    top: Annotated[
        int | None,
        Setting("Number of predictions to export, the most suspect first (default: all that pass the filters).", low=1),
    ] = None
    decisions: Annotated[
        tuple[str, ...],
        Setting(
            "Export only predictions with this decision of a calibration: fail, review or pass; may be repeated.",
            option="--decision",
            repeated=True,
        ),
    ] = ()
    min_score: Annotated[float | None, Setting("Export only predictions with at least this score.")] = None
    max_p_value: Annotated[
        float | None, Setting("Export only predictions with at most this p-value.", low=0, high=1)
    ] = None
    review: Annotated[
        Path | None,
        Setting("Review saved by the review page (JSON): export only what was rejected or marked unsure there."),
    ] = None
    shapes: Annotated[
        Literal["rle", "polygon"],
        Setting("Representation of the predicted masks: rle (exact) or polygon (easier to edit)."),
    ] = "rle"
    tolerance: Annotated[
        float,
        Setting(
            "Maximum distance in pixels between a polygon and the mask's outline; a larger one saves corners.", low=0
        ),
    ] = 1.0
    images_root: Annotated[
        Path | None,
        Setting(
            "Folder that the paths of the images are relative to (default: the innermost folder that contains "
            "all of them)."
        ),
    ] = None
    url_prefix: Annotated[
        str | None, Setting('Prefix that makes those paths addresses, such as "https://example.com/images/".')
    ] = None
    classes: Annotated[
        str | None, Setting("Class names, as for `segqc train` (default: those of the audit's model).")
    ] = None

    def __post_init__(self) -> None:
        check_settings(self)
