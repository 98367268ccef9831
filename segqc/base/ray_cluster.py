"""The engine `ray`: items divided among the workers of a Ray cluster by Ray Data.

A worker is an actor: a process with one core, or with one accelerator, that holds what it works with (a model) for its
life. Ray places workers, deals the items, and deals those of a worker or a machine that died to the others. Results
come in any order, and the caller writes what must not get lost.

Items and results are pickled between the processes of the cluster, as Ray pickles the work itself: whoever may send to
a cluster may run code on it. Nothing of that is written to a file.
"""

import logging
import math
import os
import pickle
import platform
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from segqc.base.cores import usable_cores
from segqc.base.errors import BadInput

A = TypeVar("A")
R = TypeVar("R")

_ITEMS_PER_TASK = 8  # what a worker that dies has to do again, at most twice: one task runs, and one waits for its end
_TASKS_PER_WORKER = 4  # at least, where there are so few items that some workers would have none
_SECONDS_WITHOUT_RESULT = 1800  # then an item is taken to end each worker that gets it: Ray would deal it for ever
_FAILED_STARTS = 10  # of workers in a row, at least, and all that there are twice: a lost machine fails all of its own
_OBJECT_STORE_BYTES = 100 * 2**20  # only paths and rows pass through it; Ray would take a third of the memory


@dataclass(frozen=True)
class RayCluster:
    """A cluster that this process is connected to.

    Attributes
    ----------
    device : str
        What each worker computes on: "cpu" or "cuda".
    workers : int
        As many as there are free cores, or accelerators.
    machines : int
    """

    device: str
    workers: int
    machines: int

    def __str__(self) -> str:
        return f"Ray: {self.workers} workers ({self.device}) on {self.machines} machines"

    def map(self, start: Callable[[str], Callable[[Sequence[A]], Iterable[R]]], items: Sequence[A]) -> Iterator[R]:
        """The results of all items, in any order.

        Parameters
        ----------
        start : callable
            Called once in each worker with its device; returns what makes results of items. Must be importable there.
        items : sequence
            What can be sent to another process, as the results.

        Raises
        ------
        BadInput, OSError
            As raised by a worker; or there was no result in half an hour, or workers cannot be started.
        """
        if not items:  # Ray Data divides nothing into no blocks; an audit whose pairs are all scored asks for that
            return
        import ray
        import ray.exceptions

        tasks = max(math.ceil(len(items) / _ITEMS_PER_TASK), min(len(items), _TASKS_PER_WORKER * self.workers))
        # Pickles go between the processes of one cluster, as all that Ray moves; none is ever read from a file.
        rows = [{"item": pickle.dumps(item)} for item in items]
        failed_starts = max(_FAILED_STARTS, 2 * self.workers)
        ray.data.DataContext.get_current().max_consecutive_actor_init_deaths = failed_starts
        # No pool of a fixed size: one that has lost a machine waits for another instead of using what is left.
        pool = ray.data.ActorPoolStrategy(
            min_size=1, max_size=self.workers, initial_size=self.workers, max_tasks_in_flight_per_actor=2
        )
        results = ray.data.from_items(rows, override_num_blocks=tasks).map_batches(
            _Worker,
            fn_constructor_args=(start, self.device, Path.cwd()),
            compute=pool,
            batch_size=None,
            num_cpus=1,
            num_gpus=0 if self.device == "cpu" else 1,
        )
        try:
            for row in results.iter_rows():
                result = pickle.loads(row["result"])
                if isinstance(result, _Failure):
                    raise result.error
                yield result
        except ray.data.exceptions.ExecutionTimeoutError as error:
            reason = f"no worker has finished anything in {_SECONDS_WITHOUT_RESULT // 60} minutes"
            fix = "see Ray's logs for workers that die, or use local: it stops at the file"
            raise BadInput("--engine", reason, fix) from error
        except ray.exceptions.RayActorError as error:
            reason = f"workers died, the last one so: {_last_line(error)}"
            fix = "the same command continues; if it happens again see Ray's logs, or use local"
            raise BadInput("--engine", reason, fix) from error


@dataclass(frozen=True)
class _Failure:
    """What a worker raised, on its way to the process that started the work."""

    error: BadInput | OSError


