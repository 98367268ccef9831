"""The interface of a method: fitting, scores, contributions, and named arrays to save."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch

from segqc.density import DensityHead
from segqc.tabular.encoding import Encoded, TableEncoder
from segqc.tabular.network.training import TrainingConfig, TrainingResult

Arrays = dict[str, np.ndarray]
Progress = Callable[[int, float], None] | None


@dataclass(frozen=True)
class ScorerSettings:
    """The parameters of `GumbelScoreDetector` that the methods depend on; it explains them."""

    trees: int
    width: int
    blocks: int
    dropout: float
    weighted: bool
    training: TrainingConfig


class TableScorer(ABC):
    """A fitted method.

    Attributes
    ----------
    scaling : str or None
        How the method wants numbers scaled; None leaves it to the detector's parameter.
    density : DensityHead or None
        The mixture over a network's features, where the method has one. It is saved in a file of its own.
    training : TrainingResult or None
        What the training of a network came to, where the method has one.
    usual_score : float
        What was subtracted from a row's negative log-likelihood to make its score.
    """

    usual_score: float = 0.0
    scaling: ClassVar[str | None] = None
    density: DensityHead | None = None
    training: TrainingResult | None = None

    @classmethod
    @abstractmethod
    def fit(
        cls,
        encoder: TableEncoder,
        settings: ScorerSettings,
        rows: Encoded,
        validation: Encoded,
        seed: int,
        device: torch.device,
        progress: Progress = None,
    ) -> Self:
        """Learn from inliers.

        Parameters
        ----------
        encoder : TableEncoder
        settings : ScorerSettings
        rows, validation : Encoded
            Training and validation inliers.
        seed : int
        device : torch.device
            Where a network is trained.
        progress : callable of (step, validation loss), optional
            Called now and then during the training of a network.
        """

    @abstractmethod
    def scores(self, rows: Encoded) -> np.ndarray:
        """Anomaly scores, float64 `[n]`, higher = more anomalous."""

    @abstractmethod
    def contributions(self, rows: Encoded) -> np.ndarray:
        """Contribution of every column to the anomaly of a row, float64 `[n, C]`."""

    @abstractmethod
    def to_arrays(self) -> Arrays:
        """Named arrays for `from_arrays`: all but `density` and `training`."""

    @classmethod
    @abstractmethod
    def from_arrays(
        cls, arrays: Arrays, density: DensityHead | None, encoder: TableEncoder, settings: ScorerSettings
    ) -> Self:
        """The scorer that `to_arrays` and `density` described, on the CPU.

        Raises
        ------
        KeyError, TypeError
            When an array is missing, or one is there that does not belong.
        RuntimeError
            When the weights are those of a network for other columns or settings.
        ValueError
            When the other arrays are those of other columns.
        """

    def to(self, device: torch.device) -> None:  # noqa: B027 - nothing to move is the usual case
        """Move the network, where there is one, to a device."""


def with_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays under names that begin with `prefix`."""
    return {prefix + name: array for name, array in arrays.items()}


def take_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """Remove the arrays whose names begin with `prefix`, and return them without it."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}
