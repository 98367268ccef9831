"""YOLO segmentation: data.yaml, images/SPLIT and labels/SPLIT (or SPLIT/images and SPLIT/labels)."""

from pathlib import Path

from segqc.data.annotations.yolo import read_yolo, yaml_names
from segqc.data.layouts.dataset import Annotated, choose_split, single_files
from segqc.data.listing import files_by_id
from segqc.data.pictures import IMAGE_SUFFIXES


def find(root: Path, split: str | None, work: Path | None) -> Annotated | None:
    """The data set, if `root` holds a data file (.yaml) that names classes, and label files."""
    if not root.is_dir():
        return None
    file, parts = data_file(root), _parts(root)
    if file is None or not parts:
        return None
    images, labels = parts[choose_split(root, list(parts), split)]
    pictures = single_files(files_by_id(images, IMAGE_SUFFIXES))
    return Annotated("yolo", read_yolo(labels, pictures, yaml_names(file)), images)


def data_file(folder: Path) -> Path | None:
    """The YAML file in a folder that names classes."""
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    return next((path for path in files if "names:" in path.read_text("utf-8", "replace")), None)


def _parts(root: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of pictures and of labels, by part."""
    found = {}
    for folder in sorted(root.iterdir()):
        if (folder / "images").is_dir() and (folder / "labels").is_dir():
            found[folder.name] = folder / "images", folder / "labels"
    if (root / "labels").is_dir() and (root / "images").is_dir():
        inner = [
            p.name for p in sorted((root / "images").iterdir()) if p.is_dir() and (root / "labels" / p.name).is_dir()
        ]
        found |= {name: (root / "images" / name, root / "labels" / name) for name in inner}
        if not inner:
            found["all"] = root / "images", root / "labels"
    return found
