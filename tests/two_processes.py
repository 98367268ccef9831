"""A command as two processes on this machine, as `torchrun --nproc_per_node 2 -m segqc ...` starts it."""

import os
import subprocess
import sys


def segqc_by_two(*arguments: object) -> str:
    """Run `segqc` with these arguments in two processes that share the work; returns what both printed.

    Raises
    ------
    AssertionError
        A process failed.
    """
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "segqc"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
