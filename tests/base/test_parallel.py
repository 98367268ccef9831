"""Order, laziness and errors of the threaded map. Threads are held by events, never by the clock."""

import threading
from concurrent.futures import Future

import pytest

from segqc.base.parallel import ordered_map


class Counted:
    """An iterator that knows how many of its items were taken."""

    def __init__(self, count: int) -> None:
        self.items = iter(range(count))
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self) -> int:
        item = next(self.items)
        self.taken += 1
        return item


@pytest.mark.parametrize("workers", [None, 1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_same_as_map(workers, count):
    assert list(ordered_map(lambda n: n * n, range(count), workers)) == [n * n for n in range(count)]


def test_results_keep_the_order_of_the_items_when_a_later_one_is_done_first():
    second_done = threading.Event()

    def function(n: int) -> int:
        if n == 0:
            assert second_done.wait(60)
        if n == 1:
            second_done.set()
        return n

    assert list(ordered_map(function, range(4), workers=2)) == [0, 1, 2, 3]


def test_workers_run_side_by_side():
    meeting = threading.Barrier(3, timeout=60)  # broken unless three calls are in it at once
    assert len(list(ordered_map(lambda _: meeting.wait(), range(6), workers=3))) == 6


def test_the_function_runs_outside_the_calling_thread():
    assert threading.get_ident() not in set(ordered_map(lambda _: threading.get_ident(), range(4)))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("place", [0, 3, 9])
def test_an_exception_comes_out_where_its_result_would_have(place, workers):
    def function(n: int) -> int:
        if n == place:
            raise KeyError(n)
        return n

    results = ordered_map(function, range(10), workers)
    assert [next(results) for _ in range(place)] == list(range(place))
    with pytest.raises(KeyError) as caught:
        next(results)
    assert caught.value.args == (place,)


def test_an_exception_of_the_items_comes_out_too():
    def items():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ordered_map(str, items(), workers=1))


@pytest.mark.parametrize(("workers", "ahead", "bound"), [(1, 1, 1), (1, 3, 3), (4, 2, 2), (2, None, 4), (3, 5, 5)])
def test_no_more_than_ahead_items_are_in_flight(workers, ahead, bound):
    lock, source = threading.Lock(), Counted(40)
    started, received, most_started = 0, 0, 0

    def function(n: int) -> int:
        nonlocal started, most_started
        with lock:
            started += 1
            most_started = max(most_started, started - received)
        return n

    for result in ordered_map(function, source, workers, ahead):
        assert result == received
        assert source.taken - received <= bound
        with lock:
            received += 1
    assert received == 40
    assert most_started <= bound


def test_nothing_is_taken_before_the_first_result_is_asked_for():
    source = Counted(5)
    results = ordered_map(str, source)
    assert source.taken == 0
    assert next(results) == "0"


def test_endless_items_can_be_read_from():
    def endless():
        n = 0
        while True:
            yield n
            n += 1

    results = ordered_map(str, endless(), workers=2, ahead=3)
    assert [next(results) for _ in range(10)] == [str(n) for n in range(10)]
    results.close()


def test_closing_early_drops_what_has_not_started_and_leaves_no_thread(monkeypatch):
    before = set(threading.enumerate())
    release, calls, cancelled = threading.Event(), [], []
    cancel = Future.cancel

    def cancel_and_count(future: Future) -> bool:
        cancelled.append(cancel(future))
        if len(cancelled) == 9:
            release.set()  # only now may the one that runs come to its end
        return cancelled[-1]

    def function(n: int) -> int:
        calls.append(n)
        if n > 0:
            release.wait(20)
            release.set()  # were nothing cancelled, the others need not wait as long
        return n

    monkeypatch.setattr(Future, "cancel", cancel_and_count)
    source = Counted(100)
    results = ordered_map(function, source, workers=1, ahead=10)
    assert next(results) == 0
    results.close()
    assert source.taken == 10
    assert len(cancelled) == 9
    assert set(calls) <= {0, 1}
    assert {t for t in threading.enumerate() if t not in before} == set()
