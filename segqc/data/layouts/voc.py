"""Pascal VOC: pictures are in JPEGImages, masks in SegmentationClass, splits in ImageSets/Segmentation.

CVAT's "Segmentation mask 1.1" is the same layout with a labelmap.txt.
"""

from pathlib import Path

from segqc.base.errors import BadInput
from segqc.data.label_files import read_label_file
from segqc.data.labels import VOC_LABELS
from segqc.data.layouts.dataset import DataSet, choose_split, pair_folders
from segqc.data.voc import find_voc, voc_pairs


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` is or holds a VOC folder."""
    try:
        voc = find_voc(root)
    except BadInput:
        return None
    names = voc.root / "labelmap.txt"
    labels = read_label_file(names) if names.is_file() else VOC_LABELS
    splits = sorted(path.stem for path in voc.image_sets.glob("*.txt"))
    if not splits:
        return pair_folders("voc", voc.images, voc.masks, labels=labels)
    chosen = choose_split(root, splits, split)
    pairs, problems = voc_pairs(voc.root, chosen)
    return DataSet("voc", tuple(pairs), tuple(problems), labels, (f"part {chosen} of {', '.join(splits)}",))
