"""Settings of `segqc gallery`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class GalleryConfig:
    """`segqc gallery`: the review page of an audit, made anew."""

    audit: Path = Path("audit")
    out: Path | None = None  # the HTML file; None: gallery.html in the audit's folder
    compare: Path | None = None  # another audit's folder or table
    ground_truth: Path | None = None  # folder of true masks; None: as the audit had it
    # auto: in the page while it stays small, else as files in a folder beside it
    thumbnails: Literal["auto", "inline", "beside"] = "auto"
    classes: str | None = None
