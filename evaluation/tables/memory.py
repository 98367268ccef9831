"""By how much a step raises the resident memory of this process at its highest; Linux only, None elsewhere."""

import ctypes
import gc
from pathlib import Path


def start_peak() -> float | None:
    """Hand free memory back and forget the highest resident memory so far; the present one in MiB, for `peak_rise`."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # glibc keeps freed memory: the next step would seem to need none
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return None
    return _resident("VmRSS")


def peak_rise(before: float | None) -> float | None:
    """MiB by which the highest resident memory since `start_peak` exceeds that of its return value."""
    peak = _resident("VmHWM")
    return None if before is None or peak is None else peak - before


def _resident(field: str) -> float | None:
    """A field of this process's memory in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
