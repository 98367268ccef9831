"""Two folders with the usual names, images/ and masks/, with or without a folder for each part."""

from pathlib import Path

from segqc.data.label_files import find_label_file, read_label_file
from segqc.data.layouts.dataset import DataSet, choose_split, pair_files, pair_folders
from segqc.data.listing import files_by_id
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairing import find_mask_pattern, find_patterns
from segqc.data.pictures import IMAGE_SUFFIXES

_IMAGES = ("images", "image", "imgs", "img", "JPEGImages", "pictures", "frames", "input", "inputs")
_MASKS = ("masks", "mask", "labels", "label", "annotations", "ground_truth", "gt", "SegmentationClass", "targets")


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root`, or each of its parts, holds a folder of pictures and one of masks."""
    if not root.is_dir():
        return None
    parts = {path.name: found for path in sorted(root.iterdir()) if path.is_dir() and (found := _two(path))}
    whole = _two(root)
    said: tuple[str, ...] = ()
    if whole is not None:
        images, masks = whole
    elif parts:
        chosen = choose_split(root, list(parts), split)
        images, masks = parts[chosen]
        said = (f"part {chosen} of {', '.join(parts)}",)
    else:
        return _one_folder(root)
    names = find_patterns(list(files_by_id(images, IMAGE_SUFFIXES)), list(files_by_id(masks, MASK_SUFFIXES)))
    file = find_label_file(root)
    labels = None if file is None else read_label_file(file)
    return pair_folders("folders", images, masks, *names, labels, said)


def _one_folder(root: Path) -> DataSet | None:
    """Pictures and masks side by side, the masks with an ending of their own (`x.jpg`, `x_segmentation.png`)."""
    names = list(files_by_id(root, (*IMAGE_SUFFIXES, *MASK_SUFFIXES)))
    pattern = find_mask_pattern(names)
    if pattern is None:
        return None
    masks = files_by_id(root, MASK_SUFFIXES, pattern=pattern)
    pictures = {id_: paths for id_, paths in files_by_id(root, IMAGE_SUFFIXES).items() if pattern.id_of(id_) is None}
    file = find_label_file(root)
    labels = None if file is None else read_label_file(file)
    return pair_files("folders", pictures, masks, labels, (f"masks are named {pattern}",))


def _two(folder: Path) -> tuple[Path, Path] | None:
    images = next((folder / name for name in _IMAGES if (folder / name).is_dir()), None)
    masks = next((folder / name for name in _MASKS if (folder / name).is_dir()), None)
    return None if images is None or masks is None else (images, masks)
