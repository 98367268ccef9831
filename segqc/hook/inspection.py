"""One judged prediction, and what may be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

import numpy as np

from segqc.verdict import Decision, Verdict

SUSPECT: tuple[Decision, ...] = ("review", "fail")


@dataclass(frozen=True)
class Inspection:
    """One judged prediction.

    Attributes
    ----------
    number : int
        Predictions that the hook had seen before it.
    image : ndarray `[H, W, 3]` uint8, or None
        The picture that the network saw, with the normalisation undone; None if it could not be read, which
        `verdict.error` tells.
    mask : ndarray `[H, W]` uint8, or None
        In the quality model's classes, 255 where void; None if there is none, as for scores that are NaN.
    verdict : Verdict
    """

    number: int
    image: np.ndarray | None
    mask: np.ndarray | None
    verdict: Verdict


class Policy(Protocol):
    """Called with the judged predictions of a forward pass, in their order; in the background, and where `at_once`,
    with one at a time, as soon as it is judged.
    """

    needs_decision: bool
    at_once: bool

    def __call__(self, inspections: Sequence[Inspection]) -> None: ...


def check_decisions(on: Sequence[str]) -> None:
    """Refuse decisions that no verdict has: a policy that waits for them would never act.

    Raises
    ------
    ValueError
        `on` is empty, a text, or names another decision than pass, review and fail.
    """
    known = get_args(Decision)
    if isinstance(on, str) or not on or not set(on) <= set(known):
        raise ValueError(
            f'Expected `on` to be a tuple of {", ".join(known)}, such as ("review", "fail"), but got {on!r}'
        )
