"""Data sets in the layouts that people have, recognised by their folders and files.

Each layout is a module with one function, `find(root, split, work)`: the data set, or its annotations, if `root` has
that layout, else None. `LAYOUTS` lists them, the most particular first. A new layout is such a function and a line
there.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from segqc.base.errors import BadInput
from segqc.data.labels import LabelSpace
from segqc.data.layouts import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    cvat,
    folders,
    huggingface,
    labelme,
    labelstudio,
    mvtec,
    nnunet,
    table,
    voc,
    yolo,
)
from segqc.data.layouts.dataset import DRAWN, Annotated, DataSet, of_slices, pair_annotations, single_files
from segqc.data.listing import files_by_id
from segqc.data.pictures import IMAGE_SUFFIXES

LAYOUTS = {
    "huggingface": huggingface.find,
    "table": table.find,
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
    labels: LabelSpace | None = None,
    console: Console | None = None,
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
    labels : LabelSpace, optional
        Classes by which annotations are drawn; by default those that they name. Masks in files are what they are.
    console : Console, optional
        Where progress on volumes goes; None is silent.

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
            if isinstance(found, Annotated):
                return _drawn(found, work, labels)
            volumes = found.found_volumes
            return found if volumes is None else of_slices(name, volumes, work, intensity, found.labels, console)
    if layout != "auto":
        raise BadInput(root, f"has not the layout {layout}", "leave --layout out, or name another")
    known = ", ".join(name for name in LAYOUTS if name != "folders")
    raise BadInput(
        root, f"has no known layout ({known}; or images/ and masks/)", "name the folders with --images and --masks"
    )


def _drawn(found: Annotated, work: Path | None, labels: LabelSpace | None) -> DataSet:
    """The pairs of a data set of annotations."""
    if work is None:
        raise BadInput(
            found.annotations.path, "holds annotations, whose masks have to be drawn somewhere", "give --out"
        )
    folder = work / DRAWN
    pictures = single_files(files_by_id(found.images, IMAGE_SUFFIXES, leave_out=[folder.resolve()]))
    return pair_annotations(found.layout, found.annotations, pictures, folder, labels, found.said)
