"""What a large audit takes: memory and time of `segqc audit` and of the commands that read it, by number of pairs.

    python scripts/bench_large.py --pairs 1000 4000 16000 --out WORK [--scored 200] [--plot memory.png]

The pairs are links to 200 rendered scenes of 88 x 66 px; the model has random weights and few layers, behind the
interface of any other. With --scored N only N pairs are scored for each audit and the finished rows of the others are
dealt from theirs: what is then measured is what grows beside the network, reading the folders, ranking, tables, and the
review page with its pictures. Without it every pair is scored.

Each command is a process of its own, whose resident memory is read ten times a second. Prints a table in Markdown:
seconds, CPU seconds and highest memory of each command. Expected time: 10 ms of CPU a pair without scoring, 25 ms with.
Expected result: docs/large.md.
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from segqc.base.journal import Journal
from segqc.base.parts import part_path
from segqc.data.labels import LabelSpace
from segqc.demo.scenes import DEMO_LABELS, render_dataset
from segqc.model.folder import save_model
from segqc.model.quality_model import QualityModel
from segqc.training.config import TrainConfig
from segqc.training.design import model_config
from segqc.training.resolved import resolve

SCENES = 200
COMMANDS = {
    "gallery": ("gallery",),
    "export": ("export", "--to", "csv", "--top", "1000"),
}


class Spent(NamedTuple):
    """What a command took: seconds, CPU seconds, highest resident memory in MiB, and the memory by second."""

    seconds: float
    cpu: float
    peak: float
    memory: list[tuple[float, float]]


def make_model(folder: Path, labels: LabelSpace) -> None:
    """A model of few layers and random weights, which reads, scores and names objects as any other."""
    torch.manual_seed(0)
    training = TrainConfig(method="structured", preset="cpu", image_size=64, grid_size=16, encoder="test_efficientnet")
    config = model_config(resolve(dataclasses.replace(training, out=folder)), labels)
    small = dataclasses.replace(config.network, channels=8, channel_mult=(1, 2), context_width=8)
    model = QualityModel(dataclasses.replace(config, network=small), pretrained=False)
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    save_model(folder, model.eval())


def make_pairs(scenes: Path, folder: Path, count: int) -> None:
    """Links to the scenes as pictures and predicted masks of so many ids."""
    names = sorted(path.stem for path in (scenes / "JPEGImages").iterdir())
    for kind, source, suffix in (("pictures", "JPEGImages", "jpg"), ("masks", "SegmentationClass", "png")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            link = folder / kind / f"{number:07d}.{suffix}"
            if not link.is_symlink():
                link.symlink_to((scenes / source / f"{names[number % len(names)]}.{suffix}").resolve())


def deal_rows(out: Path, scored: int, count: int) -> None:
    """Give all pairs the finished rows of the first `scored`, which are of the same files."""
    path = part_path(out / ".progress", "rows", 0)
    header = json.loads(path.open().readline())["header"]
    first = Journal(path, header)
    known = [first.rows[f"{number:07d}"] for number in range(scored)]
    path.unlink()
    with Journal(path, header) as journal:
        for number in range(count):
            entry = known[number % scored]
            journal.append(
                f"{number:07d}", entry | {"row": entry["row"] | {"row": entry["row"]["row"] | {"id": f"{number:07d}"}}}
            )


def measure(arguments: list[Any]) -> Spent:
    """Run a command of segqc and watch its memory."""
    started, memory = time.monotonic(), list[tuple[float, float]]()
    process = subprocess.Popen([sys.executable, "-m", "segqc", *map(str, arguments)], stdout=subprocess.DEVNULL)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        resident = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
        memory.append((time.monotonic() - started, resident))
        time.sleep(0.1)
    if status:
        raise SystemExit(f"segqc {' '.join(map(str, arguments))} ended with {os.waitstatus_to_exitcode(status)}")
    return Spent(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, memory)


def plot(path: Path, found: dict[int, Spent]) -> None:
    """Memory of each audit over its time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for count, spent in found.items():
        seconds, memory = zip(*spent.memory, strict=True)
        axes.plot([100 * second / spent.seconds for second in seconds], memory, label=f"{count:,} pairs")
    axes.set(xlabel="time (% of the audit)", ylabel="resident memory (MiB)", ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 4000, 16000], help="numbers of pairs")
    parser.add_argument("--scored", type=int, help="pairs that are scored, at most 200; all by default")
    parser.add_argument("--out", type=Path, required=True, help="folder to work in")
    parser.add_argument("--plot", type=Path, help="PNG of the memory over time")
    given = parser.parse_args()
    scenes, model, found = given.out / "scenes", given.out / "model", dict[int, Spent]()
    if not (model / "config.json").is_file():
        render_dataset(scenes, train=1, audit=SCENES - 1, size=(88, 66))
        make_model(model, DEMO_LABELS)
    print("| pairs | command | seconds | CPU seconds | highest memory (MiB) |\n|---|---|---|---|---|")
    for count in given.pairs:
        folder, out = given.out / str(count), given.out / str(count) / "audit"
        audit = ["audit", "--model", model, "--device", "cpu", "--no-heatmaps", "--out", out]
        shutil.rmtree(out, ignore_errors=True)
        if given.scored is not None:
            make_pairs(scenes, folder, given.scored)
            measure([*audit, "--predictions", folder / "masks", "--images", folder / "pictures"])
            deal_rows(out, given.scored, count)
        make_pairs(scenes, folder, count)
        done = {"audit": measure([*audit, "--predictions", folder / "masks", "--images", folder / "pictures"])}
        found[count] = done["audit"]
        for name, command in COMMANDS.items():
            to = [] if name == "gallery" else ["--out", folder / name]
            done[name] = measure([command[0], "--audit", out, *command[1:], *to])
        for name, spent in done.items():
            print(f"| {count:,} | {name} | {spent.seconds:.0f} | {spent.cpu:.0f} | {spent.peak:.0f} |", flush=True)
    if given.plot is not None:
        plot(given.plot, found)


if __name__ == "__main__":
    main()
