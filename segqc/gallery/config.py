"""Settings of `segqc gallery`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Setting, check_settings


@dataclass(frozen=True)
class GalleryConfig:
    """`segqc gallery`: the review page of an audit, made anew."""

    audit: Annotated[Path, Setting("Folder written by `segqc audit`, or its scores.csv or scores.parquet.")]
    out: Annotated[Path | None, Setting("The HTML file; gallery.html in the audit's folder by default.")] = None
    compare: Annotated[Path | None, Setting("Another audit's folder or table: how each rank has changed since.")] = None
    ground_truth: Annotated[Path | None, Setting("Folder of true masks to show; as the audit had it by default.")] = (
        None
    )
    thumbnails: Annotated[
        Literal["auto", "inline", "beside"],
        Setting("auto, inline (one file) or beside (a folder of small pictures, for large audits)."),
    ] = "auto"
    classes: Annotated[str | None, Setting("As in train; those of the audit's model by default.")] = None

    def __post_init__(self) -> None:
        check_settings(self)
