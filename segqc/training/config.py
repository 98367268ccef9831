"""One dataclass per command: the same fields on the command line, in Python and in config.json.

`None` in a `TrainConfig` means "as the preset says"; `segqc.training.resolved` fills it in, so that what is written to
disk is complete.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import TRACK_HELP, Device, Images, Setting, Tracker, VocRoot, check_settings
from segqc.data.options import MOST_TILES, Data, DataOptions, Layout, Split
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
class TrainConfig(DataOptions):
    """`segqc train`. Relative paths are relative to the working directory."""

    out: Annotated[Path, Setting("Run folder, which becomes the model folder.", on_disk=True)] = Path("runs/segqc")
    voc_root: VocRoot = None
    image_set: Annotated[str, Setting("With --voc-root: name of the list in ImageSets/Segmentation, without .txt.")] = (
        "train"
    )
    images: Images = None
    masks: Annotated[
        Path | None,
        Setting(
            "Folder of ground-truth masks, named like the images (PNG, TIFF, BMP, GIF, NPY or NPZ), or annotations of "
            "them (COCO, CVAT, LabelMe, YOLO or Label Studio)."
        ),
    ] = None
    data: Data = None
    split: Split = None
    layout: Layout = "auto"
    classes: Annotated[
        str | None,
        Setting(
            'Class names such as "background,cat,dog" (the first is the background); a .json or .txt file; or voc, '
            "cityscapes, cityscapes-trainids, camvid or ade20k (default: the data set's own names with --data, else "
            "the 21 classes of Pascal VOC)."
        ),
    ] = None
    method: Annotated[
        Method,
        Setting(
            "Method: structured (segment noise and mixing noise), mixing (no segment noise), paper (GNSM as "
            "published) or segmenter (no noise: an ablation)."
        ),
    ] = "structured"
    preset: Annotated[
        PresetName,
        Setting(
            "Preset of sizes and training length: cpu, fast, voc128 or voc256; other options override single values."
        ),
    ] = "cpu"
    steps: Annotated[int | None, Setting("Number of optimizer steps (default: the preset's).", low=1)] = None
    minutes: Annotated[
        float | None,
        Setting(
            "Minutes that the training may take: plans preset (cpu or fast), steps and views by what they take on this "
            "machine, measured at the start. A run that is continued keeps its plan.",
            low=0,
            inside=True,
        ),
    ] = None
    guess_steps: Annotated[
        int | None,
        Setting(
            "Number of optimizer steps of each of the two networks whose mistakes the method structured learns "
            "from (default: a fifth of --steps).",
            low=1,
        ),
    ] = None
    batch_size: Annotated[
        int | None, Setting("Number of pairs per step, over all processes (default: the preset's).", low=1)
    ] = None
    learning_rate: Annotated[
        float | None, Setting("Peak of the cosine learning rate schedule (default: the preset's).", low=0, inside=True)
    ] = None
    warmup_steps: Annotated[
        int | None,
        Setting(
            "Number of steps in which the learning rate rises linearly to its peak (default: the preset's).",
            low=0,
            python_only=True,
        ),
    ] = None
    image_size: Annotated[
        int | None, Setting("Side of the square that images are resized to, in pixels (default: the preset's).", low=1)
    ] = None
    grid_size: Annotated[
        int | None, Setting("Side of the grid that masks are reduced to, in cells (default: the preset's).", low=1)
    ] = None
    tiles: Annotated[
        int,
        Setting(
            "Train on tiles, N along a side of a picture, and score pictures in N x N such tiles: for objects that are "
            "small in large pictures. A step takes as long as without, a score N x N times as long.",
            low=1,
            high=MOST_TILES,
        ),
    ] = 1
    detail: Annotated[
        bool,
        Setting(
            "Choose image and grid size from the sizes of the objects in the masks, up to a grid of 128, where the "
            "preset's lose small and thin ones; a step takes up to twice as long."
        ),
    ] = True
    encoder: Annotated[
        str | None,
        Setting(
            "Name of the timm backbone of the image pyramid, frozen, with the weights that timm has for it "
            "(default: the preset's)."
        ),
    ] = None
    encoder_weights: Annotated[
        Path | None,
        Setting("File of the encoder's weights (.safetensors, as timm publishes them), in place of a download."),
    ] = None
    classifier: Annotated[
        bool, Setting("Give the network the output of the encoder's ImageNet classifier at each place, too.")
    ] = True
    views: Annotated[
        int | None,
        Setting(
            "Number of augmented views per image whose features are cached; 0 augments anew at every step "
            "(default: the preset's).",
            low=0,
        ),
    ] = None
    group: Annotated[
        str | None,
        Setting(
            "Regular expression whose first group names, in a picture's id, the video, patient or the like that it is "
            "from, such as '^([^_]+)_': what belongs together is validated on, or trained on, as a whole."
        ),
    ] = None
    rare_below: Annotated[
        float,
        Setting(
            "A class that fewer than this share of the pictures show is rare: with the share f, its pictures are drawn "
            "sqrt(share / f) times as often as others; 0 draws all alike.",
            low=0,
            high=1,
        ),
    ] = 0.0
    mask_only: Annotated[bool, Setting("Hide the image from the network (an ablation).")] = False
    feature_cache: Annotated[
        Path | None,
        Setting(
            "Folder for cached features, which runs on the same images share (default: in the run folder).",
            on_disk=True,
        ),
    ] = None
    density_items: Annotated[
        int,
        Setting(
            "Maximum number of training pairs that the density head is fitted on, beside the validation pairs.", low=0
        ),
    ] = 300
    download: Annotated[bool, Setting("Download Pascal VOC 2012 (2 GB) into --voc-root first, if it is not there.")] = (
        False
    )
    final_learning_rate: Annotated[
        float, Setting("Learning rate at the end of the cosine schedule.", low=0, python_only=True)
    ] = 1e-5
    weight_decay: Annotated[float, Setting("Weight decay of AdamW.", low=0, python_only=True)] = 0.01
    ema_decay: Annotated[
        float,
        Setting("Decay of the moving average of the weights, per step.", low=0, high=1, inside=True, python_only=True),
    ] = 0.999
    gradient_clip: Annotated[
        float, Setting("Norm above which the gradient is scaled down.", low=0, inside=True, python_only=True)
    ] = 1.0
    validation_fraction: Annotated[
        float,
        Setting("Share of the pairs that is held out for validation.", low=0, high=1, inside=True, python_only=True),
    ] = 0.1
    validation_items: Annotated[
        int, Setting("Maximum number of pairs in each validation.", low=1, python_only=True)
    ] = 256
    validate_every: Annotated[int, Setting("Number of steps between validations.", low=1)] = 250
    checkpoint_every: Annotated[int, Setting("Number of steps between checkpoints.", low=1)] = 250
    seed: Annotated[int, Setting("Random seed for weights, noise, order and augmentation.", low=0)] = 0
    # all folds share cached features
    fold: Annotated[
        int | None,
        Setting(
            "Fold that is left out of training, validation and density head; `segqc.data.folds` assigns folds "
            "by seed and id.",
            low=0,
            python_only=True,
        ),
    ] = None
    folds: Annotated[int, Setting("Number of folds.", low=2, python_only=True)] = 3
    precision: Annotated[
        Precision,
        Setting(
            "Number format of the network's arithmetic: fp32, bf16, or auto (bf16 where the hardware "
            "multiplies it natively)."
        ),
    ] = "auto"
    device: Device = None
    track: Annotated[tuple[Tracker, ...], Setting(TRACK_HELP)] = ()
    workers: Annotated[
        int | None, Setting("Number of data loader processes (default: 0 with cached features, else 4).", low=0)
    ] = None
    compile: Annotated[bool, Setting("Compile the network with torch.compile.")] = False

    def __post_init__(self) -> None:
        check_settings(self)
