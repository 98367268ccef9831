"""Isolation Forest, ECOD, COPOD, HBOS, INNE and Deep SVDD as PyOD has them.

PyOD >= 3.6.3: in earlier releases of that series Deep SVDD never trained.
"""

import contextlib
import io
from abc import abstractmethod

import numpy as np
import pyarrow
import torch
from pyod.models.base import BaseDetector
from pyod.models.copod import COPOD
from pyod.models.deep_svdd import DeepSVDD as PyodDeepSVDD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.inne import INNE

from evaluation.tables.baselines.base import CAP_SECONDS, CpuBudget, TableBaseline
from evaluation.tables.encoding import BaselineEncoder


class IsolationForest(TableBaseline):
    """100 trees of 256 rows on one-hot columns (Liu et al. 2008)."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "IsolationForest":
        self.encoder_ = BaselineEncoder().fit(X)
        self.forest_ = IForest(random_state=self.seed).fit(self.encoder_.one_hot(X))
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return self.forest_.decision_function(self.encoder_.one_hot(X))


class _OneHot(TableBaseline):
    """A detector of PyOD on one-hot columns."""

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "_OneHot":
        self.encoder_ = BaselineEncoder().fit(X)
        self.detector_ = self._detector().fit(self.encoder_.one_hot(X))
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return np.nan_to_num(self.detector_.decision_function(self.encoder_.one_hot(X)))

    @abstractmethod
    def _detector(self) -> BaseDetector:
        """PyOD's detector, not fitted."""


class Histograms(_OneHot):
    """HBOS: a histogram of ten bins a column (Goldstein and Dengel 2012)."""

    def _detector(self) -> BaseDetector:
        return HBOS()


class IsolationByNeighbours(_OneHot):
    """INNE: 200 samples of 8 rows, whose spheres reach to the nearest other row (Bandaragoda et al. 2018)."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _detector(self) -> BaseDetector:
        return INNE(random_state=self.seed)


class EmpiricalCDF(TableBaseline):
    """ECOD (Li et al. 2022) on one-hot columns.

    PyOD's takes tail probabilities over training and scored rows together, so a score depends on its companions; it
    adds up columns, so that blocks of columns give the same sum in little memory.
    """

    BLOCK = 32
    KIND: type[BaseDetector] = ECOD

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "EmpiricalCDF":
        self.encoder_ = BaselineEncoder().fit(X)
        train = self.encoder_.one_hot(X)
        self.blocks_ = []
        for start in range(0, train.shape[1], self.BLOCK):
            # What PyOD's `fit` adds is a threshold, at the price of scoring the training rows.
            block = self.KIND()
            block.X_train = train[:, start : start + self.BLOCK].astype(np.float64)
            self.blocks_.append(block)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        test = self.encoder_.one_hot(X).astype(np.float64)
        return sum(
            block.decision_function(test[:, i * self.BLOCK : (i + 1) * self.BLOCK])
            for i, block in enumerate(self.blocks_)
        )


class Copulas(EmpiricalCDF):
    """COPOD (Li et al. 2020), in the same way."""

    KIND = COPOD


class DeepSVDD(TableBaseline):
    """Deep SVDD (Ruff et al. 2018) on standardised one-hot columns: hidden layers of 64 and 32, Adam at 1e-4.

    Parameters
    ----------
    seed : int
    epochs : int
        At most; fewer where `cap_seconds` of CPU time would not do, judged by short trial fits.
    batch_size : int
    cap_seconds : float
    """

    def __init__(
        self, seed: int = 0, epochs: int = 100, batch_size: int = 128, cap_seconds: float = CAP_SECONDS
    ) -> None:
        self.seed = seed
        self.epochs = epochs
        self.batch_size = batch_size
        self.cap_seconds = cap_seconds

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "DeepSVDD":
        self.encoder_ = BaselineEncoder().fit(X)
        rows = self.encoder_.one_hot(X)
        epochs = self.epochs
        if len(rows) > 50_000:  # only there can a fit come near the cap
            budget, part, spent = CpuBudget(self.cap_seconds), rows[:10_000], []
            for trial in (1, 1, 4):  # the first also loads what it needs; the difference of the others is three epochs
                before = budget.spent()
                self._train(part, trial)
                spent.append(budget.spent() - before)
            epoch = max(spent[2] - spent[1], 1e-3) / 3 * len(rows) / len(part)
            epochs = max(1, min(epochs, int(0.9 * budget.left() / epoch)))
        self.model_ = self._train(rows, epochs)
        self.epochs_ = f"{epochs} epochs of {len(rows):,} rows, batches of {self.batch_size}" + (
            ", cut by the cap" if epochs < self.epochs else ""
        )
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return self.model_.decision_function(self.encoder_.one_hot(X))

    def _train(self, rows: np.ndarray, epochs: int) -> PyodDeepSVDD:
        # PyOD shuffles by NumPy's global generator; restored, so that a fit changes nothing outside.
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(self.seed)  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()):
                model = PyodDeepSVDD(
                    rows.shape[1], epochs=epochs, batch_size=self.batch_size, random_state=self.seed, verbose=0
                )
                return model.fit(rows)
        finally:
            np.random.set_state(state)  # noqa: NPY002
