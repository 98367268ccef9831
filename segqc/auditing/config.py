"""Settings of `segqc audit`: the same fields on the command line, in Python and in summary.json."""

from dataclasses import dataclass, field
from pathlib import Path

from segqc.base.settings import check_range
from segqc.model.catalogue import BUNDLED
from segqc.training.config import TrainConfig


@dataclass(frozen=True)
class AuditConfig:
    """`segqc audit`."""

    predictions: Path = Path("predictions")  # folder of masks to judge, one row each
    out: Path = Path("audit")
    # model folder of `segqc train`, or voc or voc-fast, which come with segqc for the 21 classes of Pascal VOC
    model: Path = BUNDLED
    images: Path | None = None  # folder of the pictures, or ...
    # ... a VOC folder (its SegmentationClass then serves as ground truth, where it has one)
    voc_root: Path | None = None
    image_set: str | None = None  # with voc_root: the list whose images should have a prediction, such as val
    ground_truth: Path | None = None  # folder of true masks, for comparison only: they never enter the score
    # noise levels that are read, by their index in the model's ladder; None: those of its score
    levels: tuple[int, ...] | None = None
    top: int = 24  # rows of the contact sheet
    heatmaps: bool = True
    strict: bool = False  # exit code 1 when a pair could not be scored
    device: str | None = None
    # JSON of `segqc calibrate`; None: calibration.json in the model's folder, where there is one
    calibration: Path | None = None

    def __post_init__(self) -> None:
        check_range(self, "top", 1)


@dataclass(frozen=True)
class LabelAuditConfig:
    """`segqc audit` without predictions: of ground truth, each mask scored by a model that has not seen it."""

    # Pairs, classes, device and settings of the trainings, one for each of its `folds`. Its `out` and `fold` are not
    # used. The plain segmenter by default: see segqc/auditing/ground_truth.py.
    training: TrainConfig = field(default_factory=lambda: TrainConfig(method="segmenter"))
    out: Path = Path("audit")
    top: int = 24  # rows of the contact sheet
    heatmaps: bool = True

    def __post_init__(self) -> None:
        check_range(self, "top", 1)
