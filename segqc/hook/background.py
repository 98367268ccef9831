"""A thread that works off tasks, and a queue that turns tasks away rather than growing."""

import queue
import threading
import time
from collections.abc import Callable

Task = Callable[[], None]


class BackgroundWorker:
    """One thread and a bounded queue.

    Parameters
    ----------
    size : int
        Most tasks that wait.

    Raises
    ------
    ValueError
        `size` is not positive.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"Expected a queue of at least one place, but got {size}")
        self._queue: queue.Queue[Task | None] = queue.Queue(size)
        # A daemon: a pipeline that ends without closing its hook must not hang.
        self._thread = threading.Thread(target=self._run, name="segqc-hook", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether a task offered now would be turned away."""
        return self._queue.full()

    def offer(self, task: Task) -> bool:
        """Queue a task, if there is room."""
        try:
            self._queue.put_nowait(task)
        except queue.Full:
            return False
        return True

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all queued tasks are done; False when `timeout` seconds were not enough."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._queue.all_tasks_done.wait(left)
        return True

    def close(self) -> None:
        """Finish what is queued, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
            finally:
                self._queue.task_done()
        self._queue.task_done()
