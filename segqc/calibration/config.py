"""Settings of `segqc calibrate` and `segqc monitor`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Setting, check_settings


@dataclass(frozen=True)
class CalibrateConfig:
    """`segqc calibrate`."""

    audit: Annotated[Path, Setting("Folder written by `segqc audit`, whose scores are calibrated.")]
    level: Annotated[
        Literal["picture", "object", "both"],
        Setting(
            "What is calibrated: the scores of pictures, those of their objects (in objects.csv, where the audit has "
            "ground truth), or both."
        ),
    ] = "picture"
    accepted: Annotated[
        Path | None,
        Setting("Accepted predictions: a review saved by the review page, or a text file with one id per line."),
    ] = None
    labels: Annotated[
        Path | None, Setting("CSV file with the columns id and dice (default: the audit's own Dice, if it has any).")
    ] = None
    ground_truth: Annotated[
        bool,
        Setting(
            "Calibrate on an audit of true masks in place of accepted predictions; good predictions are then "
            "flagged too often."
        ),
    ] = False
    out: Annotated[Path | None, Setting("JSON file to write (default: calibration.json in the audit folder).")] = None
    dice_limit: Annotated[float, Setting("Dice below which a prediction counts as a failure.", low=0, high=1)] = 0.5
    max_failures: Annotated[
        float, Setting("Maximum share of failures among the predictions that pass.", low=0, high=1)
    ] = 0.05
    confidence: Annotated[float, Setting("Confidence level of the --max-failures guarantee.", low=0, high=1)] = 0.9
    coverage: Annotated[
        float, Setting("Coverage of the interval around the expected Dice, or IoU of an object.", low=0, high=1)
    ] = 0.9
    fdr: Annotated[
        float,
        Setting(
            "Maximum false discovery rate: the expected share of good predictions among those flagged in a batch.",
            low=0,
            high=1,
        ),
    ] = 0.1
    review_level: Annotated[
        float, Setting("Largest p-value at which a prediction is sent to review, if no Dice is known.", low=0, high=1)
    ] = 0.1
    fail_level: Annotated[
        float, Setting("Largest p-value at which a prediction fails, if no Dice is known.", low=0, high=1)
    ] = 0.01
    iou_limit: Annotated[float, Setting("IoU below which an object counts as bad.", low=0, high=1)] = 0.5
    max_missed: Annotated[
        float,
        Setting(
            "Maximum share of a picture's bad objects that pass, as a mean over pictures that have any.", low=0, high=1
        ),
    ] = 0.1
    seed: Annotated[int, Setting("Random seed for splitting the labelled predictions.", low=0)] = 0

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class MonitorConfig:
    """`segqc monitor`."""

    scores: Annotated[
        Path,
        Setting(
            "The scores.csv of an audit or of a hook's review folder, or the folder that contains it.", positional=True
        ),
    ]
    calibration: Annotated[Path, Setting("JSON file written by `segqc calibrate`.")]
    plot: Annotated[Path | None, Setting("Image file of the plot (default: drift.png beside the table).")] = None
    order: Annotated[
        str | None,
        Setting("Column that the scores are sorted by (default: time if there is one, else id)."),
    ] = None
    window: Annotated[int, Setting("Number of consecutive scores in each comparison with the calibration.", low=1)] = (
        200
    )
    level: Annotated[
        float,
        Setting(
            "False alarm rate: probability that scores without drift ever raise an alarm, in all windows together.",
            low=0,
            high=1,
            inside=True,
        ),
    ] = 0.01

    def __post_init__(self) -> None:
        check_settings(self)
