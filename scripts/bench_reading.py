"""What the look at the data costs an audit.

    python scripts/bench_reading.py --predictions MASKS --voc-root VOCdevkit [--image-set val] [--rounds 7]
    python scripts/bench_reading.py ... --other CHECKOUT [--turns 3]

Prints the CPU time of the look that opens an audit (up to 200 predictions, their pictures and true masks), and of
reading all pictures and masks as the audit then does, and their ratio: medians over rounds, in which both run in turn.

With `--other`, a checkout of another version, both versions audit the predictions in turns, each in a process of its
own, with and without heat maps; printed are the median CPU times and their ratio. One thread computes
(OMP_NUM_THREADS=1), so that CPU times of processes compare while other programs run.

Expected time: half a minute; with `--other` four audits a turn, a minute or two each. Expected result on the 241
pictures of VOC val: the look takes 0.68 s, reading all pictures with both masks 1.63 s: 42.0%. Beside the one
before (two turns, on a machine that did much else): 36.2 and 35.2 CPU s without heat maps, a ratio of 1.03; 47.7 and
44.1 with them, 1.07 and 1.10, of which the look explains 0.7 s.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from segqc.auditing.config import AuditConfig
from segqc.auditing.first_look import reader_of
from segqc.auditing.job import AuditJob
from segqc.base.parallel import ordered_map
from segqc.data.pairs import Pair
from segqc.data.predictions import audit_pairs
from segqc.data.voc import find_voc
from segqc.model.folder import load_config, model_folder

_HEAT_MAPS = {"with heat maps": "--heatmaps", "without": "--no-heatmaps"}


def seconds(function: Callable[[], object]) -> float:
    """CPU time of all threads."""
    started = time.process_time()
    function()
    return time.process_time() - started


def bench_look(config: AuditConfig, pairs: list[Pair], rounds: int) -> tuple[float, float]:
    """Median CPU times of the look and of reading everything, s."""
    model = load_config(model_folder(config.model))
    job = AuditJob(pairs, [], (model_folder(config.model),), "", predictions=True)
    reader = reader_of(config, model, job, None)

    def read(pair: Pair) -> None:
        assert pair.mask is not None
        image = reader.picture(pair.image)
        reader.prediction(pair.mask, image)
        if pair.ground_truth is not None:
            reader.truth(pair.ground_truth, image)

    looks, reads = [], []
    for _ in range(rounds):
        looks.append(seconds(lambda: reader_of(config, model, job, None)))
        reads.append(seconds(lambda: list(ordered_map(read, pairs))))
    return statistics.median(looks), statistics.median(reads)


def audit_seconds(checkout: Path, config: AuditConfig, heat_maps: str) -> float:
    """CPU time of one audit by the code of a checkout, s."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "segqc", "audit", "--model", str(config.model), "--out", f"{out}/audit"]
        command += ["--predictions", str(config.predictions), "--voc-root", str(config.voc_root), "--device", "cpu"]
        environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        command += ["--image-set", str(config.image_set), heat_maps]
        process = subprocess.Popen(command, env=environment, cwd=out, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with the code of {checkout}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--image-set", default="val")
    parser.add_argument("--model", default="voc-fast", help="model folder, or the name of one that comes with segqc")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--other", type=Path, help="checkout of another version")
    parser.add_argument("--turns", type=int, default=3, help="audits by each version and setting")
    given = parser.parse_args()
    folder, voc = given.predictions.resolve(), given.voc_root.resolve()
    config = AuditConfig(folder, model=Path(given.model), voc_root=voc, image_set=given.image_set)
    console = Console(width=120)
    pairs = audit_pairs(folder, voc_root=voc, ground_truth=find_voc(voc).masks).pairs
    look, read = bench_look(config, pairs, given.rounds)
    console.print(
        f"The look takes {look:.2f} s, reading {len(pairs)} pictures with both masks {read:.2f} s: {look / read:.1%}."
    )
    if given.other is None:
        return
    here, there = Path(__file__).resolve().parents[1], given.other.resolve()
    table = Table("audit", "this version, CPU s", "the other, CPU s", "ratio")
    for name, option in _HEAT_MAPS.items():
        times: dict[Path, list[float]] = {here: [], there: []}
        for _ in range(given.turns):
            for checkout, taken in times.items():
                taken.append(audit_seconds(checkout, config, option))
        ours, theirs = (statistics.median(times[checkout]) for checkout in (here, there))
        spread = ", ".join(f"{a / b:.3f}" for a, b in zip(times[here], times[there], strict=True))
        table.add_row(name, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.3f} ({spread})")
    console.print(table)


if __name__ == "__main__":
    main()
