"""What a process that was forked must not share with its parent: locks, queues and counts are made anew there.

gunicorn with preloading and the workers of a DataLoader fork a process that has a hook already. A child has no thread
but the one that forked, and locks that other threads held at that moment stay locked in it for ever.
"""

import os
import weakref
from typing import Protocol


class Renewable(Protocol):
    """Something that starts afresh in a forked child."""

    def renew(self) -> None: ...


_RENEWABLE: "weakref.WeakSet[Renewable]" = weakref.WeakSet()


def renew_after_fork(item: Renewable) -> None:
    """Call `item.renew()` in every child that is forked from here on, as long as `item` lives."""
    _RENEWABLE.add(item)


def _in_child() -> None:
    for item in list(_RENEWABLE):
        item.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_in_child)
