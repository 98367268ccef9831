"""Average precision by labels of the two usual kinds."""

import warnings
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score


def precision_by_labels(y: Any, normality: np.ndarray) -> float | None:
    """Average precision of a ranking by rising normality.

    Parameters
    ----------
    y : array-like `[n]`
        -1 and 1 as in scikit-learn, or 1 and 0 as in PyOD, the outlier first.
    normality : ndarray `[n]`

    Returns
    -------
    float or None
        None, with a warning to the caller's caller, for other labels.
    """
    y = np.asarray(y)
    kinds = np.unique(y).tolist()
    if kinds not in ([-1, 1], [0, 1]):
        said = ", ".join(map(repr, kinds[:5]))
        warnings.warn(
            f"Expected labels -1 and 1, or 1 and 0, of outliers and inliers, but got {said}: they were ignored",
            stacklevel=3,
        )
        return None
    return float(average_precision_score(y == (-1 if kinds[0] == -1 else 1), -normality))
