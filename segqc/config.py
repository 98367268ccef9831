"""One dataclass per command: the same fields on the command line, in Python and in config.json.

`None` in a `TrainConfig` means "as the preset says"; `resolve` fills it in, so that what is written to disk is complete.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

BUNDLED_MODELS = {name: Path(__file__).parent / "models" / name for name in ("voc", "voc-fast")}
"""The models that come with the package, for the 21 classes of Pascal VOC. A MODEL_CARD.md in each says what it is good for."""

BUNDLED = BUNDLED_MODELS["voc"]

Method = Literal["structured", "mixing", "paper", "segmenter"]

T = TypeVar("T")


def check_range(config: Any, names: str, low: float, high: float = math.inf, inside: bool = False) -> None:
    """Refuse numbers of a config that make no sense; None is no number, and stands for a default.

    Parameters
    ----------
    config : dataclass
    names : str
        Fields, with spaces between.
    low, high : float
    inside : bool
        Whether the bounds themselves are refused too.

    Raises
    ------
    ValueError
        Names the field, the range and the number.
    """
    for name in names.split():
        value = getattr(config, name)
        if value is not None and not (low < value < high if inside else low <= value <= high):
            least = "above" if inside else "at least"
            wanted = f"{least} {low:g}" if high == math.inf else f"strictly between {low:g} and {high:g}" if inside else f"from {low:g} to {high:g}"
            raise ValueError(f"Expected {name} to be {wanted}, but got {value}")


@dataclass(frozen=True)
class Preset:
    """Sizes and training lengths that belong together."""

    image_size: int  # side of the squashed picture that the image path sees, px
    grid_size: int  # side S of the mask grid, cells
    encoder: str | None  # timm backbone of the image pyramid; None: the picture is concatenated to the mask, as in the paper
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    views: int  # fixed augmented views per picture whose frozen features are cached; 0: a fresh augmentation at every step, no cache


PRESETS: dict[str, Preset] = {
    "cpu": Preset(384, 64, "tf_efficientnet_lite2", steps=3000, batch_size=16, learning_rate=2e-3, warmup_steps=100, views=4),
    "fast": Preset(256, 64, "tf_efficientnet_lite0", steps=3000, batch_size=16, learning_rate=2e-3, warmup_steps=100, views=4),
    "voc128": Preset(256, 128, "tf_efficientnet_lite2", steps=100_000, batch_size=32, learning_rate=5e-4, warmup_steps=2000, views=0),
    "voc256": Preset(256, 256, None, steps=1_000_000, batch_size=16, learning_rate=1e-3, warmup_steps=5000, views=0),
}


@dataclass(frozen=True)
class TrainConfig:
    """`segqc train`. Relative paths are relative to the working directory."""

    out: Path = Path("runs/segqc")  # run and model folder
    voc_root: Path | None = None  # VOCdevkit, VOC2012 or a parent of VOCdevkit
    image_set: str = "train"  # list in ImageSets/Segmentation, without .txt
    images: Path | None = None  # or: a folder of pictures ...
    masks: Path | None = None  # ... and a folder of masks with the same stems
    classes: str | None = None  # "a,b,c" or a JSON file; Pascal VOC's 21 by default
    method: Method = "structured"
    preset: str = "cpu"
    steps: int | None = None
    guess_steps: int | None = None  # of each of the two networks whose mistakes `structured` learns from; a fifth of `steps` by default
    batch_size: int | None = None  # over all processes
    learning_rate: float | None = None
    warmup_steps: int | None = None
    image_size: int | None = None  # px
    grid_size: int | None = None  # cells
    encoder: str | None = None
    classifier: bool = True  # what the encoder's own ImageNet classifier sees and says at each place, beside its maps; without one, no difference
    views: int | None = None
    mask_only: bool = False  # an ablation: the network is shown zeros instead of the picture's features
    feature_cache: Path | None = None  # folder for cached features that outlives the run; runs on the same pictures share it
    download: bool = False  # fetch Pascal VOC 2012 into voc_root first
    final_learning_rate: float = 1e-5  # end of the cosine
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    gradient_clip: float = 1.0
    validation_fraction: float = 0.1
    validation_items: int = 256  # at most so many pairs in each validation
    validate_every: int = 250  # steps
    checkpoint_every: int = 250  # steps
    density_items: int = 300  # at most so many training pairs behind the density head, beside the validation pairs
    seed: int = 0
    fold: int | None = None  # leave this fold out of everything, of `folds` that `segqc.folds` deals by (seed, id); all folds share cached features
    folds: int = 3
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 where the hardware multiplies it natively, else fp32
    device: str | None = None  # cpu, cuda; None: what is there
    workers: int | None = None  # loader processes; None: 0 with cached features, else 4
    compile: bool = False


@dataclass(frozen=True)
class AuditConfig:
    """`segqc audit`."""

    predictions: Path = Path("predictions")  # folder of masks to judge, one row each
    out: Path = Path("audit")
    model: Path = BUNDLED  # model folder of `segqc train`, or voc or voc-fast, which come with segqc for the 21 classes of Pascal VOC
    images: Path | None = None  # folder of the pictures, or ...
    voc_root: Path | None = None  # ... a VOC folder (its SegmentationClass then serves as ground truth, where it has one)
    image_set: str | None = None  # with voc_root: the list whose images should have a prediction, such as val
    ground_truth: Path | None = None  # folder of true masks, for comparison only: they never enter the score
    levels: tuple[int, ...] | None = None  # noise levels that are read, by their index in the model's ladder; None: those of its score
    top: int = 24  # rows of the contact sheet
    heatmaps: bool = True
    strict: bool = False  # exit code 1 when a pair could not be scored
    device: str | None = None
    calibration: Path | None = None  # JSON of `segqc calibrate`; None: calibration.json in the model's folder, where there is one

    def __post_init__(self) -> None:
        check_range(self, "top", 1)


@dataclass(frozen=True)
class LabelAuditConfig:
    """`segqc audit` without predictions: of ground truth, each mask scored by a model that has not seen it."""

    # Pairs, classes, device and settings of the trainings, one for each of its `folds`. Its `out` and `fold` are not used. The plain segmenter by
    # default: see segqc/label_audit.py.
    training: TrainConfig = TrainConfig(method="segmenter")
    out: Path = Path("audit")
    top: int = 24  # rows of the contact sheet
    heatmaps: bool = True

    def __post_init__(self) -> None:
        check_range(self, "top", 1)


def resolve(config: TrainConfig) -> TrainConfig:
    """Fill in what the preset decides.

    Raises
    ------
    ValueError
        Unknown preset or method, or sizes that cannot work.
    """
    if config.preset not in PRESETS:
        raise ValueError(f"Unknown preset {config.preset!r}; choose one of {', '.join(PRESETS)}")
    if config.method not in typing.get_args(Method):
        raise ValueError(f"Unknown method {config.method!r}; choose one of {', '.join(typing.get_args(Method))}")
    preset = PRESETS[config.preset]
    missing = {name: getattr(preset, name) for name in ("steps", "batch_size", "learning_rate", "warmup_steps", "image_size", "grid_size", "views")}
    config = dataclasses.replace(config, **{name: value for name, value in missing.items() if getattr(config, name) is None})
    if config.guess_steps is None:
        config = dataclasses.replace(config, guess_steps=max(1, config.steps // 5))
    if config.encoder is None:
        config = dataclasses.replace(config, encoder=preset.encoder)
    if config.precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"Unknown precision {config.precision!r}; choose one of auto, fp32, bf16")
    if config.encoder is None and (config.views or config.image_size != config.grid_size):
        raise ValueError("Without an encoder the picture is concatenated to the mask: image_size must equal grid_size, and views must be 0")
    if config.fold is not None and not 0 <= config.fold < config.folds:
        raise ValueError(f"Expected fold to lie in 0..{config.folds - 1}, but got {config.fold}")
    check_range(config, "steps guess_steps batch_size image_size grid_size validation_items validate_every checkpoint_every", 1)
    check_range(config, "warmup_steps views density_items workers seed final_learning_rate weight_decay", 0)
    check_range(config, "learning_rate gradient_clip", 0, inside=True)
    check_range(config, "validation_fraction ema_decay", 0, 1, inside=True)
    return config


def to_json(config: Any) -> Any:
    """A config dataclass as plain JSON values."""
    if dataclasses.is_dataclass(config):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_json(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def from_json(cls: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """A config dataclass from JSON values; unknown and missing keys are refused.

    Raises
    ------
    ValueError
        Names the key and `where` it stands.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"Expected an object at {where}, but got {values!r}")
    hints = typing.get_type_hints(cls)
    unknown = set(values) - set(hints)
    if unknown:
        raise ValueError(f"Unknown key {', '.join(sorted(unknown))} in {where}; it may come from a newer segqc")
    try:
        return cls(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{where} is incomplete: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    """JSON knows no tuples, paths or dataclasses: restore them from the type hint."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if value is None else _convert(options[0], value, where)
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"Expected a list at {where}, but got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item, where) for item in value)
    if hint is Path and not isinstance(value, (str, Path)):
        raise ValueError(f"Expected a path at {where}, but got {value!r}")
    return Path(value) if hint is Path else value


ExportTarget = Literal["labelstudio", "cvat", "fiftyone", "coco", "csv"]


@dataclass(frozen=True)
class ExportConfig:
    """`segqc export`."""

    audit: Path = Path("audit")  # folder of `segqc audit`, or one of its tables
    to: ExportTarget = "csv"
    out: Path = Path("queue")
    top: int | None = None  # so many of the most suspect; None: all that pass the filters
    decisions: tuple[str, ...] = ()  # only these decisions of a calibration
    min_score: float | None = None
    max_p_value: float | None = None
    review: Path | None = None  # saved by the gallery: only what was rejected or left unsure there
    shapes: Literal["rle", "polygon"] = "rle"  # how the predicted mask goes along
    tolerance: float = 1.0  # px by which a polygon may leave the mask's outline; 0: exact
    images_root: Path | None = None  # paths of pictures are relative to it; None: the innermost folder above all of them
    url_prefix: str | None = None  # put before those paths, which makes them addresses
    classes: str | None = None  # as in TrainConfig; None: those of the audit's model


@dataclass(frozen=True)
class GalleryConfig:
    """`segqc gallery`: the review page of an audit, made anew."""

    audit: Path = Path("audit")
    out: Path | None = None  # the HTML file; None: gallery.html in the audit's folder
    compare: Path | None = None  # another audit's folder or table
    ground_truth: Path | None = None  # folder of true masks; None: as the audit had it
    thumbnails: Literal["auto", "inline", "beside"] = "auto"  # auto: in the page while it stays small, else as files in a folder beside it
    classes: str | None = None


@dataclass(frozen=True)
class CalibrateConfig:
    """`segqc calibrate`."""

    audit: Path = Path("audit")  # folder of `segqc audit`, or one of its tables with its summary.json beside it
    out: Path | None = None  # the JSON file; None: calibration.json in the audit's folder
    accepted: Path | None = None  # saved by the gallery, or a text file with an id a line: predictions that were accepted
    labels: Path | None = None  # CSV with the columns id and dice; None: the audit's own Dice, where it has any
    ground_truth: bool = False  # the audit is one of true masks
    dice_limit: float = 0.5  # a Dice below it is a failure
    max_failures: float = 0.05  # of what passes
    confidence: float = 0.9  # of that
    coverage: float = 0.9  # of the interval around the expected Dice
    fdr: float = 0.1  # of what is flagged in a batch, the share that is fine
    review_level: float = 0.1  # p-values at or below are for review, where no Dice is known
    fail_level: float = 0.01  # p-values at or below are failures, likewise
    seed: int = 0


@dataclass(frozen=True)
class MonitorConfig:
    """`segqc monitor`."""

    scores: Path = Path("scores.csv")  # a table with the columns id, score and status, or the folder that holds it
    calibration: Path = Path("calibration.json")
    plot: Path | None = None  # None: drift.png beside the table
    order: str | None = None  # column that says in which order the scores came; None: time where there is one, else id
    window: int = 200  # scores
    level: float = 0.01  # share of unchanged windows that raise a false alarm
    strict: bool = False  # exit code 1 when the last window has drifted

    def __post_init__(self) -> None:
        check_range(self, "level", 0, 1, inside=True)
