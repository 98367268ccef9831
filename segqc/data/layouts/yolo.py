"""YOLO segmentation: data.yaml, images/SPLIT and labels/SPLIT (or SPLIT/images and SPLIT/labels)."""

from pathlib import Path

import yaml

from segqc.base.errors import BadInput
from segqc.data.annotations.yolo import read_yolo
from segqc.data.layouts.dataset import DataSet, choose_split, pair_annotations
from segqc.data.listing import files_by_id
from segqc.data.pictures import IMAGE_SUFFIXES


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` holds a data file (.yaml) that names classes, and label files."""
    if not root.is_dir():
        return None
    files = [
        path
        for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
        if "names:" in path.read_text("utf-8", "replace")
    ]
    parts = _parts(root)
    if not files or not parts:
        return None
    chosen = choose_split(root, list(parts), split)
    images, labels = parts[chosen]
    pictures = {id_: paths[0] for id_, paths in files_by_id(images, IMAGE_SUFFIXES).items()}
    return pair_annotations("yolo", read_yolo(labels, pictures, yaml_names(files[0])), images, work)


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


def yaml_names(path: Path) -> list[str]:
    """Class names of a YOLO data file, a list or a mapping from index to name.

    Raises
    ------
    BadInput
        The file is no YAML, or names no classes.
    """
    try:
        names = yaml.safe_load(path.read_text("utf-8", "replace")).get("names")
    except (yaml.YAMLError, AttributeError) as error:
        raise BadInput(path, f"is no YOLO data file: {error}", "list the classes under names") from error
    listed = [names[index] for index in sorted(names)] if isinstance(names, dict) else names
    if not isinstance(listed, list) or not listed:
        raise BadInput(path, "names no classes", "list them under names")
    return [str(name) for name in listed]
