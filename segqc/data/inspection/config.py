"""Settings of `segqc inspect`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Images, Setting, VocRoot, check_settings
from segqc.data.options import MIN_SCORE, Data, DataOptions, Layout, MinScore, ResultsOf, Split


@dataclass(frozen=True, kw_only=True)
class InspectConfig(DataOptions):
    """`segqc inspect`."""

    data: Data = None
    split: Split = None
    layout: Layout = "auto"
    images: Images = None
    masks: Annotated[Path | None, Setting("Ground truth of --images: a folder of masks, or annotations.")] = None
    predictions: Annotated[
        Path | None,
        Setting("Predictions, in place of --masks: a folder of masks, annotations, or a table of paths."),
    ] = None
    results_of: ResultsOf = None
    min_score: MinScore = MIN_SCORE
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
        Path,
        Setting("Folder for what is kept: facts about files, and masks drawn from annotation files.", on_disk=True),
    ] = Path("runs/inspect")

    def __post_init__(self) -> None:
        check_settings(self)
