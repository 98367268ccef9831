"""What is suspicious about a data set, and what settles it."""

from dataclasses import dataclass
from pathlib import Path

FEW_FILES = 0.2  # share of files below which a fault is theirs and not the data set's


@dataclass(frozen=True)
class MaskRole:
    """What a survey's masks are to the command that looks at them.

    Attributes
    ----------
    predictions : bool
        Whether they are predictions, which have no reason to hold void, and come with no statistics of classes.
    classes_option : str
        The command's option for their classes, which a fix names.
    """

    predictions: bool = False
    classes_option: str = "--classes"


@dataclass(frozen=True)
class Suspicion:
    """Something that the user should know before the data is used.

    Attributes
    ----------
    kind : str
        One name per kind ("binary 0/255"), for tests and tables.
    grave : bool
        Whether work must not go on: two readings are possible.
    text : str
        What was found.
    fix : str
        The option, or options, that settle it.
    example : Path or str
        A file that shows it; empty where all do.
    """

    kind: str
    grave: bool
    text: str
    fix: str = ""
    example: Path | str = ""

    def __str__(self) -> str:
        example = f"; for example {self.example}" if str(self.example) else ""
        return self.text + (f" ({self.fix})" if self.fix else "") + example
