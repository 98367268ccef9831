"""LabelMe: JSON files beside their pictures, or the web tool's Annotations/, Images/ and Masks/."""

from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.labelme import is_labelme, read_labelme, read_labelme_xml
from segqc.data.layouts.dataset import Annotated


def find(root: Path, split: str | None, work: Path | None) -> Annotated | None:
    """The data set, if `root` holds LabelMe files."""
    if (root / "Annotations").is_dir() and (root / "Images").is_dir() and any((root / "Annotations").rglob("*.xml")):
        return Annotated("labelme", read_labelme_xml(root), root / "Images")
    if not root.is_dir():
        return None
    first = next(iter(sorted(root.rglob("*.json"))), None)
    if first is None or not _is_labelme(first):
        return None
    return Annotated("labelme", read_labelme(root), _images(root))


def _is_labelme(path: Path) -> bool:
    try:
        return is_labelme(read_json(path))
    except BadInput:
        return False


def _images(root: Path) -> Path:
    """Pictures lie beside their JSON files, or in a folder beside theirs."""
    return next((root.parent / name for name in ("JPEGImages", "images") if (root.parent / name).is_dir()), root)
