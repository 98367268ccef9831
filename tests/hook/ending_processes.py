"""Processes with a hook that end in every way there is, for `test_hook_processes.py`.

    python ending_processes.py FOLDER

Each case runs in a process forked from this one, which has loaded torch already, and leaves its review folder in
FOLDER/<case>. Printed is, as JSON, how each process ended: its exit code, or minus the signal that killed it.
"""

import gc
import json
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from test_hook import Segmenter, inputs
from tiny import tiny_model
from torch.utils.data import DataLoader, Dataset

from segqc.hook import Inspection, QualityHook
from segqc.quality_control import QualityControl
from segqc.verdict import Verdict

OUT = Path(sys.argv[1])
QC = QualityControl(tiny_model())
MODEL = Segmenter().eval()


def predict(count: int) -> None:
    with torch.inference_mode():
        MODEL(inputs(count))


def attach(
    case: str, *policies: Callable[[Inspection], None], qc: QualityControl = QC, **options: float
) -> QualityHook:
    return qc.attach(MODEL, threshold=1.0, policy=[OUT / case, *policies], background=True, **options)


class Slow(QualityControl):
    """Takes a tenth of a second a prediction."""

    def judge_pair(self, *pair: object) -> Verdict:
        time.sleep(0.1)
        return super().judge_pair(*pair)


def forgotten() -> None:
    """Ends without `close()`, with work in the queue."""
    attach("forgotten")
    predict(12)


def too_much() -> None:
    """Ends with more in the queue than fits into the time that is left."""
    attach("too_much", qc=Slow(QC.model), exit_seconds=0.3)
    predict(12)


def at_the_fifth(end: Callable[[], object]) -> Callable[[Inspection], None]:
    return lambda inspection: end() if inspection.number == 4 else None  # type: ignore[func-returns-value]


def killed() -> None:
    attach("killed", at_the_fifth(lambda: os.kill(os.getpid(), signal.SIGKILL)))
    predict(12)
    time.sleep(20)


def terminated() -> None:
    attach("terminated", at_the_fifth(lambda: os.kill(os.getpid(), signal.SIGTERM)))
    predict(12)
    time.sleep(20)


def left() -> None:
    attach("left", at_the_fifth(lambda: os._exit(3)))
    predict(12)
    time.sleep(20)


def forked() -> None:
    """A server that loads and attaches, then forks: each side judges what it predicts, and numbers it by itself."""
    handle = attach("forked")
    predict(3)
    assert handle.flush(20)
    predict(8)  # some of these still wait: they are the parent's
    child = os.fork()
    predict(2 if child == 0 else 1)
    if child == 0:
        assert handle.flush(20)
        assert (handle.counts.seen, handle.counts.scored) == (2, 2)
        handle.close()
        return
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    handle.close()
    assert (handle.counts.seen, handle.counts.scored) == (12, 12)


class Predicted(Dataset):
    """Predicts while data are loaded."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: int) -> int:
        torch.set_num_threads(1)
        predict(1)
        return place


def loaded() -> None:
    """The workers of a DataLoader predict, and end without `close()`."""
    attach("loaded")
    assert len(list(DataLoader(Predicted(), batch_size=1, num_workers=2, multiprocessing_context="fork"))) == 6


def full() -> None:
    """The disk is full after the first row."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    handle = attach("full")
    predict(1)
    assert handle.flush(20)
    size = (OUT / "full" / "scores.csv").stat().st_size + 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    predict(2)


def run(case: Callable[[], None]) -> int:
    """How a process that runs a case ends; it ends as programs do, by the interpreter's own exit."""
    child = os.fork()
    if child == 0:
        case()
        sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    warnings.simplefilter("always")
    torch.set_num_threads(1)
    gc.freeze()  # what torch has loaded need not be copied and searched at the end of each process
    ended = {case.__name__: run(case) for case in (forgotten, too_much, killed, terminated, left, forked, loaded, full)}
    print(json.dumps(ended))
