"""Distances to neighbours, on one-hot columns and standardised numbers, with the defaults of PyOD (Zhao et al. 2019).

scikit-learn searches the neighbours, as it does for PyOD; what is left out is that PyOD's `fit` also scores the
training rows.
"""

import numpy as np
import pyarrow
from sklearn.neighbors import LocalOutlierFactor as SklearnLOF
from sklearn.neighbors import NearestNeighbors

from evaluation.tables.baselines.base import TableBaseline
from evaluation.tables.encoding import BaselineEncoder

_TREES_UP_TO = 15  # columns; above, comparing all pairs of rows is faster


def _search(width: int) -> str:
    return "auto" if width <= _TREES_UP_TO else "brute"


class KNearestNeighbours(TableBaseline):
    """Distance to the fifth nearest training row (Ramaswamy et al. 2000)."""

    NEIGHBOURS = 5

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "KNearestNeighbours":
        self.encoder_ = BaselineEncoder().fit(X)
        rows = self.encoder_.one_hot(X)
        self.neighbours_ = min(self.NEIGHBOURS, len(rows))
        self.index_ = NearestNeighbors(n_neighbors=self.neighbours_, algorithm=_search(rows.shape[1])).fit(rows)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return self.index_.kneighbors(self.encoder_.one_hot(X))[0][:, -1].astype(np.float64)


class LocalOutlierFactor(TableBaseline):
    """Local outlier factor with 20 neighbours (Breunig et al. 2000)."""

    NEIGHBOURS = 20

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "LocalOutlierFactor":
        self.encoder_ = BaselineEncoder().fit(X)
        rows = self.encoder_.one_hot(X)
        count = min(self.NEIGHBOURS, len(rows) - 1)
        self.factor_ = SklearnLOF(n_neighbors=count, novelty=True, algorithm=_search(rows.shape[1])).fit(rows)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return -self.factor_.score_samples(self.encoder_.one_hot(X)).astype(np.float64)