class _Worker:
    """An actor of Ray Data's pool."""

    def __init__(self, start: Callable[[str], Callable[[Sequence[Any]], Iterable[Any]]], device: str, folder: Path):
        self._start, self._device, self._folder = start, device, folder
        self._work: Callable[[Sequence[Any]], Iterable[Any]] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        results: list[Any]
        try:
            # Not in `__init__`: what is raised there arrives as a text.
            if self._work is None:
                _enter(self._folder)
                self._work = self._start(self._device)
            results = list(self._work([pickle.loads(item) for item in batch["item"]]))
        except (BadInput, OSError) as error:
            results = [_Failure(error)]
        return {"result": [pickle.dumps(result) for result in results]}


def _enter(folder: Path) -> None:
    """Let relative paths mean the same files as where the command was started."""
    try:
        os.chdir(folder)
    except OSError as error:
        fix = "start the command in a folder that all machines share under one path"
        raise BadInput(folder, f"is not there on {platform.node()}, a machine of the Ray cluster", fix) from error


@contextmanager
def ray_cluster(address: str | None, device: str | None) -> Iterator[RayCluster]:
    """Connect to a cluster, or start one of this machine's cores, which ends with the context.

    Parameters
    ----------
    address : str or None
        As for `ray.init`; None: that of the environment variable RAY_ADDRESS, else a cluster of its own. One that this
        process is connected to already is used, and stays.
    device : str or None
        "cpu" or "cuda"; None: accelerators where the cluster has any.

    Raises
    ------
    BadInput
        Ray is not installed, there is no cluster at the address, or it has no such devices.
    """
    ray = _import_ray()
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        yield _workers(ray, device)
    finally:
        if ours:
            ray.shutdown()


def _import_ray() -> ModuleType:
    # Read when Ray is imported: its makers hear of no audit unless the user says so, and its warnings to programmers
    # are not for users.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
        import ray.data.exceptions
    except ImportError as error:
        reason = f"ray needs Ray Data, which is not installed ({error})"
        raise BadInput("--engine", reason, "pip install 'segqc[ray]', or use local") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    settings = ray.data.DataContext.get_current()
    settings.enable_progress_bars = False
    settings.execution_no_progress_timeout_s = _SECONDS_WITHOUT_RESULT
    return ray


def _connect(ray: ModuleType, address: str | None) -> None:
    where = address or os.environ.get("RAY_ADDRESS")
    own = {"num_cpus": usable_cores(), "object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
    settings: dict[str, Any] = {"address": where} if where else {"address": "local"} | own
    try:
        _reach(where)
        ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        if where is None:
            raise BadInput("--engine", f"Ray cannot be started here: {_first_line(error)}", "use local") from error
        fix = "start one by `ray start --head`, or leave --ray-address out; RAY_AUTH_MODE=token if it asks for a token"
        raise BadInput("--ray-address", f"there is no Ray cluster at {where}: {_first_line(error)}", fix) from error


def _reach(address: str | None) -> None:
    """Raise an OSError where nobody listens: Ray would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _workers(ray: ModuleType, device: str | None) -> RayCluster:
    """One worker on each accelerator, else on each core."""
    kind, _, index = (device or "").partition(":")
    if kind not in ("", "cpu", "cuda") or index:
        raise BadInput("--device", f"{device} is no device of Ray's workers", "give cpu, cuda, or nothing")
    there = ray.cluster_resources()
    cores, accelerators = int(there.get("CPU", 0)), int(there.get("GPU", 0))
    if kind == "cuda" and not accelerators:
        raise BadInput("--device", "the Ray cluster has no GPU", "leave it out, or add machines that have one")
    kind = kind or ("cuda" if accelerators else "cpu")
    workers = accelerators if kind == "cuda" else cores
    if not workers:
        raise BadInput("--ray-address", "the Ray cluster has no CPU", "add machines to it: `ray start --address ...`")
    return RayCluster(kind, workers, sum(node["Alive"] for node in ray.nodes()))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _last_line(error: Exception) -> str:
    """Where Ray says what went wrong in another process, without colours of a terminal."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
