"""Settings of `segqc export`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ExportTarget = Literal["labelstudio", "cvat", "fiftyone", "coco", "csv"]


@dataclass(frozen=True)
class ExportConfig:
    """`segqc export`."""

    audit: Path = Path("audit")  # folder of `segqc audit`, or one of its tables
    to: ExportTarget = "csv"
    out: Path = Path("queue")
    top: int | None = None  # so many of the most suspect; None: all that pass the filters
    decisions: tuple[str, ...] = ()  # only these decisions of a calibration
    min_score: float | None = None
    max_p_value: float | None = None
    review: Path | None = None  # saved by the gallery: only what was rejected or left unsure there
    shapes: Literal["rle", "polygon"] = "rle"  # how the predicted mask goes along
    tolerance: float = 1.0  # px by which a polygon may leave the mask's outline; 0: exact
    # paths of pictures are relative to it; None: the innermost folder above all of them
    images_root: Path | None = None
    url_prefix: str | None = None  # put before those paths, which makes them addresses
    classes: str | None = None  # as in TrainConfig; None: those of the audit's model
