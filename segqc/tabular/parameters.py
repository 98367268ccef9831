"""The ranges of the detector's parameters."""

import numbers
from collections.abc import Mapping
from typing import Any

from segqc.tabular.scoring import SCORERS

_CHOICES = {"method": tuple(SCORERS), "scaling": ("standard", "quantile")}
_COUNTS = ("trees", "width", "blocks", "steps", "batch_size")
_RANGES = {"dropout": (0, 0.95), "validation_fraction": (0, 0.9), "contamination": (0, 0.5)}


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Check the parameters of a `GumbelScoreDetector`.

    Raises
    ------
    ValueError
        When one is out of its range, with the range.
    """
    for name, choices in _CHOICES.items():
        if parameters[name] not in choices:
            raise ValueError(f"Expected `{name}` to be one of {', '.join(choices)}, but got {parameters[name]!r}")
    for name in _COUNTS:
        value = parameters[name]
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"Expected `{name}` to be a positive integer, but got {value!r}")
    for name, (low, high) in _RANGES.items():
        value = parameters[name]
        if not isinstance(value, numbers.Real) or not low <= float(value) <= high:
            raise ValueError(f"Expected `{name}` to be a number from {low} to {high}, but got {value!r}")
