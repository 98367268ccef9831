"""One dataclass per command: the same fields on the command line, in Python and in config.json.

`None` in a `TrainConfig` means "as the preset says"; `resolve` fills it in, so that what is written to disk is
complete.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Device, Images, Setting, VocRoot, check_settings
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


PresetName = Literal["cpu", "fast", "voc128", "voc256"]
Precision = Literal["auto", "fp32", "bf16"]

PRESETS: dict[PresetName, Preset] = {
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

    out: Annotated[Path, Setting("Run folder; becomes the model folder.")] = Path("runs/segqc")
    voc_root: VocRoot = None
    image_set: Annotated[str, Setting("List in ImageSets/Segmentation, without .txt.")] = "train"
    images: Images = None
    masks: Annotated[
        Path | None,
        Setting("Folder of ground-truth masks with the pictures' stems: palette or grey PNG, NPY, NPZ."),
    ] = None
    classes: Annotated[
        str | None,
        Setting(
            '"background,cat,dog" or a JSON file {"names": [...], "void": 255, "background": 0}; VOC\'s 21 by default.'
        ),
    ] = None
    method: Annotated[
        Method,
        Setting(
            "structured (ours), mixing (no segment noise), paper (GNSM as published) or segmenter (no noise ladder: an "
            "ablation)."
        ),
    ] = "structured"
    preset: Annotated[PresetName, Setting("cpu, fast, voc128 or voc256.")] = "cpu"
    steps: Annotated[int | None, Setting("Optimizer steps; by default the preset's.", low=1)] = None
    guess_steps: Annotated[
        int | None,
        Setting(
            "Steps of each of the two networks whose mistakes `structured` learns from; a fifth of --steps by default.",
            low=1,
        ),
    ] = None
    batch_size: Annotated[int | None, Setting("Pairs per step over all processes.", low=1)] = None
    learning_rate: Annotated[float | None, Setting("Peak of the cosine.", low=0, inside=True)] = None
    warmup_steps: Annotated[
        int | None, Setting("Steps in which the learning rate rises to its peak.", low=0, python_only=True)
    ] = None
    image_size: Annotated[int | None, Setting("Side of the squashed picture, px.", low=1)] = None
    grid_size: Annotated[int | None, Setting("Side of the mask grid, cells.", low=1)] = None
    encoder: Annotated[str | None, Setting("timm backbone of the image pyramid (frozen, ImageNet weights).")] = None
    classifier: Annotated[bool, Setting("Also what the encoder's ImageNet classifier sees and says at each place.")] = (
        True
    )
    views: Annotated[
        int | None,
        Setting("Augmented views per picture whose features are cached; 0: fresh ones at every step.", low=0),
    ] = None
    mask_only: Annotated[bool, Setting("Hide the picture from the network: an ablation.")] = False
    feature_cache: Annotated[
        Path | None, Setting("Keep cached features in this folder; runs on the same pictures share it.")
    ] = None
    # beside the validation pairs
    density_items: Annotated[int, Setting("Training pairs behind the density head, at most.", low=0)] = 300
    download: Annotated[bool, Setting("First fetch Pascal VOC 2012 (2 GB) into --voc-root, if it is not there.")] = (
        False
    )
    final_learning_rate: Annotated[float, Setting("End of the cosine.", low=0, python_only=True)] = 1e-5
    weight_decay: Annotated[float, Setting("Weight decay of AdamW.", low=0, python_only=True)] = 0.01
    ema_decay: Annotated[
        float,
        Setting("Decay per step of the averaged weights.", low=0, high=1, inside=True, python_only=True),
    ] = 0.999
    gradient_clip: Annotated[
        float, Setting("Norm that gradients are clipped to.", low=0, inside=True, python_only=True)
    ] = 1.0
    validation_fraction: Annotated[
        float,
        Setting("Share of the pairs held out for validation.", low=0, high=1, inside=True, python_only=True),
    ] = 0.1
    validation_items: Annotated[int, Setting("Pairs in each validation, at most.", low=1, python_only=True)] = 256
    validate_every: Annotated[int, Setting("Steps between validations.", low=1)] = 250
    checkpoint_every: Annotated[int, Setting("Steps between checkpoints.", low=1)] = 250
    seed: Annotated[int, Setting("Of weights, noise, order and augmentation.", low=0)] = 0
    # all folds share cached features
    fold: Annotated[
        int | None,
        Setting(
            "Leave this fold out of everything, of `folds` that `segqc.data.folds` deals by (seed, id).",
            low=0,
            python_only=True,
        ),
    ] = None
    folds: Annotated[int, Setting("Number of the folds.", low=2, python_only=True)] = 3
    # auto: bf16 where the hardware multiplies it natively, else fp32
    precision: Annotated[Precision, Setting("auto, fp32 or bf16.")] = "auto"
    device: Device = None
    # None: 0 with cached features, else 4
    workers: Annotated[int | None, Setting("Loader processes.", low=0)] = None
    compile: Annotated[bool, Setting("torch.compile the network.")] = False

    def __post_init__(self) -> None:
        check_settings(self)


def resolve(config: TrainConfig) -> TrainConfig:
    """Fill in what the preset decides.

    Raises
    ------
    ValueError
        Sizes that cannot work together.
    """
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
    if config.encoder is None and (config.views or config.image_size != config.grid_size):
        raise ValueError(
            "Without an encoder the picture is concatenated to the mask: image_size must equal grid_size, and views must be 0"
        )
    if config.fold is not None and not 0 <= config.fold < config.folds:
        raise ValueError(f"Expected fold to lie in 0..{config.folds - 1}, but got {config.fold}")
    return config
