"""What about a data set is suspicious, and how its mask values are to be read.

The rules judge a data set as a whole, never a single file. `settle` refuses only where two readings of the masks are
possible and would give other labels; it then names both ways out. Everything else is a warning.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.data.inspection.rules import OF_CLASSES, OF_FILES
from segqc.data.inspection.survey import Survey
from segqc.data.inspection.suspicion import MaskRole, Suspicion
from segqc.data.inspection.values import settle_values
from segqc.data.labels import LabelSpace


@dataclass(frozen=True)
class Settled:
    """How the masks of a data set are read.

    Attributes
    ----------
    labels : LabelSpace
        The label space, with `ids` where the files hold other numbers than class indices.
    said : tuple of str
        Decisions taken for the user, to be printed.
    suspicions : tuple of Suspicion
    """

    labels: LabelSpace
    said: tuple[str, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()

    @property
    def grave(self) -> tuple[Suspicion, ...]:
        """Suspicions that stop the work."""
        return tuple(suspicion for suspicion in self.suspicions if suspicion.grave)

    def refuse(self, where: Path | str) -> None:
        """Raise for the first grave suspicion.

        Raises
        ------
        BadInput
            There is one.
        """
        for suspicion in self.grave:
            example = f"; for example {suspicion.example}" if str(suspicion.example) else ""
            raise BadInput(where, suspicion.text + example, suspicion.fix)


def settle(survey: Survey, labels: LabelSpace, role: MaskRole = MaskRole(), known: Collection[str] = ()) -> Settled:
    """Decide how the masks of a survey are read, and collect what is suspicious about them and their pictures.

    Parameters
    ----------
    survey : Survey
    labels : LabelSpace
        What the user, or the model, says of the classes.
    role : MaskRole
        What the masks are to the command.
    known : collection of str
        Kinds of suspicion that the user has settled by an option.
    """
    read_as, said, grave = settle_values(survey, labels, role)
    # Where the numbers have no one reading, rules about classes would only repeat it.
    rules = OF_FILES if grave is not None else (*OF_FILES, *OF_CLASSES)
    found = [] if grave is None else [grave]
    found += [suspicion for rule in rules if (suspicion := rule(survey, read_as, role)) is not None]
    found = [suspicion for suspicion in found if suspicion.kind not in known]
    return Settled(read_as, tuple(said), tuple(found))
