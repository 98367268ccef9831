"""Reading ahead with threads: Pillow and NumPy release the interpreter lock while they work."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from segqc.base.cores import usable_cores

A = TypeVar("A")
B = TypeVar("B")


def ordered_map(
    function: Callable[[A], B],
    items: Iterable[A],
    workers: int | None = None,
    ahead: int | None = None,
    prepare_thread: Callable[[], None] | None = None,
) -> Iterator[B]:
    """`map` with threads, results in the items' order, at most `ahead` of them waiting in memory.

    Parameters
    ----------
    function : callable
        Called in a thread; an exception comes out where its result would have.
    workers : int, optional
        Threads; by default as many as this process may use cores, at most 8.
    ahead : int, optional
        Items in flight; twice the workers by default.
    prepare_thread : callable, optional
        Called once in each thread before its first item.
    """
    workers = workers or min(8, usable_cores())
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(workers, initializer=prepare_thread) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= (ahead or 2 * workers):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
