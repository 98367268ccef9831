"""One function of many items, in the items' order: by the workers of a Ray cluster, or by processes of this machine.

For work in Python and NumPy, whose small operations hold the interpreter lock: threads share one core for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from segqc.base.cores import usable_cores
from segqc.base.parallel import ordered_map
from segqc.base.ray_cluster import RayCluster

A = TypeVar("A")
R = TypeVar("R")

_FEW = 1000  # items, for which no processes are started: what they import takes as long as the work


def map_items(cluster: RayCluster | None, function: Callable[[A], R], items: Sequence[A]) -> Iterator[R]:
    """`function` of each item, in order; an exception comes out where its result would have.

    Parameters
    ----------
    cluster : RayCluster or None
        None: this machine's cores, with one thread of arithmetic each; few items are left to threads.
    function : callable
        It, its items and its results can be sent to another process.
    items : sequence
    """
    if cluster is not None:
        return _in_order(cluster.map(partial(_start, function), list(enumerate(items))))
    cores = usable_cores()
    if cores == 1 or len(items) < _FEW:
        return ordered_map(function, items)
    return _by_processes(function, items, cores)


def _by_processes(function: Callable[[A], R], items: Sequence[A], processes: int) -> Iterator[R]:
    """`map` by processes, which wait for more work for five minutes, and are used again."""
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1):
        yield from Parallel(n_jobs=processes, return_as="generator")(delayed(function)(item) for item in items)


def _start(function: Callable[[A], R], device: str) -> Callable[[Iterable[tuple[int, A]]], list[tuple[int, R]]]:
    """What a worker of Ray does, on whatever device."""
    return lambda numbered: [(number, function(item)) for number, item in numbered]


def _in_order(results: Iterable[tuple[int, R]]) -> Iterator[R]:
    """Results by their numbers from 0, each as soon as those before it have come."""
    waiting, following = dict[int, R](), 0
    for number, result in results:
        waiting[number] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1
