"""Settings of `segqc audit`: the same fields on the command line, in Python and in summary.json."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from segqc.auditing.shards import parse_shard
from segqc.base.errors import BadInput
from segqc.base.settings import (
    TRACK_HELP,
    Device,
    Engine,
    Images,
    RayAddress,
    Runtime,
    Setting,
    Tracker,
    VocRoot,
    check_engine,
    check_settings,
    from_json,
)
from segqc.data.options import (
    DATA_OPTIONS,
    MIN_SCORE,
    MOST_TILES,
    Data,
    DataOptions,
    Layout,
    MinScore,
    ResultsOf,
    Split,
)
from segqc.model.catalogue import BUNDLED
from segqc.training.config import TrainConfig

Tiles = Annotated[
    int | None,
    Setting(
        "Score pictures in N x N overlapping tiles, for objects that are small in large pictures; takes N x N times as "
        "long. Ranks worse where objects are large, since a tile shows little around them, and lists more objects as "
        "missed that are not (default: as the model was trained, by `segqc train --tiles`; 1: the picture as a whole).",
        low=1,
        high=MOST_TILES,
    ),
]


@dataclass(frozen=True)
class AuditConfig(DataOptions):
    """`segqc audit` of predictions. Ground truth is only compared with them: it never enters the score."""

    predictions: Annotated[
        Path,
        Setting(
            "Predictions: a folder of masks (PNG, TIFF, BMP, GIF, NPY, NPZ or NIfTI), annotations (COCO results, COCO, "
            "CVAT, LabelMe, YOLO or Label Studio), or a table of paths (.csv, .parquet). Without it, `segqc audit` "
            "audits the ground truth."
        ),
    ]
    out: Annotated[Path, Setting("Folder for the tables, the heat maps and the review page.")] = Path("audit")
    model: Annotated[
        Path,
        Setting(
            "Model folder written by `segqc train`, or the name of a model that comes with segqc for the 21 "
            "classes of Pascal VOC: voc (default) or voc-fast."
        ),
    ] = BUNDLED
    images: Images = None
    voc_root: VocRoot = None
    image_set: Annotated[
        str | None,
        Setting(
            "With --voc-root: name of the list of images that should have a prediction, or whose ground truth "
            "is audited (default there: train)."
        ),
    ] = None
    ground_truth: Annotated[
        Path | None,
        Setting(
            "True masks, a folder or annotations, which predictions are compared with or, without --predictions, "
            "which are audited; --voc-root and --data bring their own."
        ),
    ] = None
    data: Data = None
    split: Split = None
    layout: Layout = "auto"
    prediction_classes: Annotated[
        str | None,
        Setting(
            "Classes of predicted masks whose values or colours are not the model's, as `segqc train --classes` takes "
            'them: names by value ({"17": "cat"} in a JSON file), a list of names, or the name of a public data set.'
        ),
    ] = None
    instances: Annotated[
        Path | None,
        Setting(
            "Folder of instance masks, named as the predictions: the id of each pixel's object, a whole number, or 0 "
            "for none (default: ids of annotations where they are single objects, else connected components)."
        ),
    ] = None
    results_of: ResultsOf = None
    min_score: MinScore = MIN_SCORE
    levels: Annotated[
        tuple[int, ...] | None,
        Setting(
            'Indices of the noise levels that are evaluated, such as "0" (no noise) or "0,1" (default: those '
            "that the model's score is made of)."
        ),
    ] = None
    tiles: Tiles = None
    top: Annotated[int, Setting("Number of masks on the contact sheet.", low=1)] = 24
    heatmaps: Annotated[bool, Setting("Write a heat map for each mask.")] = True
    strict_size: Annotated[
        bool,
        Setting(
            "Refuse predictions of another size than their image, instead of bringing them to it by nearest neighbour."
        ),
    ] = False
    calibration: Annotated[
        Path | None,
        Setting(
            "JSON file written by `segqc calibrate`, which adds p-value, expected Dice and decision to each "
            "row (default: calibration.json in the model folder, if there is one)."
        ),
    ] = None
    device: Device = None
    runtime: Runtime = "auto"
    engine: Engine = "local"
    ray_address: RayAddress = None
    track: Annotated[tuple[Tracker, ...], Setting(TRACK_HELP)] = ()
    shard: Annotated[
        str | None,
        Setting(
            "Score only part I of N of the predictions, as I/N, such as 2/8, into a folder of its own; `segqc merge` "
            "joins the folders of all N."
        ),
    ] = None

    def __post_init__(self) -> None:
        check_settings(self)
        check_engine(self.engine, self.ray_address)
        if self.shard is not None:
            parse_shard(self.shard)


@dataclass(frozen=True)
class MergeConfig:
    """`segqc merge`."""

    shards: Annotated[
        tuple[Path, ...],
        Setting("Folders of all shards, as written by `segqc audit --shard`.", positional=True, repeated=True),
    ]
    out: Annotated[Path, Setting("Folder for the tables, the heat maps and the review page of the whole.")] = Path(
        "audit"
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class LabelAuditConfig:
    """`segqc audit` without predictions: of ground truth, each mask scored by a model that has not seen it."""

    # Pairs, classes, device and settings of the trainings, one for each of its `folds`. Its `out` and `fold` are not
    # used. The plain segmenter by default: see segqc/auditing/ground_truth.py.
    training: TrainConfig = field(default_factory=lambda: TrainConfig(method="segmenter"))
    out: Annotated[Path, Setting("Folder for the tables, the heat maps and the review page.")] = Path("audit")
    top: Annotated[int, Setting("Number of masks on the contact sheet.", low=1)] = 24
    heatmaps: Annotated[bool, Setting("Write a heat map for each mask.")] = True
    runtime: Runtime = "auto"

    def __post_init__(self) -> None:
        check_settings(self)


OF_TRAININGS = ("classes", "folds", "method", "preset", "steps", "feature_cache", "seed")
"""Fields of `TrainConfig` that an audit of ground truth takes."""

_OF_PREDICTIONS = (
    *("model", "levels", "tiles", "calibration", "results_of", "prediction_classes", "instances"),
    *("engine", "ray_address", "shard", "track"),
)
_OF_DATA = ("data", "split", "layout")


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
    given = {name: value for name, value in settings.items() if value is not None and value != ()}
    predictions = spell("predictions")
    if "predictions" in given:
        _refuse(
            given,
            OF_TRAININGS,
            "applies only to an audit of ground truth",
            f"leave it out, or leave out {predictions}",
            spell,
        )
        return from_json(AuditConfig, given, "the audit's settings")
    _refuse(
        given, _OF_PREDICTIONS, "applies only to an audit of predictions", f"leave it out, or give {predictions}", spell
    )
    named = sum(name in given for name in ("voc_root", "images", "data"))
    if named != 1 or ("images" in given) != ("ground_truth" in given):
        voc_root, data, images, ground_truth = map(spell, ("voc_root", "data", "images", "ground_truth"))
        fix = f"give it; or, to audit ground truth, one of {voc_root}, {data}, or {images} together with {ground_truth}"
        raise BadInput(predictions, "is not given", fix)
    training = {"method": LabelAuditConfig().training.method, "masks": given.get("ground_truth")}
    training |= {
        name: given[name]
        for name in (*OF_TRAININGS, *DATA_OPTIONS, *_OF_DATA, "voc_root", "images", "image_set", "device")
        if name in given
    }
    own = {name: given[name] for name in ("out", "top", "heatmaps", "runtime") if name in given}
    return from_json(LabelAuditConfig, own | {"training": training}, "the audit's settings")


def _refuse(given: Mapping[str, Any], names: Iterable[str], reason: str, fix: str, spell: Callable[[str], str]) -> None:
    """Raise `BadInput` for the first of these settings that is given."""
    for name in names:
        if name in given:
            raise BadInput(spell(name), reason, fix)
