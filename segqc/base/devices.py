"""Devices: which there are, which one a name means, Accelerate on it, and the peak memory of this process."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from accelerate import Accelerator

from segqc.base.errors import BadInput


def best_device() -> str:
    """The first accelerator, else the CPU."""
    return str(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else "cpu"


def find_device(device: str | torch.device | None = None) -> torch.device:
    """The device of that name; None: the best one.

    Raises
    ------
    BadInput
        When it is not the name of a device, or this machine has no such device.
    """
    best, there = best_device(), ["cpu"]
    if best != "cpu":
        there += [best, *(f"{best}:{index}" for index in range(torch.accelerator.device_count()))]
    try:
        found = torch.device(best if device is None else device)
    except RuntimeError:
        raise BadInput("--device", f"{device!r} is no device", f"this machine has {', '.join(there)}") from None
    if found.type == "cpu" and not found.index:
        return torch.device("cpu")
    if str(found) not in there:
        raise BadInput("--device", f"there is no {found} here", f"this machine has {', '.join(there)}")
    return found


@contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    """Compute in full precision on a device and the CPU, whatever mode the caller is in; a mode of this thread only."""
    with ExitStack() as stack:
        for kind in {"cpu", device.type}:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def float32_by_default() -> Iterator[None]:
    """Make new tensors of float32, whatever the caller's default; for all threads, and so for as short as possible."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def make_accelerator(device: str | None) -> Accelerator:
    """Accelerate's object for this process.

    Mixed precision is left to `torch.autocast` at the place that wants it: Accelerate's is one setting for the whole
    life of a process, which may well train in one precision and score in another.

    Parameters
    ----------
    device : str or None
        "cpu", "cuda", "cuda:1", "mps"; None: what there is. Under `torchrun` each process has its own.

    Raises
    ------
    BadInput
        In the cases of `find_device`.
    """
    found = find_device(device)
    if found.type == "cuda" and found.index is not None:
        torch.cuda.set_device(found)
    return Accelerator(cpu=found.type == "cpu", mixed_precision="no")


def bfloat16_is_native(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 matrices itself; elsewhere it is emulated, and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def wants_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether a `TrainConfig.precision` means bfloat16 on this device; `auto` does where the hardware multiplies it
    natively.
    """
    return precision == "bf16" or (precision == "auto" and bfloat16_is_native(device))


def peak_memory_gib(device: torch.device) -> float | None:
    """Peak memory of this process in GiB, rounded to hundredths: the accelerator's if there is one, else resident
    memory; None where the system does not tell.
    """
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**30, 2)
    peak = _peak_resident_bytes()
    return None if peak is None else round(peak / 2**30, 2)


def _peak_resident_bytes() -> int | None:
    """Peak resident memory of this process, by `resource` on POSIX systems and by `psutil` on Windows."""
    try:
        import resource
    except ImportError:
        return _peak_working_set_bytes()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts in bytes, the others in KiB


def _peak_working_set_bytes() -> int | None:
    """The peak that only Windows' part of `psutil` knows; elsewhere it knows the present size alone, which is no
    peak.
    """
    try:
        import psutil
    except ImportError:
        return None
    return getattr(psutil.Process().memory_info(), "peak_wset", None)
