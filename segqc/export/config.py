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
    to: Annotated[ExportTarget, Setting("labelstudio, cvat, fiftyone, coco or csv.")]
    out: Annotated[Path, Setting("Folder for the queue.")] = Path("queue")
    top: Annotated[int | None, Setting("So many of the most suspect; all that pass the filters by default.", low=1)] = (
        None
    )
    decisions: Annotated[
        tuple[str, ...],
        Setting(
            "Only this decision of a calibration (fail, review, pass); may be repeated.",
            option="--decision",
            repeated=True,
        ),
    ] = ()
    min_score: Annotated[float | None, Setting("Only scores of at least this.")] = None
    max_p_value: Annotated[float | None, Setting("Only p-values of at most this.", low=0, high=1)] = None
    review: Annotated[
        Path | None, Setting("JSON saved by the gallery: only what was rejected or left unsure there.")
    ] = None
    shapes: Annotated[
        Literal["rle", "polygon"], Setting("The predicted mask as rle (exact) or polygon (easier to edit).")
    ] = "rle"
    tolerance: Annotated[
        float, Setting("Pixels by which a polygon may leave the mask's outline to save corners.", low=0)
    ] = 1.0
    images_root: Annotated[
        Path | None, Setting("Paths are relative to this folder; the innermost above all pictures by default.")
    ] = None
    url_prefix: Annotated[str | None, Setting('Put before those paths, such as "https://example.com/pictures/".')] = (
        None
    )
    classes: Annotated[str | None, Setting("As in train; those of the audit's model by default.")] = None

    def __post_init__(self) -> None:
        check_settings(self)
