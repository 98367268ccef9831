"""CamVid as SegNet's copies have it: train/ and trainannot/, val/ and valannot/, test/ and testannot/."""

from pathlib import Path

from segqc.data.label_lists import CAMVID
from segqc.data.layouts.dataset import DataSet, choose_split, pair_folders


def find(root: Path, split: str | None, work: Path | None) -> DataSet | None:
    """The data set, if `root` holds a folder and its "annot" twin."""
    if not root.is_dir():
        return None
    splits = sorted(path.name for path in root.iterdir() if path.is_dir() and (root / f"{path.name}annot").is_dir())
    if not splits:
        return None
    chosen = choose_split(root, splits, split)
    said = (f"part {chosen} of {', '.join(splits)}",)
    return pair_folders("camvid", root / chosen, root / f"{chosen}annot", labels=CAMVID, said=said)
