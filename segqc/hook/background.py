"""A thread that works off tasks, and a queue that turns tasks away rather than growing.

A process that ends gives the queue some seconds. A process that was forked begins with an empty queue and a thread of
its own: the tasks that waited when it was forked are its parent's.
"""

import atexit
import multiprocessing
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from multiprocessing.util import Finalize

from segqc.base.forks import renew_after_fork

Task = Callable[[], None]

EXIT_SECONDS = 10.0
"""How long a process that ends waits for the queue."""

_LAST_TASK_SECONDS = 30.0  # for the task in hand, after that: a thread that is killed inside torch aborts the process


class BackgroundWorker:
    """One thread, started by the first task, and a bounded queue.

    Parameters
    ----------
    size : int
        Most tasks that wait.
    exit_seconds : float
        How long a process that ends waits for the queue.
    abandoned : callable
        Told how many tasks were given up when the process ended.

    Raises
    ------
    ValueError
        `size` is not positive.
    """

    def __init__(
        self, size: int, exit_seconds: float = EXIT_SECONDS, abandoned: Callable[[int], None] = lambda count: None
    ) -> None:
        if size < 1:
            raise ValueError(f"Expected a queue of at least one place, but got {size}")
        self.size, self.exit_seconds, self._abandoned = size, exit_seconds, abandoned
        self._closed = False
        self.renew()
        renew_after_fork(self)
        _WORKERS.add(self)

    def renew(self) -> None:
        """Begin with an empty queue and without a thread: in a child, those of the parent are of no use."""
        self._tasks: deque[Task] = deque()
        self._unfinished = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def full(self) -> bool:
        """Whether a task offered now would be turned away."""
        return len(self._tasks) >= self.size

    def offer(self, task: Task) -> bool:
        """Queue a task, if there is room."""
        with self._changed:
            if self._closed or self.full or not self._started():
                return False
            self._tasks.append(task)
            self._unfinished += 1
            self._changed.notify_all()
        return True

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all queued tasks are done; False when `timeout` seconds were not enough."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._unfinished:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Finish what is queued, and end the thread."""
        self._end(None)

    def finish(self) -> None:
        """Finish what can be finished in `exit_seconds`, give up the rest, and end the thread: the process ends."""
        in_time = self.flush(self.exit_seconds)
        with self._changed:
            left = len(self._tasks)
            self._tasks.clear()
            self._unfinished -= left
            self._changed.notify_all()
        if not in_time and left:
            self._abandoned(left)
        self._end(_LAST_TASK_SECONDS)

    def _end(self, timeout: float | None) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _started(self) -> bool:
        """Whether there is a thread; it is started where there is none. A process that is ending starts no threads."""
        if self._thread is None:
            # A daemon, since an ending process would wait for another kind before it asks anybody to finish.
            thread = threading.Thread(target=self._run, name="segqc-hook", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
            _finish_in_child()
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._tasks and not self._closed:
                    self._changed.wait()
                if not self._tasks:
                    return
                task = self._tasks.popleft()
            try:
                task()
            finally:
                with self._changed:
                    self._unfinished -= 1
                    self._changed.notify_all()


_WORKERS: "weakref.WeakSet[BackgroundWorker]" = weakref.WeakSet()


def _finish_all() -> None:
    for worker in list(_WORKERS):
        worker.finish()


def _finish_in_child() -> None:
    """Children of `multiprocessing` (a DataLoader's workers, say) end without `atexit`, and run their finalizers."""
    if multiprocessing.parent_process() is not None:
        Finalize(None, _finish_all, exitpriority=100)


atexit.register(_finish_all)
