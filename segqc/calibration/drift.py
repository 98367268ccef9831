"""Drift: whether scores still come from the distribution that a calibration was fitted on.

A calibration holds for predictions like those it was fitted on. When a camera gets dirty or a network is replaced, its
numbers stop being valid, and nothing in them shows it. So new scores are compared with the calibration's own by a
Kolmogorov-Smirnov test, one window of scores after the other; windows do not overlap.

Many windows are many tests. `level` is the probability of one false alarm or more in all of them, however many come:
window number i may spend level / (i (i + 1)) of it, which adds up to `level` (alpha-spending: Tian and Ramdas, "Online
control of the familywise error rate", Statistical Methods in Medical Research 30(4), 2021, arXiv 1910.04900, section 2;
Lan and DeMets, Biometrika 70(3), 1983). By the union bound this needs no independence, and the windows are not
independent: all are compared with one reference. Who looks at a window before it is full, looks at it many times. Half
of a window's share is for the full window, the other half is divided evenly among its shorter lengths.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

WINDOW = 200
LEVEL = 0.01
SMALLEST_SAMPLE = 20
"""Fewer scores are not compared: such a window could only notice a collapse."""


@dataclass(frozen=True)
class DriftWindow:
    """One window of scores against the calibration's.

    Attributes
    ----------
    first, last : int
        Places of its scores in the order of arrival, from 0, both inclusive.
    statistic : float
        Largest distance between the two distribution functions, in [0, 1].
    p_value : float
        Probability of such a distance or a larger one if the distribution has not changed.
    direction : "higher" or "lower"
        Where the window's scores have moved to: higher is worse.
    level : float
        Largest p-value at which it raises an alarm.
    """

    first: int
    last: int
    statistic: float
    p_value: float
    direction: Literal["higher", "lower"]
    level: float

    @property
    def drifted(self) -> bool:
        """Whether it raises an alarm."""
        return self.p_value <= self.level

    def __str__(self) -> str:
        return (
            f"scores {self.first} to {self.last} are {self.direction} than those of the calibration "
            f"(Kolmogorov-Smirnov {self.statistic:.2f}, p {self.p_value:.2g})"
        )


class DriftMonitor:
    """Scores as they come, compared with a reference a window at a time.

    Parameters
    ----------
    reference : sequence of float
        Scores of everything that was audited for the calibration, good and bad.
    window : int
        Scores that are compared together.
    level : float
        Probability that unchanged scores ever raise a false alarm, however many windows there are.

    Attributes
    ----------
    windows : list of DriftWindow
        Those that are full, and after `close` the one that is not.
    """

    def __init__(self, reference: Iterable[float], window: int = WINDOW, level: float = LEVEL) -> None:
        self.reference = np.sort(np.asarray(list(reference), np.float64))
        if window < SMALLEST_SAMPLE or len(self.reference) < SMALLEST_SAMPLE:
            found = f"{window} and {len(self.reference)}"
            raise ValueError(f"Expected a window and a reference of at least {SMALLEST_SAMPLE} scores, but got {found}")
        self.window = window
        self.level = level
        self.windows: list[DriftWindow] = []
        self._waiting: list[float] = []

    @property
    def drifted(self) -> bool:
        """Whether any window has."""
        return any(window.drifted for window in self.windows)

    def level_of(self, number: int, length: int) -> float:
        """What window `number`, from 1, may spend of the level when it is looked at with `length` scores."""
        half = self.level / (number * (number + 1)) / 2
        return half if length == self.window else half / (self.window - SMALLEST_SAMPLE)

    def update(self, score: float) -> DriftWindow | None:
        """Take the next score; the window that it fills, if it does."""
        self._waiting.append(float(score))
        return self._close() if len(self._waiting) == self.window else None

    def close(self) -> DriftWindow | None:
        """Compare the scores of a last window that is not full, if they are at least `SMALLEST_SAMPLE`."""
        return self._close() if len(self._waiting) >= SMALLEST_SAMPLE else None

    def _close(self) -> DriftWindow:
        scores, self._waiting = np.asarray(self._waiting), []
        first = self.windows[-1].last + 1 if self.windows else 0
        level = self.level_of(len(self.windows) + 1, len(scores))
        result = compare_scores(scores, self.reference, level, first)
        self.windows.append(result)
        return result


def compare_scores(scores: np.ndarray, reference: np.ndarray, level: float = LEVEL, first: int = 0) -> DriftWindow:
    """Two-sample Kolmogorov-Smirnov test of scores against a reference, as one window that begins at place `first`."""
    from scipy.stats import ks_2samp  # here, as it takes a second to import

    test = ks_2samp(scores, reference)
    # The sign says whose distribution function is above where they differ most: the window's, when its scores are
    # lower.
    direction: Literal["higher", "lower"] = "lower" if test.statistic_sign > 0 else "higher"
    statistic, p_value = float(test.statistic), float(test.pvalue)
    return DriftWindow(first, first + len(scores) - 1, statistic, p_value, direction, level)
