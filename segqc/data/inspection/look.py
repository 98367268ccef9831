"""The look that opens every command: how the masks and pictures of some pairs are read, and what to say of them."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segqc.base.journal import Journal
from segqc.data.choices import picture_reading, settled_kinds
from segqc.data.inspection.survey import Survey, nothing_readable, survey_pairs
from segqc.data.inspection.suspicion import MaskRole
from segqc.data.inspection.suspicions import Settled, settle
from segqc.data.labels import LabelSpace
from segqc.data.options import DataOptions
from segqc.data.pairs import Pair
from segqc.data.pictures import PictureReading

LOOKED_AT = 200
"""Pairs that an audit or an evaluation looks at before it begins."""


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes
    ----------
    survey : Survey
    settled : Settled
    reading : PictureReading
        How the pictures are read.
    """

    survey: Survey
    settled: Settled
    reading: PictureReading

    @property
    def labels(self) -> LabelSpace:
        """The label space by which the masks are read."""
        return self.settled.labels

    @property
    def said(self) -> list[str]:
        """Decisions and warnings, a line each."""
        return [*self.settled.said, *(str(found) for found in self.settled.suspicions if not found.grave)]


def look(
    pairs: Sequence[Pair],
    labels: LabelSpace,
    options: DataOptions,
    where: Path | str,
    *,
    role: MaskRole = MaskRole(),
    pictures: bool = True,
    journal: Journal | None = None,
    advance: Callable[[], object] = lambda: None,
    refuse: bool = True,
) -> Look:
    """Look at the files of pairs and decide how they are read.

    Parameters
    ----------
    pairs : sequence of Pair
    labels : LabelSpace
        The classes, as the options have changed them.
    options : DataOptions
    where : Path or str
        Folder or option that errors name.
    role : MaskRole
        What the masks are to the command.
    pictures : bool
        Whether pictures are looked at too.
    journal, advance
        As for `survey_pairs`.
    refuse : bool
        Whether a grave suspicion is raised; else it is left in `settled`.

    Raises
    ------
    BadInput
        The masks can be read in two ways that give other labels, or none can be read.
    """
    survey = survey_pairs(pairs, journal, advance, pictures)
    unreadable = nothing_readable(survey, str(where))
    if unreadable is not None and refuse:
        raise unreadable
    settled = settle(survey, labels, role, settled_kinds(options))
    if refuse:
        settled.refuse(where)
    return Look(survey, settled, _reading(survey, options))


def _reading(survey: Survey, options: DataOptions) -> PictureReading:
    """The options' reading; pictures of 16 bits that use little of them are scaled by the range that they use."""
    reading = picture_reading(options)
    deep = [facts for facts in survey.pictures.values() if facts.low is not None and facts.high is not None]
    if reading.intensity is not None or not deep:
        return reading
    low, high = min(facts.low or 0.0 for facts in deep), max(facts.high or 0.0 for facts in deep)
    if high > 32767 and low < 16384:
        return reading
    return dataclasses.replace(reading, intensity=(low, high if high > low else low + 1))
