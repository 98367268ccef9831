"""The two methods as objects: each holds what it learnt, and scores rows."""

from segqc.tabular.scoring.mixing import MixingScorer
from segqc.tabular.scoring.paper import PaperScorer
from segqc.tabular.scoring.scorer import ScorerSettings, TableScorer

SCORERS: dict[str, type[TableScorer]] = {"mixing": MixingScorer, "paper": PaperScorer}
"""The class of every `method` of `segqc.tabular.GumbelScoreDetector`."""

__all__ = ["SCORERS", "MixingScorer", "PaperScorer", "ScorerSettings", "TableScorer"]
