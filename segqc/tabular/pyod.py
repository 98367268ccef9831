"""The detector under PyOD's conventions: higher = more anomalous, 1 = outlier.

PyOD itself is not needed; where it is installed, the detector is one of its `BaseDetector`s.
"""

from typing import Any

import numpy as np

from segqc.tabular.detector import GumbelScoreDetector

try:
    from pyod.models.base import BaseDetector
except ImportError:
    BaseDetector = object


class PyODDetector(BaseDetector):
    """`GumbelScoreDetector` with the attributes and signs of a `pyod.models.base.BaseDetector`.

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
        self.contamination = contamination
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
        self.detector_ = self._unfitted().fit(X)
        self.n_features_in_ = self.detector_.n_features_in_
        self.decision_scores_ = self.decision_function(X)
        self.threshold_ = float(np.percentile(self.decision_scores_, 100 * (1 - self.contamination)))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(np.int64)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Anomaly scores, float64 `[n]`."""
        return -self.detector_.score_samples(X)

    def predict(self, X: Any) -> np.ndarray:
        """1 for outliers, 0 for inliers, int64 `[n]`."""
        return (self.decision_function(X) > self.threshold_).astype(np.int64)

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Learn from `X`, and its labels: 1 for outliers, 0 for inliers, int64 `[n]`."""
        return self.fit(X).labels_

    def predict_proba(self, X: Any) -> np.ndarray:
        """Training scores mapped to 0..1, as PyOD's `linear` method: columns inlier, outlier, float64 `[n, 2]`."""
        low, high = self.decision_scores_.min(), self.decision_scores_.max()
        outlier = np.clip((self.decision_function(X) - low) / max(high - low, np.finfo(float).tiny), 0, 1)
        return np.stack([1 - outlier, outlier], axis=1)
