"""Settings of `segqc calibrate` and `segqc monitor`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from segqc.base.settings import Setting, check_settings


@dataclass(frozen=True)
class CalibrateConfig:
    """`segqc calibrate`."""

    audit: Annotated[Path, Setting("Folder written by `segqc audit`: the scores to calibrate.")]
    accepted: Annotated[
        Path | None,
        Setting("Review saved by the gallery, or a text file with an id a line: predictions that were accepted."),
    ] = None
    labels: Annotated[
        Path | None, Setting("CSV with the columns id and dice; by default the audit's own Dice, if it has any.")
    ] = None
    ground_truth: Annotated[
        bool, Setting("The audit is one of true masks. Allowed, but good predictions will be flagged too often.")
    ] = False
    out: Annotated[Path | None, Setting("The JSON file; calibration.json in the audit's folder by default.")] = None
    dice_limit: Annotated[float, Setting("A Dice below this is a failure.", low=0, high=1)] = 0.5
    max_failures: Annotated[float, Setting("Of what passes, at most this share fails ...", low=0, high=1)] = 0.05
    confidence: Annotated[float, Setting("... with this confidence.", low=0, high=1)] = 0.9
    coverage: Annotated[float, Setting("Of the interval around the expected Dice.", low=0, high=1)] = 0.9
    fdr: Annotated[float, Setting("Of what is flagged in a batch, at most this share is fine.", low=0, high=1)] = 0.1
    review_level: Annotated[
        float, Setting("p-values up to this are for review, where no Dice is known.", low=0, high=1)
    ] = 0.1
    fail_level: Annotated[float, Setting("p-values up to this are failures, likewise.", low=0, high=1)] = 0.01
    seed: Annotated[int, Setting("Of the random parts of the labelled predictions.", low=0)] = 0

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class MonitorConfig:
    """`segqc monitor`."""

    scores: Annotated[
        Path,
        Setting("scores.csv of an audit or of the hook's review folder, or the folder itself.", positional=True),
    ]
    calibration: Annotated[Path, Setting("JSON written by `segqc calibrate`.")]
    plot: Annotated[Path | None, Setting("Picture to draw; drift.png beside the table by default.")] = None
    order: Annotated[
        str | None,
        Setting("Column by which the scores are put in order: time where there is one, else id, by default."),
    ] = None
    window: Annotated[int, Setting("Scores that are compared together.", low=1)] = 200
    level: Annotated[
        float, Setting("Share of unchanged windows that raise a false alarm.", low=0, high=1, inside=True)
    ] = 0.01

    def __post_init__(self) -> None:
        check_settings(self)
