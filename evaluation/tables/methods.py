"""The methods of the benchmark by name."""

import importlib
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

        detector = GumbelScoreDetector(random_state=seed)
        self.settings = (detector if method is None else detector.set_params(method=method)).get_params()

    def fit(self, X: pyarrow.Table, X_validation: pyarrow.Table) -> "Detector":
        from segqc.tabular import GumbelScoreDetector

        validation = X_validation if X_validation.num_rows else None
        self.detector_ = GumbelScoreDetector(**self.settings).fit(X, X_validation=validation)
        return self

    def anomaly_score(self, X: pyarrow.Table) -> np.ndarray:
        return -self.detector_.score_samples(X)


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes
    ----------
    name : str
        Name on the command line and in file names.
    title : str
    group : Group
    make : callable
        Makes the method from a seed; imports what it needs.
    """

    name: str
    title: str
    group: Group
    make: Callable[[int], TableBaseline]


def _baseline(module: str, name: str, seeded: bool = True) -> Callable[[int], TableBaseline]:
    """Makes a class of `evaluation.tables.baselines`, imported only then."""

    def make(seed: int) -> TableBaseline:
        if module == "pyod_methods" and importlib.util.find_spec("pyod") is None:
            raise BadInput(
                "--methods",
                f"has a method of PyOD, which is not installed ({name})",
                "pip install 'segqc[tabular]', or name others",
            )
        made = getattr(importlib.import_module(f"evaluation.tables.baselines.{module}"), name)
        return made(seed) if seeded else made()

    return make


TRIAL, PAPER = "segqc", "paper"
"""The method on trial: the default of `GumbelScoreDetector`; and its method that follows the paper."""

_COUNTING = {
    "independent": ("independent frequencies", "IndependentFrequencies"),
    "pairs": ("pairwise frequencies", "PairFrequencies"),
    "chow-liu": ("Chow-Liu tree", "ChowLiuTree"),
    "rows": ("row frequency", "RowFrequency"),
}

METHODS = {
    method.name: method
    for method in (
        Method(TRIAL, "segqc (default)", "segqc", partial(Detector, None)),
        Method(PAPER, "segqc (`paper`)", "segqc", partial(Detector, "paper")),
        *(
            Method(name, said, "counting", _baseline("counting", kind, seeded=False))
            for name, (said, kind) in _COUNTING.items()
        ),
        Method("knn", "kNN", "published", _baseline("neighbours", "KNearestNeighbours", seeded=False)),
        Method("lof", "LOF", "published", _baseline("neighbours", "LocalOutlierFactor", seeded=False)),
        Method("iforest", "Isolation Forest", "published", _baseline("pyod_methods", "IsolationForest")),
        Method("ecod", "ECOD", "published", _baseline("pyod_methods", "EmpiricalCDF", seeded=False)),
        Method("copod", "COPOD", "published", _baseline("pyod_methods", "Copulas", seeded=False)),
        Method("hbos", "HBOS", "published", _baseline("pyod_methods", "Histograms", seeded=False)),
        Method("inne", "INNE", "published", _baseline("pyod_methods", "IsolationByNeighbours")),
        Method("deep-svdd", "Deep SVDD", "published", _baseline("pyod_methods", "DeepSVDD")),
        Method("dagmm", "DAGMM", "published", _baseline("dagmm", "DAGMM")),
        Method("maskdiff", "MaskDiff-AD", "published", _baseline("masked_diffusion", "MaskedDiffusion")),
    )
}


def title(method: str) -> str:
    """How a method is called in tables and texts."""
    return METHODS[method].title
