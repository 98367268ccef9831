"""Data sets in the layouts that people have, recognised by their folders and files.

Each layout is a module with one function, `find(root, split, work)`: the data set if `root` has that layout, else None.
`LAYOUTS` lists them, the most particular first. A new layout is such a function and a line there.
"""

from collections.abc import Sequence
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.data.layouts import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    cvat,
    folders,
    labelme,
    labelstudio,
    mvtec,
    nnunet,
    voc,
    yolo,
)
from segqc.data.layouts.dataset import DataSet, of_slices

LAYOUTS = {
    "voc": voc.find,
    "cityscapes": cityscapes.find,
    "camvid": camvid.find,
    "ade20k": ade20k.find,
    "coco": coco.find,
    "nnunet": nnunet.find,
    "mvtec": mvtec.find,
    "yolo": yolo.find,
    "labelme": labelme.find,
    "cvat": cvat.find,
    "labelstudio": labelstudio.find,
    "folders": folders.find,
}
"""`find` of each layout."""


def find_dataset(
    root: Path,
    split: str | None = None,
    work: Path | None = None,
    layout: str = "auto",
    intensity: Sequence[float] | None = None,
) -> DataSet:
    """Recognise the layout of a folder and pair its files.

    Parameters
    ----------
    root : Path
        The data set's folder, or an annotation file.
    split : str, optional
        Part of it ("train", "val"); by default the training part where there are several.
    work : Path, optional
        Folder in which masks of annotation files are drawn and slices of volumes are written; needed for those alone.
    layout : str
        A key of `LAYOUTS`, or "auto".
    intensity : (low, high), optional
        For volumes: see `of_slices`.

    Raises
    ------
    BadInput
        `root` is not there or has no known layout, or not the one that was named, or the split is not in it.
    """
    root = root.expanduser()
    if not root.exists():
        raise BadInput(root, "does not exist", "name the data set's folder with --data")
    if layout != "auto" and layout not in LAYOUTS:
        raise BadInput("--layout", f"{layout!r} is no layout", f"choose auto or one of {', '.join(LAYOUTS)}")
    for name, find in LAYOUTS.items():
        if layout in ("auto", name) and (found := find(root, split, work)) is not None:
            volumes = found.found_volumes
            return found if volumes is None else of_slices(name, volumes, work, intensity, found.labels)
    if layout != "auto":
        raise BadInput(root, f"has not the layout {layout}", "leave --layout out, or name another")
    known = ", ".join(name for name in LAYOUTS if name != "folders")
    raise BadInput(
        root, f"has no known layout ({known}; or images/ and masks/)", "name the folders with --images and --masks"
    )
