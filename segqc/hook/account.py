"""The account that a hook keeps: what it saw, what it judged, what it passed over and why, and what went wrong."""

import random
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from segqc.base.forks import renew_after_fork
from segqc.calibration.drift import SMALLEST_SAMPLE, DriftMonitor
from segqc.hook.notices import Notices
from segqc.verdict import Verdict

_KEPT_ERRORS = 20

_TRAINING = (
    "predictions were made in training mode and are not judged (counts.training): "
    "call .eval() on the model, if they are to be"
)
_FULL = (
    "the queue was full: predictions are dropped and counted (counts.dropped); raise queue_size or lower sample_rate"
)


@dataclass
class Counts:
    """Predictions since the hook was attached, or since the process was forked.

    Attributes
    ----------
    seen : int
        Predicted while the hook was there: the sum of the next five, and of what waits in the queue.
    scored : int
    sampled_out : int
        Left out by the sampling rate.
    training : int
        Predicted in training mode.
    dropped : int
        Turned away by a full queue, or given up when the process ended.
    failed : int
        Not judged: the pair cannot be scored, or the model's inputs or outputs were not understood (where not even the
        pictures were found, a forward pass counts once).
    """

    seen: int = 0
    scored: int = 0
    sampled_out: int = 0
    training: int = 0
    dropped: int = 0
    failed: int = 0


class Account:
    """Counts, decisions, drift and errors of a hook, safe to be written by several threads.

    Parameters
    ----------
    reference : sequence of float
        The calibration's scores, with which those of the hook are compared; too few: there is no drift monitor.
    window : int
        Scores that are compared together.
    sample_rate : float
        Share of the predictions that is chosen, in (0, 1].
    seed : int
        Random seed of the choice.
    """

    def __init__(self, reference: Sequence[float], window: int, sample_rate: float, seed: int) -> None:
        self.errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
        self.drift = DriftMonitor(reference, window) if len(reference) >= SMALLEST_SAMPLE else None
        self._rate, self._random = sample_rate, random.Random(seed)
        self._notices = Notices()
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin to count: what a parent process has seen is the parent's account."""
        self.counts, self.decisions = Counts(), Counter[str]()
        self._lock = threading.Lock()

    def sample(self, count: int) -> tuple[int, list[int]]:
        """Number of the first of `count` predictions, and the places of those to judge."""
        with self._lock:
            first = self.counts.seen
            self.counts.seen += count
            chosen = [i for i in range(count) if self._random.random() < self._rate]
            self.counts.sampled_out += count - len(chosen)
        return first, chosen

    def in_training(self, count: int) -> None:
        """Predictions were made in training mode: count them, and warn the first time."""
        self._count(seen=count, training=count)
        if count:
            self.notice(_TRAINING)

    def one_more(self) -> int:
        """A forward pass shows no pictures: count it as one prediction, whose number is returned."""
        with self._lock:
            self.counts.seen += 1
            return self.counts.seen - 1

    def dropped(self, count: int = 1) -> None:
        """Predictions found the queue full: count them, and warn the first time."""
        self._count(dropped=count)
        self.notice(_FULL)

    def abandoned(self, count: int) -> None:
        """Predictions still waited when the process ended."""
        self._count(dropped=count)
        self.trouble(
            f"the process ended before {count} predictions were judged: close() the hook, which waits for them"
        )

    def judged(self, verdict: Verdict) -> None:
        """A verdict was reached: count it, add its score to those that are watched for drift."""
        window = None
        with self._lock:
            if verdict.decision is not None:
                self.decisions[verdict.decision] += 1
            if self.drift is not None and verdict.score is not None:
                window = self.drift.update(verdict.score)
        self._count(**{"scored" if verdict.error is None else "failed": 1})
        if verdict.error is not None:
            self.trouble(f"a prediction could not be judged: {verdict.error}")
        if window is not None and window.drifted:
            self.trouble(f"{window}; what the calibration says may no longer hold", key="drift")

    def trouble(self, text: str, key: str | None = None) -> None:
        """Keep what went wrong, and warn the first time."""
        with self._lock:
            self.errors.append(text)
        self.notice(text, key)

    def notice(self, text: str, key: str | None = None) -> None:
        """Warn the first time."""
        self._notices.once(text, key)

    def _count(self, **changes: int) -> None:
        with self._lock:
            for name, change in changes.items():
                setattr(self.counts, name, getattr(self.counts, name) + change)
