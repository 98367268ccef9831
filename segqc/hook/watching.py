"""Verdicts that belong to a call: threads and tasks that share a model each find their own.

`contextvars` keeps them apart: a thread has a context of its own, and so has every task of asyncio.
"""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from segqc.verdict import Verdict

Verdicts = list[Verdict | None]


class Seen:
    """Verdicts on what was predicted inside a `with` block, by its own thread or task.

    Attributes
    ----------
    batches : list of list
        One list a forward pass, in order: a verdict for each prediction, None for those that were left out or dropped,
        and in the background for those that still wait.
    """

    def __init__(self) -> None:
        self.batches: list[Verdicts] = []

    @property
    def verdicts(self) -> Verdicts:
        """The verdicts of all forward passes in a row."""
        return [verdict for batch in self.batches for verdict in batch]


_BLOCKS: ContextVar[tuple[tuple[object, Seen], ...]] = ContextVar("segqc_blocks", default=())
_LAST: ContextVar[Mapping[object, Verdicts] | None] = ContextVar("segqc_last", default=None)


@contextmanager
def watching(hook: object) -> Iterator[Seen]:
    """Collect what `hook` publishes in this thread or task."""
    seen = Seen()
    token = _BLOCKS.set((*_BLOCKS.get(), (hook, seen)))
    try:
        yield seen
    finally:
        _BLOCKS.reset(token)


def is_watched(hook: object) -> bool:
    """Whether this thread or task is inside a block that watches `hook`."""
    return any(watched is hook for watched, _ in _BLOCKS.get())


def publish(hook: object, verdicts: Verdicts) -> None:
    """Hand the verdicts of a forward pass to the blocks around it, and keep them as the last of this thread or task."""
    for watched, seen in _BLOCKS.get():
        if watched is hook:
            seen.batches.append(verdicts)
    known = weakref.WeakKeyDictionary(_LAST.get() or {})  # a copy: the old one may be another task's, too
    known[hook] = verdicts
    _LAST.set(known)


def last_of(hook: object) -> Verdicts | None:
    """What was published last for `hook` in this thread or task; None: nothing yet."""
    return (_LAST.get() or {}).get(hook)
