"""CVAT for images 1.1: an XML file, and images/ beside it."""

from pathlib import Path

from segqc.data.annotations.cvat import is_cvat, read_cvat
from segqc.data.layouts.dataset import Annotated, choose_split


def find(root: Path, split: str | None, work: Path | None) -> Annotated | None:
    """The data set, if `root` is a CVAT XML file or a folder with one."""
    if root.is_file():
        files = {root.stem: root} if root.suffix.lower() == ".xml" and is_cvat(root) else {}
    else:
        files = {path.stem: path for path in sorted(root.glob("*.xml")) if is_cvat(path)}
    if not files:
        return None
    path = files[choose_split(root, list(files), split)]
    images = path.parent / "images"
    return Annotated("cvat", read_cvat(path), images if images.is_dir() else path.parent)
