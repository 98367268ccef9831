"""Settings of `segqc inspect`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Images, Setting, VocRoot, check_settings
from segqc.data.options import Data, DataOptions, Layout, Split


@dataclass(frozen=True, kw_only=True)
class InspectConfig(DataOptions):
    """`segqc inspect`."""

    data: Data = None
    split: Split = None
    layout: Layout = "auto"
    images: Images = None
    masks: Annotated[Path | None, Setting("Folder of ground-truth masks; with --images.")] = None
    predictions: Annotated[Path | None, Setting("Folder of predicted masks, in place of --masks.")] = None
    voc_root: VocRoot = None
    image_set: Annotated[str, Setting("With --voc-root: name of the list in ImageSets/Segmentation, without .txt.")] = (
        "train"
    )
    classes: Annotated[
        str | None,
        Setting(
            'Class names such as "background,cat,dog", a .json or .txt file, or voc, cityscapes, camvid or ade20k '
            "(default: the data set's own, else the values are listed without names)."
        ),
    ] = None
    work: Annotated[
        Path, Setting("Folder for what is kept: facts about files, and masks drawn from annotation files.")
    ] = Path("runs/inspect")

    def __post_init__(self) -> None:
        check_settings(self)
