"""Method `mixing`: surprises of the cells at a ladder of numbers of known cells, by counting and by the network.

A row's score is that of its most anomalous level (`segqc.tabular.counting.oddest_level`), plus a term for values that
usually occur in unusual rows (`segqc.tabular.counting.co_occurrence`).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from segqc.density import DensityHead
from segqc.tabular.counting.bins import NumberBins
from segqc.tabular.counting.co_occurrence import Company
from segqc.tabular.counting.oddest_level import OddestLevel
from segqc.tabular.counting.tails import NumberSpread
from segqc.tabular.counting.trees import ContextTrees, marginals
from segqc.tabular.encoding import Encoded, TableEncoder
from segqc.tabular.network.models import Batch, MixingModel
from segqc.tabular.network.views import half_views
from segqc.tabular.scoring.batches import by_distinct, in_blocks, sample_rows
from segqc.tabular.scoring.scorer import Arrays, ScorerSettings, TableScorer, take_prefix, with_prefix


def network_surprise(model: MixingModel, rows: Encoded, hidden: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted surprise of every cell over the views, float64 `[n, C]`.

    Parameters
    ----------
    model : MixingModel
    rows : Encoded
    hidden, weights : ndarray `[V, C]`
        From `segqc.tabular.network.views.half_views`.
    """
    device = model.continuous.device
    views = torch.as_tensor(hidden, device=device)
    shares = torch.as_tensor(weights, device=device)

    def compute(batch: Batch) -> torch.Tensor:
        total = torch.zeros(batch.codes.shape, dtype=torch.float64, device=device)
        for view, share in zip(views, shares, strict=True):
            total += model.view_surprise(batch, view).double() * share
        return total

    return in_blocks(rows, device, compute)


@dataclass(frozen=True)
class Counts:
    """Counts of the training rows: numbers in bins, and context trees.

    Attributes
    ----------
    spread : NumberSpread
    trees : ContextTrees
    """

    spread: NumberSpread
    trees: ContextTrees

    @classmethod
    def fit(cls, rows: Encoded, encoder: TableEncoder, seed: int) -> Self:
        """Count training rows."""
        bins = NumberBins.fit(rows, encoder.continuous)
        distinct, _, counts = rows.distinct()
        trees = ContextTrees.fit(bins.codes(distinct), counts, bins.sizes(encoder.sizes), seed)
        return cls(NumberSpread.fit(rows, bins), trees)

    def codes(self, rows: Encoded) -> np.ndarray:
        """Codes of the cells, int64 `[n, C]`, numbers as bins."""
        return self.spread.bins.codes(rows)

    def surprise(self, rows: Encoded) -> np.ndarray:
        """Surprise of every cell at every level of the trees, float64 `[n, L, C]`."""
        codes = self.codes(rows)
        found = self.trees.surprise(codes)
        found[:, :, self.spread.bins.continuous] += self.spread.surprise(rows, codes)[:, None]
        return found

    def outcome_surprise(self) -> np.ndarray:
        """Mean surprise of every outcome of every column with no other cell known, float64 `[S]`."""
        return self.trees.start + self.spread.added(self.trees.sizes)


