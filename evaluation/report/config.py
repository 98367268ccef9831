"""Settings of `segqc evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluation.metrics.class_table import Backend
from segqc.base.settings import check_range

Undefined = Literal["diagonal", "exclude"]


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate, against what; the same in Python, on the command line and in evaluation.json.

    Attributes
    ----------
    audit : Path
        Folder written by `segqc audit`: the method on trial. Its images are the ones judged.
    predictions : Path or None
        Folder of the audited masks; it must be the one that was audited.
    out : Path
        Folder for tables, figures and report.
    voc_root, ground_truth : Path or None
        Where the true masks are, one of the two; by default what the audit was given.
    image_set : str or None
        With `voc_root`: judge this list's images only.
    train_set : str
        With `voc_root`: list of the pairs with ground truth that baselines may learn from. Those that learn are left
        out without it.
    probs, second, tta : Path or None
        Folders with softmax maps (`segqc predict --probs`), another network's masks, and masks predicted on mirrored
        pictures, mirrored back.
    compare : tuple of str
        NAME=FOLDER: further audits of the same predictions.
    deep_svdd : tuple of str
        NETWORK/OBJECTIVE of Deep SVDD to fit, such as v2_b0/one-class; empty for none.
    fits : Path or None
        Folder for what baselines learned, to be shared by evaluations on one training set; by default inside `out`.
    metrics_backend : str
        segqc, or medpy (slower, the same numbers).
    undefined : str
        What the distances of a missed or spurious class count: diagonal or exclude.
    corruptions : int
        Pictures of the corruption suite, 0 for none.
    top, threshold, resamples, seed
        K of "the K ranked worst", Dice below which an image is a failure, bootstrap resamples, seed of all draws.
    device : str or None
    """

    audit: Path
    predictions: Path | None = None
    out: Path = Path("evaluation")
    voc_root: Path | None = None
    ground_truth: Path | None = None
    image_set: str | None = None
    train_set: str = "train"
    probs: Path | None = None
    second: Path | None = None
    tta: Path | None = None
    compare: tuple[str, ...] = ()
    deep_svdd: tuple[str, ...] = ("v2_b0/one-class", "v2_b0/soft-boundary", "frozen_lite/one-class")
    fits: Path | None = None
    metrics_backend: Backend = "segqc"
    undefined: Undefined = "diagonal"
    corruptions: int = 0
    top: int = 50
    threshold: float = 0.5
    resamples: int = 1000
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        check_range(self, "top resamples", 1)
        check_range(self, "corruptions seed", 0)
        check_range(self, "threshold", 0, 1)
