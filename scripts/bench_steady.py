"""How an audit, a training step and a fit of a table fare beside one busy process, by default and with fixed threads.

    python scripts/bench_steady.py --predictions MASKS --voc-root VOCdevkit --table TABLE.parquet
        [--beside loop training] [--work audit training table] [--rounds 5]

Each round runs the work by default and with one and with all threads of this machine, one after the other beside the
same process, and prints the default's share of the best: near one in every round is what is wanted. The busy process is
a Python loop (`loop`) or a training of segqc itself (`training`). Work is timed as a whole, in the seconds that users
wait for it: `segqc audit` of --count predictions, `segqc train` of a few steps on these predictions as if they were
true masks, and `segqc tabular fit`.

Nothing else may run meanwhile. A round of all work beside one process takes about a minute and a half on two cores.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from segqc.base.cores import usable_cores
from segqc.data.voc import find_voc

HERE = Path(__file__).resolve().parents[1]
_ENDLESS = 10**6  # steps of the training that is in the way
_BUSY_FROM = 60  # seconds until that training has read its pictures
console = Console()


def commands(given: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """What is timed, as commands that write below `folder`; pictures and masks are copied there."""
    voc, masks, pictures = find_voc(given.voc_root), folder / "masks", folder / "pictures"
    masks.mkdir()
    pictures.mkdir()
    for mask in sorted(given.predictions.glob("*.png"))[: given.count]:
        shutil.copy(mask, masks / mask.name)
        shutil.copy(voc.images / f"{mask.stem}.jpg", pictures / f"{mask.stem}.jpg")
    segqc, shown = [sys.executable, "-m", "segqc"], ["--images", str(pictures)]
    table = ["--data", str(given.table.resolve()), "--out", str(folder / "detector")]
    return {
        "audit": [*segqc, "audit", "--predictions", str(masks), *shown, "--out", str(folder / "audit")],
        "training": training(pictures, masks, folder / "model", steps=20),
        "table": [*segqc, "tabular", "fit", *table],
    }


def training(pictures: Path, masks: Path, out: Path, steps: int) -> list[str]:
    """A `segqc train` of so many steps."""
    data = ["--images", str(pictures), "--masks", str(masks), "--preset", "fast", "--views", "1"]
    length = ["--steps", str(steps), "--guess-steps", "2"]
    return [sys.executable, "-m", "segqc", "train", *data, *length, "--out", str(out)]


@contextmanager
def busy(kind: str, folder: Path) -> Iterator[None]:
    """One process that never pauses, on one thread."""
    command = [sys.executable, "-c", "while True: pass"]
    if kind == "training":
        command = training(folder / "pictures", folder / "masks", folder / "busy", _ENDLESS)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(_BUSY_FROM if kind == "training" else 0)
        if process.poll() is not None:
            raise SystemExit(f"the busy process ({kind}) ended by itself")
        yield
    finally:
        process.kill()
        process.wait()


def seconds(command: list[str], folder: Path, variables: dict[str, str]) -> float:
    """Wall-clock seconds of a command; what it wrote is removed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", *variables)}
    started = time.monotonic()
    done = subprocess.run(command, env=environment | {"PYTHONPATH": str(HERE)} | variables, capture_output=True)
    spent = time.monotonic() - started
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2000:])
    for name in ("audit", "model", "detector"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--beside", nargs="+", choices=("loop", "training"), default=["loop", "training"])
    parser.add_argument(
        "--work", nargs="+", choices=("audit", "training", "table"), default=["audit", "training", "table"]
    )
    parser.add_argument("--count", type=int, default=20, help="predictions that are audited")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    settings: dict[str, dict[str, str]] = {"default": {}}
    for threads in sorted({1, usable_cores()}):
        settings[f"{threads} threads"] = {"OMP_NUM_THREADS": str(threads), "LOKY_MAX_CPU_COUNT": str(threads)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = {what: command for what, command in commands(given, folder).items() if what in given.work}
        for kind in given.beside:
            table = Table("work", "round", *(f"{setting}, s" for setting in settings), "best / default")
            with busy(kind, folder):
                for what, command in work.items():
                    shares = []
                    for number in range(given.rounds):
                        spent = [seconds(command, folder, variables) for variables in settings.values()]
                        shares.append(min(spent) / spent[0])
                        table.add_row(what, str(number + 1), *(f"{s:.1f}" for s in spent), f"{shares[-1]:.2f}")
                    table.add_row(what, "worst", *("" for _ in settings), f"{min(shares):.2f}")
            console.print(table, f"beside a busy process: {kind}")


if __name__ == "__main__":
    main()
