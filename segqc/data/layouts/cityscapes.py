"""Cityscapes: leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY."""

from pathlib import Path

from segqc.data.label_lists import CITYSCAPES, CITYSCAPES_TRAIN_IDS
from segqc.data.layouts.dataset import DataSet, choose_split, pair_folders
from segqc.data.pairing import NamePattern

_KINDS = {"_gtFine_labelTrainIds": CITYSCAPES_TRAIN_IDS, "_gtFine_labelIds": CITYSCAPES}


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` holds leftImg8bit and gtFine with semantic masks."""
    images, masks = root / "leftImg8bit", root / "gtFine"
    if not (images.is_dir() and masks.is_dir()):
        return None
    splits = sorted(path.name for path in images.iterdir() if path.is_dir() and (masks / path.name).is_dir())
    if not splits:
        return None
    chosen = choose_split(root, splits, split)
    for ending, labels in _KINDS.items():
        if any((masks / chosen).rglob(f"*{ending}.png")):
            said = (f"part {chosen} of {', '.join(splits)}; masks *{ending}.png",)
            names = NamePattern(after="_leftImg8bit"), NamePattern(after=ending)
            return pair_folders("cityscapes", images / chosen, masks / chosen, *names, labels, said)
    names = NamePattern(after="_leftImg8bit"), NamePattern(after="_gtFine_instanceIds")
    return pair_folders(
        "cityscapes", images / chosen, masks / chosen, *names, CITYSCAPES, ("only instance ids are there",)
    )
