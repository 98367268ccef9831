"""The methods of the benchmark by name."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pyarrow

from evaluation.tables.baselines.base import TableBaseline
from segqc.base.errors import BadInput

Group = Literal["segqc", "counting", "published"]


class Detector(TableBaseline):
    """`GumbelScoreDetector` under the baselines' interface: text columns are categorical, numbers continuous, all
    settings its defaults.
    """

    def __init__(self, method: str | None, seed: int) -> None:
        from segqc.tabular import GumbelScoreDetector

        chosen = {} if method is None else {"method": method}
        self.settings = GumbelScoreDetector(random_state=seed, **chosen).get_params()

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "Detector":
        from segqc.tabular import GumbelScoreDetector

        self.detector_ = GumbelScoreDetector(**self.settings).fit(X, X_validation=X_validation)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return -self.detector_.score_samples(X)


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes
    ----------
    name : str
        On the command line and in file names.
    title : str
    group : Group
    make : callable
        Of a seed; imports what it needs.
    """

    name: str
    title: str
    group: Group
    make: Callable[[int], TableBaseline]


def _counting(name: str) -> Callable[[int], TableBaseline]:
    def make(seed: int) -> TableBaseline:
        from evaluation.tables.baselines import counting

        return getattr(counting, name)()

    return make


def _published(name: str) -> Callable[[int], TableBaseline]:
    def make(seed: int) -> TableBaseline:
        if importlib.util.find_spec("pyod") is None:
            raise BadInput(
                "--methods",
                f"has a method of PyOD, which is not installed ({name})",
                "pip install 'segqc[tabular]', or name others",
            )
        from evaluation.tables.baselines import published

        return getattr(published, name)(seed) if name != "EmpiricalCDF" else published.EmpiricalCDF()

    return make


def _dagmm(seed: int) -> TableBaseline:
    from evaluation.tables.baselines.dagmm import DAGMM

    return DAGMM(seed)


TRIAL, PAPER = "segqc", "paper"
"""The method on trial: the default of `GumbelScoreDetector`; and its method that follows the paper."""

METHODS = {
    method.name: method
    for method in (
        Method(TRIAL, "segqc (default)", "segqc", partial(Detector, None)),
        Method(PAPER, "segqc (`paper`)", "segqc", partial(Detector, "paper")),
        Method("independent", "independent frequencies", "counting", _counting("IndependentFrequencies")),
        Method("pairs", "pairwise frequencies", "counting", _counting("PairFrequencies")),
        Method("chow-liu", "Chow-Liu tree", "counting", _counting("ChowLiuTree")),
        Method("rows", "row frequency", "counting", _counting("RowFrequency")),
        Method("iforest", "Isolation Forest", "published", _published("IsolationForest")),
        Method("ecod", "ECOD", "published", _published("EmpiricalCDF")),
        Method("deep-svdd", "Deep SVDD", "published", _published("DeepSVDD")),
        Method("dagmm", "DAGMM", "published", _dagmm),
    )
}
