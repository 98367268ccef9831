"""Sequences that are too long to be kept in memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Computed(Sequence[T]):
    """A sequence of which each item is made when it is asked for, and again when it is asked for again.

    Equal to any other sequence with the same items.

    Parameters
    ----------
    count : int
    item : callable
        The item at a place from 0 to `count` - 1.
    """

    def __init__(self, count: int, item: Callable[[int], T]) -> None:
        self._places, self._item = range(count), item

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> list[T]: ...

    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self._item(index) for index in self._places[place]]
        return self._item(self._places[place])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]
