"""Cores that may be used, threads that wait without spinning, and networks that score in several threads."""

import os
import subprocess
import sys
import threading
import time

import pytest
import torch

from segqc.base.cores import usable_cores, wait_passively
from segqc.base.scoring import read_and_score, read_and_score_batches

CPU = torch.device("cpu")


def test_cores_follow_affinity_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "sched_getaffinity"):
        assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert usable_cores() == 1


def test_threads_wait_passively_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    wait_passively()
    assert [os.environ[name] for name in names] == ["active", "0", "0"]


def test_the_command_line_waits_passively_before_torch_is_there() -> None:
    code = (
        "import sys, os, typer; from segqc.cli import app; assert 'torch' not in sys.modules;"
        "sys.argv = ['segqc', '--version']\n"
        "try: app.main()\n"
        "except SystemExit: pass\n"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    ran = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True)
    assert ran.stdout.split()[-1] == "passive"


@pytest.fixture
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segqc.base.scoring.usable_cores", lambda: 3)


def test_items_are_scored_side_by_side_with_one_thread_of_arithmetic_each(three_cores: None) -> None:
    together = threading.Barrier(3)  # which three threads must reach at the same time

    def score(item: int) -> tuple[int, int]:
        together.wait(timeout=60)
        return 10 * item, torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = list(read_and_score(lambda item: item + 1, score, range(6), CPU))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert found == [(10 * (item + 1), 1) for item in range(6)]


def test_results_come_in_order_and_an_exception_in_its_place(three_cores: None) -> None:
    def score(item: int) -> int:
        time.sleep(0.02 * (item == 0))
        if item == 2:
            raise ValueError("third")
        return item

    results = read_and_score(lambda item: item, score, range(5), CPU)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="third"):
        next(results)


def test_an_accelerator_is_used_from_one_thread(three_cores: None) -> None:
    threads = set(read_and_score(lambda item: item, lambda item: threading.get_ident(), range(5), torch.device("meta")))
    assert threads == {threading.get_ident()}


def test_batches_go_through_one_thread_and_come_out_in_order(three_cores: None) -> None:
    seen: list[list[int]] = []
    threads = set[int]()

    def forward(items: list[int]) -> list[int]:
        seen.append(items)
        threads.add(threading.get_ident())
        return [10 * item for item in items]

    def finish(item: int, tens: int) -> tuple[int, int, bool]:
        time.sleep(0.01 * (item == 1))
        return item, tens, threading.get_ident() in threads

    found = list(read_and_score_batches(lambda item: item + 1, forward, finish, range(7), at_once=3))
    assert seen == [[1, 2, 3], [4, 5, 6], [7]]
    assert threads == {threading.get_ident()}
    assert found == [(item, 10 * item, False) for item in range(1, 8)]


def test_a_failing_batch_raises_and_gives_what_came_before(three_cores: None) -> None:
    def forward(items: list[int]) -> list[int]:
        if 5 in items:
            raise RuntimeError("out of memory")
        return items

    found: list[int] = []
    results = read_and_score_batches(lambda item: item, forward, lambda item, _: item, range(40), at_once=2)
    with pytest.raises(RuntimeError, match="out of memory"):
        found.extend(results)
    assert found == list(range(len(found)))
    assert len(found) <= 4


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segqc.base.scoring.usable_cores", lambda: 4)
    alive: list[int] = []
    lock, running = threading.Lock(), [0]

    def score(item: int) -> int:
        with lock:
            running[0] += 1
            alive.append(running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return item

    assert list(read_and_score(lambda item: item, score, range(12), CPU, processes=2)) == list(range(12))
    assert max(alive) <= 2
