"""COCO: annotations/*.json (instances, stuff, panoptic) and images/, with or without a folder for each part."""

from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.coco import is_coco, read_coco
from segqc.data.layouts.dataset import Annotated, choose_split


def find(root: Path, split: str | None, work: Path | None) -> Annotated | None:
    """The data set, if `root` is a COCO file, or a folder with annotations/*.json."""
    if root.is_file():
        if root.suffix.lower() != ".json" or not is_coco(_content(root)):
            return None
        return Annotated("coco", read_coco(root), _images(root.parent, root.stem))
    files = {path.stem: path for path in sorted((root / "annotations").glob("*.json")) if is_coco(_content(path))}
    if not files:
        return None
    chosen = _file(root, list(files), split)
    said = (f"{chosen} of {', '.join(files)}",) if len(files) > 1 else ()
    return Annotated("coco", read_coco(files[chosen]), _images(root, chosen), said)


def _file(root: Path, names: list[str], split: str | None) -> str:
    """The annotation file of a part: "train" finds instances_train2017."""
    if split is None:
        return next((name for name in names if "train" in name), names[0])
    return choose_split(root, names, next((name for name in names if name == split or name.endswith(split)), split))


def _images(root: Path, name: str) -> Path:
    """The folder of pictures: images/train for instances_train, train2017 beside annotations, images, or `root`."""
    part = name.rpartition("_")[2]
    base = root.parent if root.name == "annotations" else root
    places = [base / "images" / part, base / part, base / "images", base]
    return next(place for place in places if place.is_dir())


def _content(path: Path) -> object:
    try:
        return read_json(path)
    except BadInput:
        return None
