"""Arrays with a column per column of a table, as what the caller wants: an array, or a DataFrame with the names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

CONTAINERS = ("default", "pandas", "polars")


def in_container(found: np.ndarray, names: Sequence[str], X: Any, container: str) -> Any:
    """The array `[n, C]` itself ("default"), or as a DataFrame; that of pandas has the index of `X`, if it has one."""
    if container == "pandas":
        import pandas

        return pandas.DataFrame(found, columns=list(names), index=X.index if hasattr(X, "iloc") else None)
    if container == "polars":
        import polars

        return polars.DataFrame(found, schema=list(names), orient="row")
    return found
