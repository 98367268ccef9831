"""Order and errors of a function of many items, done by other processes."""

import os

import pytest
from dealt import Deal

from segqc.base import workers
from segqc.base.errors import BadInput
from segqc.base.workers import map_items


def square(number: int) -> tuple[int, int]:
    if number == 13:
        raise BadInput("13", "brings bad luck", "take 12")
    return number * number, os.getpid()


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 2)


def test_processes_keep_the_order_and_hand_errors_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {pid for _, pid in map_items(None, square, range(12))} == {os.getpid()}, "few items start no processes"
    monkeypatch.setattr(workers, "_FEW", 10)
    found = list(map_items(None, square, range(12)))
    assert [number for number, _ in found] == [number * number for number in range(12)]
    assert os.getpid() not in {pid for _, pid in found}
    with pytest.raises(BadInput, match=r"13: brings bad luck \(take 12\)"):
        list(map_items(None, square, range(14)))


def test_results_of_a_cluster_are_put_in_order() -> None:
    cluster = Deal(3)  # which begins with the last item
    assert [number for number, _ in map_items(cluster, square, range(12))] == [n * n for n in range(12)]
