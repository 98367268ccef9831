"""What happens to predictions that were judged in a pipeline: call back, raise, write to a review folder.

`handle.last` is there in any case.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from segqc.data.labels import LabelSpace
from segqc.hook.inspection import Inspection, Policy, check_decisions
from segqc.hook.review_folder import ReviewFolder
from segqc.verdict import Decision

_WORDS = ("annotate", "raise")


class QualityAlarm(RuntimeError):
    """Raised by the policy "raise": the pipeline's last predictions are not to be used.

    Attributes
    ----------
    inspections : list of Inspection
        Those that were suspect.
    """

    def __init__(self, inspections: Sequence[Inspection]) -> None:
        super().__init__("; ".join(f"prediction {item.number}: {item.verdict}" for item in inspections))
        self.inspections = list(inspections)


@dataclass(frozen=True)
class Callback:
    """Call a function with every judged prediction, suspect or not."""

    function: Callable[[Inspection], Any]
    needs_decision, at_once = False, False

    def __call__(self, inspections: Sequence[Inspection]) -> None:
        for inspection in inspections:
            self.function(inspection)


@dataclass(frozen=True)
class Raise:
    """Raise `QualityAlarm` when a decision is among `on`, after all other policies."""

    on: tuple[Decision, ...] = ("fail",)
    needs_decision, at_once = True, False

    def __post_init__(self) -> None:
        check_decisions(self.on)

    def __call__(self, inspections: Sequence[Inspection]) -> None:
        suspect = [item for item in inspections if item.verdict.decision in self.on]
        if suspect:
            raise QualityAlarm(suspect)


def make_policies(given: Any, labels: LabelSpace) -> list[Policy]:
    """Policies from what `attach` accepts: "annotate", "raise", a folder, a function, a policy, or several of these;
    raising comes last.

    Raises
    ------
    ValueError
        For anything else, and for a text that was meant to be "annotate" or "raise".
    """
    policies: list[Policy] = []
    for item in given if isinstance(given, list | tuple) else [given]:
        if item == "annotate":
            continue
        if item == "raise":
            policies.append(Raise())
        elif isinstance(item, str | Path):
            policies.append(ReviewFolder(_folder(item), labels))
        elif isinstance(item, Callback | Raise | ReviewFolder):
            policies.append(item)
        elif callable(item) and not isinstance(item, type):
            policies.append(Callback(item))
        else:
            wanted = '"annotate", "raise", a folder, a function, or a list of these'
            raise ValueError(f"Expected `policy` to be {wanted}, but got {item!r}")
    return sorted(policies, key=lambda policy: isinstance(policy, Raise))


def _folder(item: str | Path) -> Path:
    """The folder that a policy names; a text that looks like a misspelt word is none."""
    if isinstance(item, str):
        if not item.strip():
            raise ValueError("Expected `policy` to name a folder, but got an empty text")
        meant = get_close_matches(item.strip().lower(), _WORDS, n=1, cutoff=0.75)
        if meant:
            raise ValueError(f'Did you mean policy="{meant[0]}"? For a folder of this name give Path({item!r})')
    return Path(item)
