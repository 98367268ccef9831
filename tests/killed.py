"""Work that is killed in the middle, in a process of its own.

The processes are forked from one that has imported the libraries and done nothing yet: to import them again takes most
of the time of a small training, and a process that has trained cannot be forked, since PyTorch's gradients do not work
in its children. Where a system does not fork, each process imports them itself.
"""

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
_IMPORTED = ["command_line", "segqc.auditing.ground_truth", "sklearn.mixture", "torch._dynamo"]


def killed_when(ready: Callable[[], bool], work: Callable[..., object], *arguments: Any) -> bool:
    """Begin `work(*arguments)` and kill it as soon as `ready()`; False if it ended before.

    `work` is a function of a module, and it and its arguments can be pickled.
    """
    if _FORKS:
        _CONTEXT.set_forkserver_preload(_IMPORTED)
    process = _CONTEXT.Process(target=work, args=arguments)
    process.start()
    try:
        while process.is_alive():
            if ready():
                return True
            time.sleep(0.005)
        return False
    finally:
        process.kill()
        process.join()
