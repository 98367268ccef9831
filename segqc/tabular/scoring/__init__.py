"""The two methods as objects: each holds its trained network and all else that it learnt, and scores rows."""

from typing import Any

from segqc.tabular.scoring.mixing import MixingScorer
from segqc.tabular.scoring.paper import PaperScorer
from segqc.tabular.scoring.scorer import ScorerSettings, TableScorer

SCORERS: dict[str, type[TableScorer[Any]]] = {"mixing": MixingScorer, "paper": PaperScorer}
"""The class of every `method` of `segqc.tabular.GumbelScoreDetector`."""

__all__ = ["SCORERS", "MixingScorer", "PaperScorer", "ScorerSettings", "TableScorer"]
