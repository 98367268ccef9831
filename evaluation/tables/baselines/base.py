"""Base of all baselines on tables: a baseline learns from inliers and scores rows, higher = more anomalous."""

import time
from abc import ABC, abstractmethod

import numpy as np
import pyarrow

CAP_SECONDS = 600.0
"""CPU seconds a fit may take."""


class TableBaseline(ABC):
    """A detector on tables.

    Attributes
    ----------
    epochs_ : str
        After `fit`: how long it trained and what ended it, in words; empty for what does not train.
    """

    epochs_: str = ""

    @abstractmethod
    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "TableBaseline":
        """Learn from inliers.

        The validation rows, inliers too, are to stop a training early and to learn what scores are usual.
        """

    @abstractmethod
    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        """Float64 `[n]`, higher = more anomalous."""


class CpuBudget:
    """CPU seconds of this process since the start of a fit, on all its threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = time.process_time()

    def spent(self) -> float:
        return time.process_time() - self._start

    def left(self) -> float:
        return self.seconds - self.spent()
