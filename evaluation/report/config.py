"""Settings of `segqc evaluate`: the same fields in Python, on the command line and in evaluation.json."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from evaluation.metrics.choices import Backend
from segqc.base.settings import Device, Setting, VocRoot, check_settings

Undefined = Literal["diagonal", "exclude"]


@dataclass(frozen=True)
class EvaluateConfig:
    """`segqc evaluate`. The true masks are in `voc_root` or in `ground_truth`; by default they are what the audit was
    given. Baselines that learn are left out where there is no `voc_root`.
    """

    audit: Annotated[Path, Setting("Folder written by `segqc audit`: the method on trial.")]
    predictions: Annotated[Path | None, Setting("Folder of the audited masks, checked against the audit's own.")] = None
    out: Annotated[Path, Setting("Folder for tables, figures and report.")] = Path("evaluation")
    voc_root: VocRoot = None
    ground_truth: Annotated[Path | None, Setting("Folder of true masks, where there is no VOC folder.")] = None
    image_set: Annotated[str | None, Setting("With --voc-root: judge the images of this list only.")] = None
    train_set: Annotated[str, Setting("With --voc-root: list of the pairs that baselines may learn from.")] = "train"
    probs: Annotated[Path | None, Setting("Folder of softmax maps, as `segqc predict --probs` writes them.")] = None
    second: Annotated[Path | None, Setting("Folder of another network's masks.")] = None
    tta: Annotated[Path | None, Setting("Folder of masks predicted on mirrored pictures, mirrored back.")] = None
    compare: Annotated[
        tuple[str, ...],
        Setting("NAME=FOLDER, a further audit of the same predictions; may be repeated.", repeated=True),
    ] = ()
    deep_svdd: Annotated[
        tuple[str, ...],
        Setting('Deep SVDD to fit, NETWORK/OBJECTIVE with commas between, "none" for none.'),
    ] = ("v2_b0/one-class", "v2_b0/soft-boundary", "frozen_lite/one-class")
    fits: Annotated[
        Path | None, Setting("Folder for what baselines learned, shared by evaluations; in --out by default.")
    ] = None
    metrics_backend: Annotated[Backend, Setting("segqc, or medpy (slower, the same numbers).")] = "segqc"
    undefined: Annotated[Undefined, Setting("Distances of a missed or spurious class: diagonal or exclude.")] = (
        "diagonal"
    )
    corruptions: Annotated[
        int, Setting("Also score so many true masks with known errors in them (28 masks a picture).", low=0)
    ] = 0
    top: Annotated[int, Setting("K of the K ranked worst.", low=1)] = 50
    threshold: Annotated[float, Setting("A Dice below this is a failure.", low=0, high=1)] = 0.5
    resamples: Annotated[int, Setting("Of the bootstrap over images.", low=1)] = 1000
    seed: Annotated[int, Setting("Of fits, folds, corruptions and bootstrap.", low=0)] = 0
    device: Device = None

    def __post_init__(self) -> None:
        check_settings(self)
