"""Stand-ins for a Ray cluster, whose workers are in this process and get all as bytes, and for work that fails."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
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


class Refused:
    """Work that the first `times` workers cannot take in; `folder` counts them."""

    def __init__(self, folder: Path, times: int) -> None:
        self.folder, self.times = folder, times

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        refused = len(list(self.folder.iterdir()))
        if refused < self.times:
            (self.folder / str(refused)).touch()
            raise RuntimeError("refused")

    def __call__(self, device: str) -> Callable[[Sequence[int]], list[int]]:
        return lambda items: [2 * item for item in items]
