"""Cores: how many this process may use, and threads that do not spin while they wait for each other."""

import os


def usable_cores() -> int:
    """Cores that this process may use, by its affinity and its container's CPU quota; at least 1.

    A container with a quota of two cores sees all of its host's: threads beyond the quota only wait. The environment
    variable ``LOKY_MAX_CPU_COUNT`` lowers the number.
    """
    import joblib  # here, as the command line asks nothing of it for its help

    return max(1, joblib.cpu_count())


def wait_passively() -> None:
    """Let OpenMP's threads sleep while they wait, unless the environment says otherwise; before torch is imported.

    By default a thread that is done spins until the others are. On a machine with other work the others may have no
    core, and the spinning thread takes away the one that they wait for: an operation can take twenty times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # all of OpenMP
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # GNU's, which spins a little even so
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # LLVM's and Intel's
