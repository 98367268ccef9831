"""Items through a network: on a CPU each in a thread of its own with one thread of arithmetic, else one after another.

One pair's operations are too small to be shared among cores: two threads on one pair gain a quarter, two pairs on two
threads nearly double. One thread of arithmetic has nothing to wait for either, so that other work on the machine costs
its share and no more, and the last bits of a score do not depend on the number of cores.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import TypeVar

import torch

from segqc.base.cores import usable_cores
from segqc.base.parallel import ordered_map

A = TypeVar("A")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")


def read_and_score(
    read: Callable[[A], R],
    score: Callable[[R], S],
    items: Iterable[A],
    device: torch.device,
    processes: int = 1,
    most: int | None = None,
) -> Iterator[S]:
    """`score(read(item))` of each item, in the items' order.

    Parameters
    ----------
    read : callable
        Called in threads.
    score : callable
        Uses a network on `device`. On a CPU it is called in threads, several at a time; elsewhere in this thread alone.
    device : torch.device
    processes : int
        Processes of this run that share the machine's cores.
    most : int, optional
        Items in the network at a time, where each takes much memory.
    """
    if device.type != "cpu":
        yield from map(score, ordered_map(read, items))
        return
    workers = max(1, min(usable_cores() // processes, most or usable_cores()))
    with _threads_of_arithmetic(1) as prepare_thread:
        yield from ordered_map(lambda item: score(read(item)), items, workers, prepare_thread=prepare_thread)


def side_by_side(function: Callable[[A], R], items: Sequence[A], processes: int = 1) -> list[R]:
    """`function` of each item, on a CPU: each in a thread of its own, among which this process's cores are divided; the
    machine's are shared by so many `processes`.

    Threads that share one operation meet at its end, hundreds of times in a forward: beside another busy process all
    wait each time for the one that has to share its core. Items meet once.
    """
    cores = max(1, usable_cores() // processes)
    workers = max(1, min(cores, len(items)))
    each = min(cores // workers, torch.get_num_threads())  # which OMP_NUM_THREADS may have lowered
    with _threads_of_arithmetic(each):
        if workers == 1:
            return [function(item) for item in items]
        return list(_kept_threads(workers, each, os.getpid()).map(function, items))


@cache
def _kept_threads(workers: int, each: int, process: int) -> ThreadPoolExecutor:
    """Threads with so many threads of arithmetic `each`. They wait for the next call: a new one has to gather its
    threads of arithmetic first, by which a training's step of 0.13 s took a tenth longer with two each. A process that
    was forked has none of its parent's.
    """
    return ThreadPoolExecutor(workers, "side by side", torch.set_num_threads, (each,))


def read_and_score_batches(
    read: Callable[[A], R],
    forward: Callable[[list[R]], Sequence[T]],
    finish: Callable[[R, T], S],
    items: Iterable[A],
    at_once: int,
) -> Iterator[S]:
    """`finish(r, t)` of each item, in the items' order, r being `read(item)` and t its part of `forward([r, ...])`: for
    an accelerator, which is kept busy while threads read what comes next and finish what came before.

    Parameters
    ----------
    read, finish : callable
        Called in threads.
    forward : callable
        Shows a network up to `at_once` items together; called in this thread.
    items : iterable
    at_once : int
    """

    def forwarded() -> Iterator[tuple[R, T]]:
        reading = ordered_map(read, items, ahead=max(2 * usable_cores(), 2 * at_once))
        while batch := list(islice(reading, at_once)):
            yield from zip(batch, forward(batch), strict=True)

    yield from ordered_map(lambda both: finish(*both), forwarded())


@contextmanager
def _threads_of_arithmetic(count: int) -> Iterator[Callable[[], None]]:
    """Operations of torch use so many threads inside; what held before holds afterwards.

    Yields what other threads have to call first: each has settings of OpenMP of its own, which those of this thread do
    not reach.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield lambda: torch.set_num_threads(count)
    finally:
        torch.set_num_threads(before)
