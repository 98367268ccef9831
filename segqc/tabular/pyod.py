"""The detector as one of PyOD's: higher = more anomalous, 1 = outlier.

It needs PyOD: `pip install 'segqc[tabular]'`.
"""

from typing import Any

import numpy as np
from pyod.models.base import BaseDetector

from segqc.tabular.detector import GumbelScoreDetector


class PyODDetector(BaseDetector):
    """`GumbelScoreDetector` as a `pyod.models.base.BaseDetector`.

    Parameters
    ----------
    contamination : float
        Share of the training rows labelled 1.
    **parameters
        Other parameters of `GumbelScoreDetector`.

    Attributes
    ----------
    decision_scores_ : ndarray `[n]`
        Anomaly scores of the training rows.
    threshold_ : float
        Scores above it are labelled 1.
    labels_ : ndarray `[n]` int64
        Labels of the training rows: 1 for outliers, 0 for inliers.
    detector_ : GumbelScoreDetector
    n_features_in_ : int
    """

    def __init__(self, contamination: float = 0.1, **parameters: Any) -> None:
        super().__init__(contamination)
        self.parameters = parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters, defaults included."""
        return self._unfitted().get_params(deep)

    def set_params(self, **parameters: Any) -> "PyODDetector":
        """Change parameters.

        Raises
        ------
        ValueError
            When there is no such parameter.
        """
        chosen = self._unfitted().set_params(**parameters).get_params(deep=False)
        self.contamination = chosen.pop("contamination")
        self.parameters = chosen
        return self

    def _unfitted(self) -> GumbelScoreDetector:
        return GumbelScoreDetector(contamination=self.contamination, **self.parameters)

    def fit(self, X: Any, y: Any = None) -> "PyODDetector":
        """Learn from `X`; `y` is ignored."""
        self._set_n_classes(None)
        self.detector_ = self._unfitted().fit(X)
        self.n_features_in_ = self.detector_.n_features_in_
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Anomaly scores, float64 `[n]`."""
        return -self.detector_.score_samples(X)

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Learn from `X`, and its labels: 1 for outliers, 0 for inliers, int64 `[n]`."""
        return self.fit(X).labels_
