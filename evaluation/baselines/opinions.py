"""Agreement of a mask with another mask of the same picture: a second network's, or the same network's of the mirrored
picture.

Score = 1 - mean foreground Dice between the two masks (`evaluation.metrics.classes.mean_dice`). Two masks that differ
cannot both be right, so a low agreement bounds the quality of one of them. An error that both make, such as an object
that both miss, is not found. Two masks without foreground agree (score 0); a mask without foreground disagrees fully
with one that has some (score 1).
"""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluation.baselines.base import Baseline, Example, Group
from evaluation.baselines.heuristics import score_each
from evaluation.metrics.classes import mean_dice
from segqc.data.labels import VOID
from segqc.data.reader import PairReader


class Disagreement(Baseline):
    """1 - mean Dice between the mask and another opinion, in [0, 1]; NaN where there is none or one of the two cannot
    be read.
    """

    group: Group = "second opinion"

    @abstractmethod
    def opinion(self, example: Example) -> tuple[Path | None, PairReader | None]:
        """File of the other mask, None where there is none, and how it is read; None: as the label space says."""

    def score(self, audited: Sequence[Example]) -> np.ndarray:
        return score_each(audited, self._one)

    def _one(self, example: Example) -> float:
        other_file, reader = self.opinion(example)
        if other_file is None:
            return float("nan")
        mask = example.mask()
        size = (mask.shape[1], mask.shape[0])
        other = (reader or PairReader(example.labels, strict_size=True)).prediction(other_file, size)
        return 1.0 - mean_dice(mask, other, example.labels.num_classes, void=VOID, background=example.labels.background)


class SecondNetwork(Disagreement):
    """Another network's mask.

    Its strength is the strength of that network: name the network wherever the row is printed.
    """

    name = "second network"
    needs = "masks of another segmenter"
    option = "--second"

    def opinion(self, example: Example) -> tuple[Path | None, PairReader | None]:
        return example.second, example.second_reader


class MirrorDisagreement(Disagreement):
    """The segmenter's own mask of the mirrored picture, mirrored back (test-time augmentation with one flip)."""

    name = "mirror disagreement"
    needs = "the segmenter, run once more on mirrored pictures"
    option = "--tta"

    def opinion(self, example: Example) -> tuple[Path | None, PairReader | None]:
        return example.mirrored, example.mirrored_reader