class MixingScorer(TableScorer[MixingModel]):
    """Surprises at many levels; the most anomalous one makes the score.

    Parameters
    ----------
    model : MixingModel
    counts : Counts
    hidden, weights : ndarray `[V, C]`
        Views in which the network sees a row, from `segqc.tabular.network.views.half_views`.
    levels : OddestLevel
    company : Company
    """

    def __init__(
        self,
        model: MixingModel,
        counts: Counts,
        hidden: np.ndarray,
        weights: np.ndarray,
        levels: OddestLevel,
        company: Company,
    ) -> None:
        self.model = model
        self.counts = counts
        self.hidden = hidden
        self.weights = weights
        self.levels = levels
        self.company = company

    @classmethod
    def build_model(cls, encoder: TableEncoder, settings: ScorerSettings) -> MixingModel:
        return MixingModel(encoder.sizes, encoder.continuous, settings.width, settings.blocks, settings.dropout)

    @classmethod
    def untrained_model(cls, encoder: TableEncoder, settings: ScorerSettings, rows: Encoded) -> MixingModel:
        """The network that predicts the frequencies of `rows` whatever it reads."""
        model = super().untrained_model(encoder, settings, rows)
        model.set_marginals(marginals(rows.codes, encoder.sizes))
        return model

    @classmethod
    def fit(
        cls,
        model: MixingModel,
        encoder: TableEncoder,
        settings: ScorerSettings,
        rows: Encoded,
        validation: Encoded,
        seed: int,
    ) -> Self:
        counts = Counts.fit(rows, encoder, seed)
        hidden, weights = half_views(len(encoder.names), settings.views, seed)
        inliers, _, repeats = sample_rows(validation, seed).distinct()
        surprise = by_distinct(inliers, lambda part: _surprise(counts, model, hidden, weights, part))
        levels = OddestLevel.fit(surprise, repeats, encoder.continuous)
        company = _fit_company(counts, levels, rows, (counts.codes(inliers), repeats), surprise)
        return cls(model, counts, hidden, weights, levels, company)

    def scores(self, rows: Encoded) -> np.ndarray:
        return self.contributions(rows).sum(1)

    def contributions(self, rows: Encoded) -> np.ndarray:
        """Contribution of every column to the score, float64 `[n, C]`; they sum to `scores`."""

        def compute(part: Encoded) -> np.ndarray:
            surprise = _surprise(self.counts, self.model, self.hidden, self.weights, part)
            return self.levels.contributions(surprise) + self.company.contributions(self.counts.codes(part))

        return by_distinct(rows, compute)

    def to_arrays(self) -> Arrays:
        spread = self.counts.spread
        return (
            super().to_arrays()
            | {"detector.views_hidden_": self.hidden, "detector.views_weights_": self.weights}
            | with_prefix("trees.", self.counts.trees.to_arrays())
            | {"bins.edges": spread.bins.edges}
            | {"spread.scale": spread.scale, "spread.shape": spread.shape, "spread.usual": spread.usual}
            | {"levels.mean": self.levels.mean, "levels.scale": self.levels.scale}
            | {"company.added": self.company.added}
        )

    @classmethod
    def from_arrays(
        cls, arrays: Arrays, density: DensityHead | None, encoder: TableEncoder, settings: ScorerSettings
    ) -> Self:
        weights = dict(arrays)
        views = weights.pop("detector.views_hidden_"), weights.pop("detector.views_weights_")
        trees = ContextTrees.from_arrays(take_prefix("trees.", weights))
        bins = NumberBins(encoder.continuous, weights.pop("bins.edges"))
        spread = NumberSpread(bins, **take_prefix("spread.", weights))
        levels = OddestLevel(**take_prefix("levels.", weights))
        company = Company(trees.sizes, **take_prefix("company.", weights))
        sizes = bins.sizes(encoder.sizes)
        outcomes = {len(trees.start), len(company.added)}
        if not np.array_equal(trees.sizes, sizes) or outcomes != {sizes.sum()}:
            raise ValueError("counts of other columns or outcomes than those described")
        return cls(cls._load_model(weights, encoder, settings), Counts(spread, trees), *views, levels, company)


def _surprise(counts: Counts, model: MixingModel, hidden: np.ndarray, weights: np.ndarray, rows: Encoded) -> np.ndarray:
    """Surprise of every cell at every level, float64 `[n, L, C]`: the trees' levels, then the network's."""
    network = network_surprise(model, rows, hidden, weights)
    return np.concatenate([counts.surprise(rows), network[:, None]], axis=1)


def _fit_company(
    counts: Counts,
    levels: OddestLevel,
    rows: Encoded,
    inliers: tuple[np.ndarray, np.ndarray],
    surprise: np.ndarray,
) -> Company:
    """Company of the training rows; `inliers` are the codes of distinct validation rows and how often they occur,
    `surprise` `[d, L, C]` is theirs.
    """
    distinct, _, repeats = rows.distinct()
    sizes = counts.trees.sizes
    mean, scale = np.repeat(levels.mean[0], sizes), np.repeat(levels.scale[0] ** 2, sizes)
    oddness = scale * (counts.outcome_surprise() - mean)
    excess, oddest = levels.excess(surprise).sum(2), levels.contributions(surprise).sum(1)
    return Company.fit((counts.codes(distinct), repeats), inliers, sizes, oddness, excess, oddest)
