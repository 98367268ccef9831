"""Settings of `segqc gallery`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Setting, check_settings


@dataclass(frozen=True)
class GalleryConfig:
    """`segqc gallery`: the review page of an audit, made anew."""

    audit: Annotated[Path, Setting("Folder written by `segqc audit`, or its scores.csv or scores.parquet.")]
    out: Annotated[Path | None, Setting("HTML file to write (default: gallery.html in the audit folder).")] = None
    compare: Annotated[
        Path | None, Setting("Folder or table of another audit; the page then shows how each rank has changed since.")
    ] = None
    ground_truth: Annotated[Path | None, Setting("Folder of true masks to show (default: that of the audit).")] = None
    thumbnails: Annotated[
        Literal["auto", "inline", "beside"],
        Setting(
            "Place of the thumbnails: inline (in the page), beside (in a folder next to it, for large audits) "
            "or auto (inline while the page stays small)."
        ),
    ] = "auto"
    classes: Annotated[
        str | None, Setting("Class names, as for `segqc train` (default: those of the audit's model).")
    ] = None

    def __post_init__(self) -> None:
        check_settings(self)
