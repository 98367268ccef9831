"""What do kills, full disks and damaged files do to segqc?

    python scripts/check_robustness.py [--times 50] [--seed 0] [--only kill,disk,bits,two,stop]

Commands run as processes of their own on rendered scenes and a small table. Each is run once undisturbed, then
disturbed, then run again by the same command; the files of the result have to be the same, byte for byte.

kill    SIGKILL at a random moment, up to three times in a row, `--times` times each for train, audit, table fit, table
        score
disk    an audit on a file system of 256 KiB, and on one that is read-only; needs the right to mount
bits    a random bit flipped in a checkpoint, a model's weights, an audit's part, a table model
two     a second audit into the folder of one that is running
stop    Ctrl-C in the middle of an audit

Prints a table in Markdown, the rows of docs/robustness.md. Expected time: an hour on two idle cores with 50 times.
Expected result: no row with a failure.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS, render_dataset

SCENES, AUDITED = 24, 40
KILLS_IN_A_ROW = 3


@dataclass(frozen=True)
class Work:
    """A command, but for its `--out`, and the files of its result below that."""

    name: str
    arguments: tuple[object, ...]
    results: tuple[str, ...]
    out_name: str = "out"

    def command(self, folder: Path) -> list[str]:
        return [sys.executable, "-m", "segqc", *map(str, self.arguments), "--out", str(folder / self.out_name)]

    def start(self, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, folder: Path) -> tuple[int, str]:
        """Exit code, and what was printed."""
        process = self.start(folder)
        printed = process.communicate()[0]
        return process.returncode, printed

    def result(self, folder: Path) -> dict[str, bytes]:
        paths = [path for name in self.results for path in sorted(folder.glob(name)) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@dataclass
class Table:
    """Rows of the table, printed as they come."""

    failures: int = 0
    rows: list[str] = field(default_factory=list)

    def add(self, fault: str, command: str, what: str, good: int, times: int) -> None:
        self.failures += times - good
        self.rows.append(f"| {fault} | {command} | {what} | {good} of {times} |")
        print(self.rows[-1], flush=True)


def make_works(root: Path) -> dict[str, Work]:
    """The data, a model, and the commands on them."""
    render_dataset(root / "voc", train=SCENES, audit=AUDITED, size=(88, 66))
    for name in (root / "voc" / "ImageSets" / "Segmentation" / "val.txt").read_text().split():
        mask = read_mask(root / "voc" / "SegmentationClass" / f"{name}.png", DEMO_LABELS)
        write_mask(root / "masks" / f"{name}.png", mask * (mask != 255), DEMO_LABELS)
    rng = np.random.default_rng(0)
    cells = rng.choice(list("abcd"), (400, 5))
    (root / "table.csv").write_text("a,b,c,d,e\n" + "".join(",".join(row) + "\n" for row in cells))
    train: tuple[object, ...] = ("train", "--voc-root", root / "voc", "--classes", ",".join(DEMO_LABELS.names))
    train += ("--method", "segmenter", "--encoder", "tf_efficientnet_lite0", "--image-size", 64, "--grid-size", 16)
    train += ("--steps", 24, "--batch-size", 4, "--views", 1, "--validate-every", 6, "--checkpoint-every", 3)
    train += ("--density-items", 16, "--device", "cpu", "--precision", "fp32")
    works = {"train": Work("train", train, ("out/*.safetensors",))}
    _expect(works["train"].run(root / "model"))
    audit = ("audit", "--model", root / "model" / "out", "--predictions", root / "masks", "--voc-root", root / "voc")
    results = ("out/scores.csv", "out/objects.csv", "out/heatmaps/*.png", "out/contact_sheet.png")
    works["audit"] = Work("audit", (*audit, "--image-set", "val", "--device", "cpu"), results)
    works["fit"] = Work("tabular fit", ("tabular", "fit", "--data", root / "table.csv"), ("out/*",))
    _expect(works["fit"].run(root / "table"))
    score = ("tabular", "score", "--data", root / "table.csv", "--model", root / "table" / "out")
    works["score"] = Work("tabular score", score, ("scores.csv",), "scores.csv")
    return works


def _expect(done: tuple[int, str]) -> None:
    if done[0]:
        raise SystemExit(f"an undisturbed command failed: {done[1][-2000:]}")


def undisturbed(work: Work, folder: Path) -> tuple[dict[str, bytes], float]:
    """The result of a run that nothing disturbs, and its seconds."""
    started = time.monotonic()
    _expect(work.run(folder))
    return work.result(folder), time.monotonic() - started


def check_kills(work: Work, root: Path, times: int, rng: random.Random, table: Table) -> None:
    whole, seconds = undisturbed(work, root / "whole")
    good = 0
    for number in range(times):
        folder = root / str(number)
        for _ in range(rng.randint(1, KILLS_IN_A_ROW)):
            process = work.start(folder)
            try:
                process.wait(rng.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        code, _ = work.run(folder)
        good += code == 0 and work.result(folder) == whole
        shutil.rmtree(folder, ignore_errors=True)
    table.add("SIGKILL at random moments", work.name, "the same command ends with the undisturbed result", good, times)


def check_disk(work: Work, root: Path, table: Table) -> None:
    """A disk that is full, then has room; and one that is read-only, then is not."""
    whole, _ = undisturbed(work, root / "whole")
    for name, before, after in (
        ("full disk (256 KiB)", "size=256k", "remount,size=64m"),
        ("read-only folder", "size=64m,ro", "remount,rw"),
    ):
        disk = root / name.split()[0]
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", before, "tmpfs", disk], capture_output=True).returncode:
            print(f"left out: {name}: no right to mount", flush=True)
            continue
        try:
            code, printed = work.run(disk)
            refused = code == 2 and str(disk) in printed and "Traceback" not in printed
            subprocess.run(["mount", "-o", after, disk], check=True)
            again, _ = work.run(disk)
            good = refused and again == 0 and work.result(disk) == whole
        finally:
            subprocess.run(["umount", disk], check=True)
        table.add(name, work.name, "exit code 2, a line that names the file; then goes on", int(good), 1)


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def check_bits(works: dict[str, Work], root: Path, times: int, rng: random.Random, table: Table) -> None:
    """A flipped bit: in what a run goes on from, the result is the same; in a model, it is an error."""
    for name, damaged, finished, said in (
        ("train", "out/training/last.safetensors", "out/config.json", "checkpoint"),
        ("audit", "out/.progress/rows-0.jsonl", "out/scores.csv", "finished rows"),
    ):
        work = works[name]
        whole, _ = undisturbed(work, root / name)
        good = 0
        for number in range(times):
            folder = Path(shutil.copytree(root / name, root / f"{name}-{number}"))
            flip(folder / damaged, rng)
            (folder / finished).unlink()
            good += work.run(folder)[0] == 0 and work.result(folder) == whole
        table.add(f"flipped bit: {said}", work.name, "noticed; the result is the undisturbed one", good, times)
    for name, option, damaged, said in (
        ("audit", "--model", "model.safetensors", "weights of a model"),
        ("score", "--model", "model.safetensors", "table model"),
    ):
        work, good = works[name], 0
        place = work.arguments.index(option) + 1
        for number in range(times):
            model = Path(shutil.copytree(str(work.arguments[place]), root / f"{name}-model-{number}"))
            flip(model / damaged, rng)
            other = Work(work.name, (*work.arguments[:place], model, *work.arguments[place + 1 :]), work.results)
            code, printed = other.run(root / f"{name}-out-{number}")
            good += code == 2 and str(model) in printed and "Traceback" not in printed
        table.add(f"flipped bit: {said}", work.name, "exit code 2, one line that names the folder", good, times)


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not ready() and process.poll() is None:
        time.sleep(0.02)


def check_two(work: Work, root: Path, table: Table) -> None:
    whole, _ = undisturbed(work, root / "whole")
    first = work.start(root / "out")
    wait_for((root / "out" / "out" / ".progress" / "rows-0.jsonl").is_file, first)
    first.send_signal(signal.SIGSTOP)  # else it may end before the second has begun
    code, printed = work.run(root / "out")
    first.send_signal(signal.SIGCONT)
    first.communicate()
    good = code == 2 and "another audit is writing here" in printed and work.result(root / "out") == whole
    table.add("two audits into one folder", work.name, "the second is refused, the first undisturbed", int(good), 1)


def check_stop(work: Work, root: Path, times: int, table: Table) -> None:
    whole, _ = undisturbed(work, root / "whole")
    good = 0
    for number in range(times):
        folder = root / str(number)
        process = work.start(folder)
        wait_for((folder / "out" / ".progress" / "rows-0.jsonl").is_file, process)
        process.send_signal(signal.SIGINT)
        printed = process.communicate()[0]
        said = process.returncode == 130 and "Run the same command again to continue" in printed
        good += said and work.run(folder)[0] == 0 and work.result(folder) == whole
    table.add("Ctrl-C", work.name, "exit code 130, says how to go on, and goes on", good, times)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="kills per command; a fifth of it for the other faults")
    parser.add_argument("--seed", type=int, default=0, help="random seed of moments and bits")
    parser.add_argument("--only", default="kill,disk,bits,two,stop", help="faults, with commas between")
    parser.add_argument("--commands", default="train,audit,fit,score", help="commands that are killed")
    given = parser.parse_args(arguments)
    rng, table, fewer = random.Random(given.seed), Table(), max(1, given.times // 5)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        works = make_works(root)
        if "kill" in given.only:
            for name in given.commands.split(","):
                check_kills(works[name], root / f"kill-{name}", given.times, rng, table)
        if "disk" in given.only:
            check_disk(works["audit"], root / "disk", table)
        if "bits" in given.only:
            check_bits(works, root / "bits", fewer, rng, table)
        if "two" in given.only:
            check_two(works["audit"], root / "two", table)
        if "stop" in given.only:
            check_stop(works["audit"], root / "stop", fewer, table)
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
