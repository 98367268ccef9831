"""A stand-in for a Ray cluster: workers in this process, to which everything is sent as bytes."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any


class Deal:
    """Workers that are dealt items one by one, the last one first."""

    device = "cpu"

    def __init__(self, workers: int) -> None:
        self.workers, self.started = workers, list[Any]()

    def map(self, start: Callable[[str], Callable[[list[Any]], Iterable[Any]]], items: Sequence[Any]) -> Iterator[Any]:
        self.started.append(pickle.loads(pickle.dumps(start)))
        workers = [self.started[-1]("cpu") for _ in range(self.workers)]
        for number in reversed(range(len(items))):
            yield from workers[number % self.workers]([pickle.loads(pickle.dumps(items[number]))])
