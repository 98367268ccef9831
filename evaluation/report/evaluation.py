"""What an evaluation has found, as its function returns it and its pictures and page are made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.ranking.undefined import Undefined, undefined_notes
from evaluation.report.answer import Answer
from evaluation.report.objects import ObjectStudy
from evaluation.report.study import Study


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes
    ----------
    answer : Answer
        What the report begins with.
    rows : list of dict
        Rows of `evaluation.ranking.judging.judge`, the method on trial first.
    groups : dict of str to str
        Group of each method.
    absent : dict of str to str
        Methods without scores, and why.
    study : Study
    corruptions : list of dict or None
        Table of `evaluation.corruption.suite.run_suite`.
    top : int
        K of "the K ranked worst": the configuration's, or the number of images where these are fewer.
    out : Path
    undefined : dict
        Of `evaluation.ranking.undefined.undefined_figures`: which figures have no value, and why.
    threshold : float
        Dice below which an image counts as a failure.
    objects : ObjectStudy or None
        The judgement of single objects, where the audit lists them.
    notes : tuple of str
        Sentences on what the baselines learned from, and on failures where they are few.
    resamples : int
        Resamples of the bootstrap over images.
    """

    answer: Answer
    rows: list[dict[str, Any]]
    groups: dict[str, str]
    absent: dict[str, str]
    study: Study
    corruptions: list[dict[str, Any]] | None
    top: int
    out: Path
    undefined: Undefined
    threshold: float
    notes: tuple[str, ...]
    resamples: int
    objects: ObjectStudy | None = None

    def undefined_notes(self, *keys: str) -> list[str]:
        """A sentence for each figure of the table that has no value; with `keys`, of these measures only."""
        chosen = {key: value for key, value in self.undefined.items() if not keys or key.removesuffix("_low") in keys}
        return undefined_notes(chosen, len(self.rows), self.top, self.threshold)

    @property
    def top_note(self) -> str:
        """What the columns of the K ranked worst are worth where they are all images; else nothing."""
        if self.top < len(self.study.examples):
            return ""
        return (
            f"The {self.top} ranked worst are all {self.top} images: their columns say nothing of a ranking. "
            "Choose a smaller --top."
        )
