"""Method `mixing`: the plain sum of the surprises of a row's cells, given other cells of the row.

    score = sum over columns j of  s_j + d_j - u_j

The surprise s_j, -log p, is that of forests, the mean from none to all that they ask of the other cells
(`segqc.tabular.counting.forests`). Numbers are outcomes by their bins, and d_j says where in its bin a number lies
(`segqc.tabular.counting.bins`). u_j is what is usual: the mean over validation inliers.
"""

from dataclasses import fields
from typing import ClassVar, Self

import numpy as np
import torch

from segqc.density import DensityHead
from segqc.tabular.counting.bins import NumberBins
from segqc.tabular.counting.forests import ConditionalForests
from segqc.tabular.counting.order import CellOrder
from segqc.tabular.encoding import Encoded, TableEncoder
from segqc.tabular.scoring.batches import by_distinct, sample_rows
from segqc.tabular.scoring.scorer import Arrays, Progress, ScorerSettings, TableScorer, take_prefix, with_prefix


class MixingScorer(TableScorer):
    """Forests that predict every column from the others.

    Parameters
    ----------
    order : CellOrder
    bins : NumberBins
    forests : ConditionalForests
    usual : ndarray `[C]` float64
        Mean surprise of the cells of validation inliers.
    """

    scaling: ClassVar[str | None] = "robust"

    def __init__(self, order: CellOrder, bins: NumberBins, forests: ConditionalForests, usual: np.ndarray) -> None:
        self.order = order
        self.bins = bins
        self.forests = forests
        self.usual = usual

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
        order, bins = CellOrder.of(encoder), NumberBins.fit(rows, encoder.continuous)
        sizes, codes = bins.sizes(encoder.sizes), bins.codes(rows)
        held_out = sample_rows(validation, seed)
        judges = order.values(held_out), bins.codes(held_out)
        forests = ConditionalForests.fit(order.values(rows), codes, judges, sizes, settings.trees, seed)
        found = cls(order, bins, forests, np.zeros(len(sizes)))
        found.usual = found.contributions(held_out).mean(0)
        return found

    @property
    def usual_score(self) -> float:  # type: ignore[override]  # a number to those who read it
        """Sum of what is usual in the columns."""
        return float(self.usual.sum())

    def scores(self, rows: Encoded) -> np.ndarray:
        return self.contributions(rows).sum(1)

    def contributions(self, rows: Encoded) -> np.ndarray:
        """They sum to the scores."""
        return by_distinct(rows, self._surprise) - self.usual

    def _surprise(self, rows: Encoded) -> np.ndarray:
        codes = self.bins.codes(rows)
        found = self.forests.surprise(self.order.values(rows), codes)
        found[:, self.bins.continuous] += self.bins.surprise(rows, codes)
        return found

    def to_arrays(self) -> Arrays:
        bins = {field.name: getattr(self.bins, field.name) for field in fields(self.bins)}
        return with_prefix("forests.", self.forests.to_arrays()) | with_prefix("bins.", bins) | {"usual": self.usual}

    @classmethod
    def from_arrays(
        cls, arrays: Arrays, density: DensityHead | None, encoder: TableEncoder, settings: ScorerSettings
    ) -> Self:
        left = dict(arrays)
        bins = NumberBins(**take_prefix("bins.", left))
        forests = ConditionalForests(**take_prefix("forests.", left))
        usual, sizes = left.pop("usual"), bins.sizes(encoder.sizes)
        if left:
            raise ValueError(f"arrays of another method, such as {next(iter(left))}")
        if not np.array_equal(forests.sizes, sizes) or len(forests.start) != sizes.sum() or len(usual) != len(sizes):
            raise ValueError("counts of other columns or outcomes than those described")
        return cls(CellOrder.of(encoder), bins, forests, usual)
