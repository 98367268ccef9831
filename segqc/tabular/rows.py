"""The rows that an estimator is given, checked against those it was fitted on."""

from typing import Any

import numpy as np
import pyarrow
import scipy.sparse
from sklearn.utils.validation import validate_data

from segqc.tabular.io.columns import Columns, is_dataframe, read_columns


def read_checked(estimator: Any, X: Any, fitting: bool = False) -> Columns:
    """Columns of `X`, checked against those of the training table: DataFrames and arrays as scikit-learn does, dicts
    and Arrow tables by name.

    Parameters
    ----------
    estimator : scikit-learn estimator
        It gets `n_features_in_` and, where columns have names, `feature_names_in_` in fitting.
    X : DataFrame (pandas, polars), pyarrow.Table, dict of arrays, rows, or 2-D array
    fitting : bool

    Raises
    ------
    ValueError
        When it has no rows or columns, or others than the training table.
    """
    if isinstance(X, dict | pyarrow.Table) and not scipy.sparse.issparse(X):  # one of SciPy's is a dict
        table = read_columns(X)
        if fitting:
            estimator.n_features_in_ = len(table.names)
            estimator.feature_names_in_ = np.array(table.names, dtype=object)
        else:
            table = table.select(estimator.columns_)
    elif is_dataframe(X):
        table = read_columns(X)
        validate_data(estimator, X, reset=fitting, skip_check_array=True)
        named = all(isinstance(name, str) for name in X.columns)
        if not fitting and table.names != estimator.columns_ and not named:
            # scikit-learn compares names that are text; where these are integers, columns in another order would go
            # unnoticed.
            raise ValueError(
                f"Expected the columns {', '.join(estimator.columns_)} in this order, but got {', '.join(table.names)}"
            )
    else:
        X = np.array(X, dtype=object) if isinstance(X, list | tuple) else X
        table = read_columns(validate_data(estimator, X, reset=fitting, dtype=None, ensure_all_finite=False))
    if not len(table) or not table.names:
        raise ValueError(
            f"Found array with {len(table)} sample(s) and {len(table.names)} feature(s) while a minimum of 1 is "
            "required."
        )
    return table
