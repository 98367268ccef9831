"""Settings of `segqc evaluate`: the same fields in Python, on the command line and in evaluation.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from evaluation.metrics.choices import Backend
from segqc.base.settings import Device, Engine, RayAddress, Setting, VocRoot, check_engine, check_settings

Undefined = Literal["diagonal", "exclude"]


@dataclass(frozen=True)
class EvaluateConfig:
    """`segqc evaluate`. The true masks are in `voc_root` or in `ground_truth`; by default they are what the audit was
    given. Baselines that learn take the pairs of `train_images` and `train_masks`, of `train_data`, or the list
    `train_set` of `voc_root`; by default the pairs that the audit's model was trained on.
    """

    audit: Annotated[
        Path, Setting("Folder written by `segqc audit`: the method that is evaluated, on the images of this audit.")
    ]
    predictions: Annotated[
        Path | None,
        Setting("Folder of the audited masks; it must be the one that was audited (default: as the audit recorded)."),
    ] = None
    out: Annotated[Path, Setting("Folder for the tables, the figures and the report.", on_disk=True)] = Path(
        "evaluation"
    )
    voc_root: VocRoot = None
    ground_truth: Annotated[
        Path | None,
        Setting("Folder of true masks, if there is no Pascal VOC folder (default of both: as the audit recorded)."),
    ] = None
    image_set: Annotated[
        str | None, Setting("With --voc-root: name of the list of images to evaluate (default: all audited images).")
    ] = None
    train_set: Annotated[str, Setting("With --voc-root: name of the list of pairs that baselines may learn from.")] = (
        "train"
    )
    train_images: Annotated[
        Path | None,
        Setting(
            "Folder of the images that baselines may learn from; with --train-masks (default: what the audit's model "
            "was trained on)."
        ),
    ] = None
    train_masks: Annotated[Path | None, Setting("Folder of the true masks of --train-images.")] = None
    train_data: Annotated[
        Path | None,
        Setting(
            "Data set in a known layout that baselines may learn from, in place of --train-images: see --data of "
            "`segqc train`."
        ),
    ] = None
    train_split: Annotated[
        str | None, Setting("With --train-data: part of the data set (default: the training part).")
    ] = None
    probs: Annotated[
        Path | None,
        Setting("Folder of softmax maps, as `segqc predict --probs` writes them; adds the baselines on probabilities."),
    ] = None
    second: Annotated[
        Path | None,
        Setting("Folder of masks that another network predicted; adds the baselines on their disagreement."),
    ] = None
    tta: Annotated[
        Path | None,
        Setting(
            "Folder of masks predicted on mirrored images and mirrored back; adds the baseline on their disagreement."
        ),
    ] = None
    compare: Annotated[
        tuple[str, ...],
        Setting("Another audit of the same predictions, as NAME=FOLDER; may be repeated.", repeated=True),
    ] = ()
    deep_svdd: Annotated[
        tuple[str, ...],
        Setting('Deep SVDD baselines to fit: NETWORK/OBJECTIVE, separated by commas, or "none".'),
    ] = ("v2_b0/one-class", "v2_b0/soft-boundary", "frozen_lite/one-class")
    fits: Annotated[
        Path | None,
        Setting("Folder for fitted baselines, which evaluations on the same training set share (default: in --out)."),
    ] = None
    metrics_backend: Annotated[
        Backend, Setting("Implementation of the segmentation metrics: segqc, or medpy (slower, the same numbers).")
    ] = "segqc"
    undefined: Annotated[
        Undefined,
        Setting(
            "Surface distances of a missed or spurious class: diagonal (that of the image) or exclude (from the mean)."
        ),
    ] = "diagonal"
    corruptions: Annotated[
        int,
        Setting(
            "Number of images whose true masks are also scored with planted errors, 28 masks each; 0 for none.", low=0
        ),
    ] = 0
    top: Annotated[int, Setting("Report metrics on the K highest scores.", low=1)] = 50
    threshold: Annotated[float, Setting("Dice below which an image counts as a failure.", low=0, high=1)] = 0.5
    resamples: Annotated[
        int | None,
        Setting(
            "Number of bootstrap resamples over images (default: 1,000; above 10,000 images fewer, so that ten "
            "million images are drawn, but at least 200).",
            low=1,
        ),
    ] = None
    seed: Annotated[int, Setting("Random seed for fits, folds, corruptions and bootstrap.", low=0)] = 0
    device: Device = None
    engine: Engine = "local"
    ray_address: RayAddress = None

    def __post_init__(self) -> None:
        check_settings(self)
        check_engine(self.engine, self.ray_address)
