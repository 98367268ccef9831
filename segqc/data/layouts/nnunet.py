"""nnU-Net: dataset.json, imagesTr/CASE_0000.EXT and labelsTr/CASE.EXT (Ts for the test part); or volumes, taken as
slices.
"""

from pathlib import Path

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.label_files import labels_of_names
from segqc.data.labels import LabelSpace
from segqc.data.layouts.dataset import DataSet, choose_split, pair_folders
from segqc.data.pairing import NamePattern
from segqc.data.pictures import IMAGE_SUFFIXES
from segqc.data.volumes.files import holds_volumes, is_volume
from segqc.data.volumes.find import find_volumes


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` holds labelsTr and imagesTr (or imagesRGB) with pictures; or the test part of it."""
    parts = {name: part for name, part in _parts(root).items() if part[1].is_dir()}
    if not parts:
        return None
    images, masks = parts[choose_split(root, list(parts), split)]
    if any(is_volume(path) for path in images.iterdir()):
        return DataSet("nnunet", (), labels=_labels(root), found_volumes=find_volumes(images, masks))
    if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in images.iterdir()):
        return None
    channels = {path.stem.rpartition("_")[2] for path in images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES}
    said = () if channels <= {"0000"} else (f"channel 0000 of {', '.join(sorted(channels))} is used",)
    return pair_folders("nnunet", images, masks, NamePattern(after="_0000"), labels=_labels(root), said=said)


def volume_folders(root: Path, split: str | None) -> tuple[Path, Path | None] | None:
    """Folders of pictures and, where there are any, of true labels of a data set of volumes; None for any other.

    Raises
    ------
    BadInput
        There is no such part.
    """
    parts = _parts(root)
    if not parts:
        return None
    images, labels = parts[choose_split(root, list(parts), split)]
    return (images, labels if labels.is_dir() else None) if holds_volumes(images) else None


def _parts(root: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of pictures, which are there, and of labels, by the name of the part."""
    named = {"train": (("imagesTr", "imagesRGB"), "labelsTr"), "test": (("imagesTs",), "labelsTs")}
    found = {}
    for name, (of_images, of_labels) in named.items():
        images = next((root / folder for folder in of_images if (root / folder).is_dir()), None)
        if images is not None:
            found[name] = images, root / of_labels
    return found


def _labels(root: Path) -> LabelSpace | None:
    """Names of dataset.json: {"background": 0, "liver": 1}; the older {"0": "background"} too."""
    path = root / "dataset.json"
    if not path.is_file():
        return None
    listed = read_json(path).get("labels", {})
    try:
        named = {str(name): int(value) for name, value in listed.items() if not isinstance(value, list)}
    except (TypeError, ValueError):
        named = {str(name): int(value) for value, name in listed.items()}
    if not named:
        raise BadInput(path, "names no labels", "list them under labels, or name the classes with --classes")
    void = named.pop("ignore", None)
    return labels_of_names(path, named, void)
