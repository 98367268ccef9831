"""Where the time of `segqc audit` goes, against another version of segqc, and beside other work.

    python scripts/bench_audit.py --predictions MASKS --voc-root VOCdevkit [--count 60]
    python scripts/bench_audit.py ... --against CHECKOUT [--rounds 3]
    python scripts/bench_audit.py ... --beside loop [--rounds 5]

Alone, it prints the median CPU time of each stage of a pair, on one thread: what the network takes, and what the audit
spends outside of it.

--against runs whole audits as a user does, of this checkout and of another one in turn, and prints seconds of both and
their ratio per round, with heat maps and without. A machine with other work slows both alike; where it is heavily
loaded, the ratio of CPU seconds says more than that of wall-clock seconds.

--beside runs the audit while one other process is busy, with the default number of threads and with each fixed one, and
prints pairs/s: the default's share of the best is to be near one in every round. The other process is a Python loop
(`loop`) or a product of matrices (`matrices`).

Expected time: half a minute alone; 20 to 60 seconds per audit otherwise. Expected results: docs/performance.md.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

import segqc
from evaluation.ranking.comparison import DiceComparison
from segqc.auditing.rows import write_heat
from segqc.base.cores import usable_cores
from segqc.data.pairs import Pair
from segqc.data.reader import PairReader
from segqc.data.voc import find_voc
from segqc.gallery.layers import GalleryEntry, Layers
from segqc.gallery.previews import make_previews
from segqc.model.regions import worst_region
from segqc.model.tiled import encode_picture, read_encoded

HERE = Path(__file__).resolve().parents[1]
BUSY = {
    "loop": "while True: pass",
    "matrices": "import numpy as n\na = n.random.rand(500, 500)\nwhile True: a @ a",
}
console = Console()


def voc_pairs(predictions: Path, voc_root: Path, count: int) -> list[Pair]:
    """The first `count` predictions with their pictures and true masks."""
    voc = find_voc(voc_root)
    masks = sorted(predictions.glob("*.png"))[:count]
    return [Pair(m.stem, voc.images / f"{m.stem}.jpg", m, voc.masks / m.name) for m in masks]


def stages(pairs: Sequence[Pair], model: str, runtime: str) -> dict[str, list[float]]:
    """CPU seconds of each stage, of each pair, on one thread."""
    torch.set_num_threads(1)
    qc = segqc.load(model, "cpu", runtime=runtime)
    reader, comparison = PairReader(qc.labels), DiceComparison()
    spent: dict[str, list[float]] = {}

    def timed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        started = time.process_time()
        result = function(*arguments)
        spent.setdefault(name, []).append(time.process_time() - started)
        return result

    with tempfile.TemporaryDirectory() as folder:
        for pair in track(pairs, "stages", console=console):
            image = timed("read the picture", reader.picture, pair.image)
            mask = timed("read the mask", reader.prediction, pair.mask, image)
            truth = timed("read the true mask", reader.truth, pair.ground_truth, image)
            timed("Dice with the true mask", comparison.measure, mask, truth, qc.labels)
            picture, grid = timed("prepare both for the network", qc.prepare, image, mask)
            context = timed("encoder", encode_picture, qc.model, picture)
            reading = timed("network", read_encoded, qc.model, context, grid, qc.levels)
            timed("score", qc.model.score_reading, reading, grid)
            timed("most suspect region", worst_region, reading.heat, grid, reading.posterior)
            score, heat = qc.score_grid(picture, grid, mask), Path(folder, "heat.png")
            timed("single objects", lambda score=score: score.objects)
            heatmap = timed("draw the heat map", score.draw_heatmap)
            timed("write the heat map", write_heat, heat, heatmap)
            entry = GalleryEntry({}, pair.image, pair.mask, heat, pair.ground_truth)
            timed("review page (its pictures)", make_previews, Layers(entry, qc.labels))
    return spent


def print_stages(spent: dict[str, list[float]]) -> None:
    """The median of each stage, and their sum."""
    table = Table("stage", "ms", title="CPU time of a pair, one thread, median")
    medians = {name: 1000 * statistics.median(values) for name, values in spent.items()}
    for name, median in (medians | {"together": sum(medians.values())}).items():
        table.add_row(name, f"{median:.1f}")
    console.print(table)


def run_audit(
    checkout: Path, predictions: Path, voc_root: Path, options: Sequence[str], **variables: str
) -> tuple[float, float]:
    """Wall-clock and CPU seconds of an audit as a process of its own, with the code of `checkout`."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "segqc", "audit", "--predictions", str(predictions.resolve())]
        command += [
            "--voc-root",
            str(voc_root.resolve()),
            "--out",
            str(Path(out, "audit")),
            "--device",
            "cpu",
            *options,
        ]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            command, cwd=checkout, env=environment | {"PYTHONPATH": str(checkout)} | variables, capture_output=True
        )
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2000:])
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(checkout: Path, predictions: Path, voc_root: Path, rounds: int) -> None:
    """Audits of both checkouts in turn, with heat maps and without."""
    for name, options in (("all outputs", ()), ("without heat maps", ("--no-heatmaps",))):
        table = Table("round", "there, s", "here, s", "ratio", "ratio of CPU s", title=name)
        ratios = []
        for number in range(rounds):
            there = run_audit(checkout, predictions, voc_root, options)
            here = run_audit(HERE, predictions, voc_root, options)
            ratios.append((there[0] / here[0], there[1] / here[1]))
            table.add_row(str(number + 1), f"{there[0]:.1f}", f"{here[0]:.1f}", *(f"{r:.2f}" for r in ratios[-1]))
        table.add_row("median", "", "", *(f"{statistics.median(values):.2f}" for values in zip(*ratios, strict=True)))
        console.print(table)


@contextmanager
def busy(kind: str) -> Iterator[None]:
    """One process that never pauses."""
    process = subprocess.Popen([sys.executable, "-c", BUSY[kind]], env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def beside(kind: str, predictions: Path, voc_root: Path, rounds: int, count: int) -> None:
    """The default's pairs/s against those of every fixed number of threads, beside a busy process."""
    settings: dict[str, dict[str, str]] = {"default": {}}
    settings |= {f"{n} threads": {"LOKY_MAX_CPU_COUNT": str(n)} for n in range(1, usable_cores() + 1)}
    table = Table("round", *settings, "default / best", title=f"pairs/s beside a busy process ({kind})")
    worst = 1.0
    with busy(kind):
        for number in range(rounds):
            speeds = [count / run_audit(HERE, predictions, voc_root, (), **given)[0] for given in settings.values()]
            worst = min(worst, speeds[0] / max(speeds))
            table.add_row(str(number + 1), *(f"{s:.2f}" for s in speeds), f"{speeds[0] / max(speeds):.2f}")
    console.print(table, f"worst of {rounds}: {worst:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--model", default="voc")
    parser.add_argument("--runtime", default="auto", help="of the stages")
    parser.add_argument("--count", type=int, default=60, help="pairs that are read for the stages")
    parser.add_argument("--against", type=Path, help="another checkout of segqc")
    parser.add_argument("--beside", choices=tuple(BUSY))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.against is not None:
        compare(given.against.resolve(), given.predictions, given.voc_root, given.rounds)
    elif given.beside is not None:
        count = len(list(given.predictions.glob("*.png")))
        beside(given.beside, given.predictions, given.voc_root, given.rounds, count)
    else:
        print_stages(stages(voc_pairs(given.predictions, given.voc_root, given.count), given.model, given.runtime))


if __name__ == "__main__":
    main()
