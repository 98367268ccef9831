"""Settings of `segqc calibrate` and `segqc monitor`: the same fields on the command line and in Python."""

from dataclasses import dataclass
from pathlib import Path

from segqc.base.settings import check_range


@dataclass(frozen=True)
class CalibrateConfig:
    """`segqc calibrate`."""

    audit: Path = Path("audit")  # folder of `segqc audit`, or one of its tables with its summary.json beside it
    out: Path | None = None  # the JSON file; None: calibration.json in the audit's folder
    # saved by the gallery, or a text file with an id a line: predictions that were accepted
    accepted: Path | None = None
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
