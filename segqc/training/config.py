"""One dataclass per command: the same fields on the command line, in Python and in config.json.

`None` in a `TrainConfig` means "as the preset says"; `resolve` fills it in, so that what is written to disk is
complete.
"""

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segqc.base.settings import check_range
from segqc.model.catalogue import Method


@dataclass(frozen=True)
class Preset:
    """Sizes and training lengths that belong together."""

    image_size: int  # side of the squashed picture that the image path sees, px
    grid_size: int  # side S of the mask grid, cells
    # timm backbone of the image pyramid; None: the picture is concatenated to the mask, as in the paper
    encoder: str | None
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    # fixed augmented views per picture whose frozen features are cached; 0: a fresh augmentation at every step, no
    # cache
    views: int


PRESETS: dict[str, Preset] = {
    "cpu": Preset(
        384, 64, "tf_efficientnet_lite2", steps=3000, batch_size=16, learning_rate=2e-3, warmup_steps=100, views=4
    ),
    "fast": Preset(
        256, 64, "tf_efficientnet_lite0", steps=3000, batch_size=16, learning_rate=2e-3, warmup_steps=100, views=4
    ),
    "voc128": Preset(
        256, 128, "tf_efficientnet_lite2", steps=100_000, batch_size=32, learning_rate=5e-4, warmup_steps=2000, views=0
    ),
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
    # of each of the two networks whose mistakes `structured` learns from; a fifth of `steps` by default
    guess_steps: int | None = None
    batch_size: int | None = None  # over all processes
    learning_rate: float | None = None
    warmup_steps: int | None = None
    image_size: int | None = None  # px
    grid_size: int | None = None  # cells
    encoder: str | None = None
    # what the encoder's own ImageNet classifier sees and says at each place, beside its maps; without one, no
    # difference
    classifier: bool = True
    views: int | None = None
    mask_only: bool = False  # an ablation: the network is shown zeros instead of the picture's features
    # folder for cached features that outlives the run; runs on the same pictures share it
    feature_cache: Path | None = None
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
    fold: int | None = (
        # leave this fold out of everything, of `folds` that `segqc.data.folds` deals by (seed, id); all folds share
        # cached features
        None
    )
    folds: int = 3
    # auto: bf16 where the hardware multiplies it natively, else fp32
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str | None = None  # cpu, cuda; None: what is there
    workers: int | None = None  # loader processes; None: 0 with cached features, else 4
    compile: bool = False


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
    missing = {
        name: getattr(preset, name)
        for name in ("steps", "batch_size", "learning_rate", "warmup_steps", "image_size", "grid_size", "views")
    }
    config = dataclasses.replace(
        config, **{name: value for name, value in missing.items() if getattr(config, name) is None}
    )
    if config.guess_steps is None:
        config = dataclasses.replace(config, guess_steps=max(1, config.steps // 5))
    if config.encoder is None:
        config = dataclasses.replace(config, encoder=preset.encoder)
    if config.precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"Unknown precision {config.precision!r}; choose one of auto, fp32, bf16")
    if config.encoder is None and (config.views or config.image_size != config.grid_size):
        raise ValueError(
            "Without an encoder the picture is concatenated to the mask: image_size must equal grid_size, and views must be 0"
        )
    if config.fold is not None and not 0 <= config.fold < config.folds:
        raise ValueError(f"Expected fold to lie in 0..{config.folds - 1}, but got {config.fold}")
    check_range(
        config, "steps guess_steps batch_size image_size grid_size validation_items validate_every checkpoint_every", 1
    )
    check_range(config, "warmup_steps views density_items workers seed final_learning_rate weight_decay", 0)
    check_range(config, "learning_rate gradient_clip", 0, inside=True)
    check_range(config, "validation_fraction ema_decay", 0, 1, inside=True)
    return config
