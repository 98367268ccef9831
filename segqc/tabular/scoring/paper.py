"""Method `paper`: score norms of the clean row at 20 temperatures, and a Gaussian mixture over their means."""

from typing import Self

import numpy as np
import torch

from segqc.density import DensityHead
from segqc.tabular.encoding import Encoded, TableEncoder
from segqc.tabular.network.models import PaperModel
from segqc.tabular.network.training import train
from segqc.tabular.scoring.batches import by_distinct, in_blocks
from segqc.tabular.scoring.scorer import Arrays, Progress, ScorerSettings, TableScorer

_LEAST_DEVIATION = 1e-9  # of score norms: below it, they are constant


def level_norms(model: PaperModel, rows: Encoded) -> np.ndarray:
    """Squared score norms per level and column of the clean rows, float64 `[n, L, C]`."""
    return by_distinct(rows, lambda part: in_blocks(part, model.continuous.device, model.norms))


class PaperScorer(TableScorer):
    """Gumbel noise score matching as published.

    Parameters
    ----------
    model : PaperModel
    norm_mean, norm_scale : ndarray `[L, C]` float64
        Mean and standard deviation of the squared score norms of validation inliers.
    density : DensityHead or None
        Over the norms of the levels, each averaged over the columns. None where the training rows are all alike, which
        have no density: any difference from them is odd.
    """

    def __init__(
        self, model: PaperModel, norm_mean: np.ndarray, norm_scale: np.ndarray, density: DensityHead | None
    ) -> None:
        self.model = model
        self.norm_mean = norm_mean
        self.norm_scale = norm_scale
        self.density = density

    @classmethod
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
        # initial weights and dropout come from torch's global generator; leave it as it was
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _network(encoder, settings).to(device)
            training = train(model, rows, validation, settings.training, seed, progress)
        norms = level_norms(model, validation)
        features = level_norms(model, rows).mean(2)
        alike = np.ptp(features, axis=0).max() < _LEAST_DEVIATION
        density = None if alike else DensityHead.fit(features, norms.mean(2), seed=seed)
        found = cls(model, norms.mean(0), np.maximum(norms.std(0), _LEAST_DEVIATION), density)
        found.training = training
        return found

    def scores(self, rows: Encoded) -> np.ndarray:
        features = level_norms(self.model, rows).mean(2)
        if self.density is None:
            return np.abs(features - self.norm_mean.mean(1)).sum(1)
        return self.density.score(features)

    def contributions(self, rows: Encoded) -> np.ndarray:
        """Each column's squared score norm in standard deviations above its mean, averaged over the levels."""
        return ((level_norms(self.model, rows) - self.norm_mean) / self.norm_scale).mean(1)

    def to_arrays(self) -> Arrays:
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in self.model.state_dict().items()}
        return weights | {"detector.norm_mean_": self.norm_mean, "detector.norm_scale_": self.norm_scale}

    @classmethod
    def from_arrays(
        cls, arrays: Arrays, density: DensityHead | None, encoder: TableEncoder, settings: ScorerSettings
    ) -> Self:
        weights = dict(arrays)
        mean, scale = weights.pop("detector.norm_mean_"), weights.pop("detector.norm_scale_")
        model = _network(encoder, settings).eval()
        model.load_state_dict({name: torch.as_tensor(array) for name, array in weights.items()})
        return cls(model, mean, scale, density)

    def to(self, device: torch.device) -> None:
        self.model.to(device)


def _network(encoder: TableEncoder, settings: ScorerSettings) -> PaperModel:
    """The network for the columns of `encoder`, with random weights from torch's global generator."""
    shape = (encoder.sizes, encoder.continuous, settings.width, settings.blocks, settings.dropout)
    return PaperModel(*shape, weighted=settings.weighted)
