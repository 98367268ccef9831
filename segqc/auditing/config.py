"""Settings of `segqc audit`: the same fields on the command line, in Python and in summary.json."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segqc.base.errors import BadInput
from segqc.base.settings import check_range, from_json
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


OF_TRAININGS = ("classes", "folds", "method", "preset", "steps", "feature_cache", "seed")
"""Fields of `TrainConfig` that an audit of ground truth takes."""

_OF_PREDICTIONS = ("model", "levels", "calibration")


def choose_audit(settings: Mapping[str, Any], spell: Callable[[str], str] = str) -> AuditConfig | LabelAuditConfig:
    """The configuration of an audit: of predictions where they are given, else of ground truth.

    Parameters
    ----------
    settings : mapping of str to object
        Fields of `AuditConfig` and those in `OF_TRAININGS`; None leaves a default.
    spell : callable, optional
        How the user writes a setting, for messages: "voc_root" as "--voc-root" on the command line.

    Raises
    ------
    BadInput
        A setting belongs to the other kind of audit, or ground truth is to be audited and not named.
    ValueError
        A setting is unknown, or out of its range.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    predictions = spell("predictions")
    if "predictions" in given:
        _refuse(given, OF_TRAININGS, "is for the audit of ground truth", f"leave it out, or {predictions}", spell)
        return from_json(AuditConfig, given, "the audit's settings")
    _refuse(given, _OF_PREDICTIONS, "is for predictions", f"leave it out, or give {predictions}", spell)
    if ("voc_root" in given) == ("images" in given) or ("images" in given) != ("ground_truth" in given):
        voc_root, images, ground_truth = map(spell, ("voc_root", "images", "ground_truth"))
        fix = f"give it; or, to audit ground truth, either {voc_root}, or {images} together with {ground_truth}"
        raise BadInput(predictions, "is not given", fix)
    training = {"method": LabelAuditConfig().training.method, "masks": given.get("ground_truth")}
    training |= {
        name: given[name] for name in (*OF_TRAININGS, "voc_root", "images", "image_set", "device") if name in given
    }
    own = {name: given[name] for name in ("out", "top", "heatmaps") if name in given}
    return from_json(LabelAuditConfig, own | {"training": training}, "the audit's settings")


def _refuse(given: Mapping[str, Any], names: Iterable[str], reason: str, fix: str, spell: Callable[[str], str]) -> None:
    """Raise `BadInput` for the first of these settings that is given."""
    for name in names:
        if name in given:
            raise BadInput(spell(name), reason, fix)
