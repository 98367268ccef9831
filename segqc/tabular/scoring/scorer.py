"""The interface of a method: a network to train, scores, contributions, and named arrays to save."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import numpy as np
import torch

from segqc.density import DensityHead
from segqc.tabular.encoding import Encoded, TableEncoder
from segqc.tabular.network.models import TableModel

Model = TypeVar("Model", bound=TableModel)
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ScorerSettings:
    """The parameters of `GumbelScoreDetector` that the methods depend on; it explains them."""

    width: int
    blocks: int
    dropout: float
    views: int
    weighted: bool


class TableScorer(ABC, Generic[Model]):
    """A fitted method: the trained network, and all else that was learnt from the training rows.

    Attributes
    ----------
    model : TableModel
        The trained network, in evaluation mode.
    density : DensityHead or None
        The mixture over the network's features, where the method has one. It is saved in a file of its own.
    """

    model: Model
    density: DensityHead | None = None

    @classmethod
    @abstractmethod
    def build_model(cls, encoder: TableEncoder, settings: ScorerSettings) -> Model:
        """The network for the columns of `encoder`, with random weights from torch's global generator."""

    @classmethod
    def untrained_model(cls, encoder: TableEncoder, settings: ScorerSettings, rows: Encoded) -> Model:
        """The network from which training on `rows` starts."""
        return cls.build_model(encoder, settings)

    @classmethod
    @abstractmethod
    def fit(
        cls,
        model: Model,
        encoder: TableEncoder,
        settings: ScorerSettings,
        rows: Encoded,
        validation: Encoded,
        seed: int,
    ) -> Self:
        """Learn all that scoring needs besides the trained network.

        Parameters
        ----------
        model : TableModel
            Trained, in evaluation mode, on its device.
        encoder : TableEncoder
        settings : ScorerSettings
        rows, validation : Encoded
            Training and validation inliers.
        seed : int
        """

    @abstractmethod
    def scores(self, rows: Encoded) -> np.ndarray:
        """Anomaly scores, float64 `[n]`, higher = more anomalous."""

    @abstractmethod
    def contributions(self, rows: Encoded) -> np.ndarray:
        """Contribution of every column to the anomaly of a row, float64 `[n, C]`."""

    def to_arrays(self) -> Arrays:
        """Named arrays for `from_arrays`: weights of the network, and all else but `density`."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.model.state_dict().items()}

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

    @classmethod
    def _load_model(cls, weights: Arrays, encoder: TableEncoder, settings: ScorerSettings) -> Model:
        model = cls.build_model(encoder, settings).eval()
        model.load_state_dict({name: torch.as_tensor(array) for name, array in weights.items()})
        return model


def with_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays under names that begin with `prefix`."""
    return {prefix + name: array for name, array in arrays.items()}


def take_prefix(prefix: str, arrays: Arrays) -> Arrays:
    """Remove the arrays whose names begin with `prefix`, and return them without it."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}
