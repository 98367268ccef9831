"""What do kills, full disks and damaged files do to segqc?

    python scripts/check_robustness.py [--times 50] [--minutes 9] [--only kill,disk,bits,two,stop]
    python scripts/check_robustness.py ... --page docs/robustness.md

Commands run on rendered scenes and a small table. Each is run once undisturbed, then disturbed, then run again by the
same command; the files of the result have to be the same, byte for byte.

kill    SIGKILL at a random moment, up to three times in a row, `--times` times each for train, audit, table fit, table
        score
disk    an audit on a file system of 256 KiB, and on one that is read-only; needs the right to mount
bits    a random bit flipped, `--times` times each, in what a run goes on from (a checkpoint, the journal of checked
        pairs, an audit's part) and in every file of a model, of one that comes with segqc, and of a table model
two     a second audit into the folder of one that is running
stop    Ctrl-C in the middle of an audit, a fifth of `--times`

Every command runs in a process of its own, forked from one that has imported the libraries: half of a small command's
time would be imports, and most kills would hit nothing else.

Prints a table in Markdown. With `--page`, counts go into the table of that page and are added to those that it has of
the same fault, until each stands at `--times`: with `--minutes`, the work can be done in pieces by the same command.
Expected time: half an hour on an idle core with 50 times. Expected result: no row with a failure.
"""

import argparse
import importlib
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segqc.base.files import atomic_path
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS, render_dataset
from segqc.model.catalogue import BUNDLED_MODELS

SCENES, AUDITED = 24, 24
KILLS_IN_A_ROW = 3
IMPORTED = (
    "segqc.cli.app", "segqc.training.run", "segqc.training.trainer", "segqc.auditing.api", "segqc.tabular.commands.fit",
    "segqc.tabular.commands.score", "evaluation.ranking.comparison", "sklearn.mixture", "scipy.stats", "timm",
    "torch.utils.tensorboard", "onnxruntime",
)  # fmt: skip
TITLE = "| fault | command | what was seen | how often |\n|---|---|---|---|\n"
_FORKING = multiprocessing.get_context("fork")


class Command:
    """A running `segqc` command, and what it prints."""

    def __init__(self, arguments: list[str], printed: Path) -> None:
        printed.parent.mkdir(parents=True, exist_ok=True)
        self._printed = printed
        self._process = _FORKING.Process(target=_segqc, args=(arguments, printed))
        self._process.start()

    @property
    def ended(self) -> bool:
        return not self._process.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it ended within so many seconds."""
        self._process.join(seconds)
        return self.ended

    def signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def result(self) -> tuple[int, str]:
        """Exit code, and what was printed, at its end."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode, self._printed.read_text(errors="replace")


def _segqc(arguments: list[str], printed: Path) -> None:
    """The command line in this process."""
    from segqc.cli.app import main

    with printed.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ["COLUMNS"] = "1000"  # paths stay on one line
    sys.argv = ["segqc", *arguments]
    main()


@dataclass(frozen=True)
class Work:
    """A command, but for its `--out`, and the files of its result below that."""

    name: str
    arguments: tuple[object, ...]
    results: tuple[str, ...]
    out_name: str = "out"

    def start(self, folder: Path) -> Command:
        arguments = [*map(str, self.arguments), "--out", str(folder / self.out_name)]
        return Command(arguments, folder.with_name(f"{folder.name}.printed"))

    def run(self, folder: Path) -> tuple[int, str]:
        """Exit code, and what was printed."""
        return self.start(folder).result()

    def result(self, folder: Path) -> dict[str, bytes]:
        paths = [path for name in self.results for path in sorted(folder.glob(name)) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


class Table:
    """Rows of the table with how often each went well, printed and written to the page as they come.

    Parameters
    ----------
    page : Path or None
        A page with the table, to which counts are added.
    minutes : float or None
        After so long, no further trial begins.
    """

    def __init__(self, page: Path | None, minutes: float | None) -> None:
        self._page = page
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self._rows = {} if page is None else _counts(page.read_text(encoding="utf-8"))

    @property
    def failures(self) -> int:
        return sum(times - good for good, times in self._rows.values())

    def is_done(self, row: str, times: int) -> bool:
        """Whether a row has so many trials, or time is up."""
        return self._rows.get(row, (0, 0))[1] >= times or (self._end is not None and time.monotonic() > self._end)

    def add(self, row: str, good: bool) -> None:
        before = self._rows.get(row, (0, 0))
        self._rows[row] = (before[0] + good, before[1] + 1)
        print(f"{row} {'good' if good else 'FAILED'}: {self._rows[row][0]} of {self._rows[row][1]}", flush=True)
        if self._page is not None:
            text = self._page.read_text(encoding="utf-8")
            above, _, rest = text.partition(TITLE)
            below = rest.splitlines(keepends=True)[len(_counts(text)) :]
            with atomic_path(self._page) as temporary:
                temporary.write_text(above + self.text() + "".join(below), encoding="utf-8")

    def text(self) -> str:
        """The table in Markdown."""
        return TITLE + "".join(f"{row} {good} of {times} |\n" for row, (good, times) in self._rows.items())


def _counts(page: str) -> dict[str, tuple[int, int]]:
    """How often each fault of a page's table went well, and of how many."""
    found = re.findall(r"^(\|.*\|) (\d+) of (\d+) \|$", page, re.MULTILINE)
    return {row: (int(good), int(times)) for row, good, times in found}


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
    train += ("--steps", 12, "--batch-size", 2, "--views", 1, "--validate-every", 4, "--checkpoint-every", 2)
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
    row = f"| SIGKILL at random moments | {work.name} | the same command ends with the undisturbed result |"
    if table.is_done(row, times):
        return
    whole, seconds = undisturbed(work, root / "whole")
    while not table.is_done(row, times):
        folder = root / "killed"
        kills = rng.randint(1, KILLS_IN_A_ROW)
        for _ in range(kills):
            command = work.start(folder)
            if not command.wait(rng.uniform(0, seconds)):
                command.signal(signal.SIGKILL)
            kills -= command.result()[0] != -signal.SIGKILL
        code, _ = work.run(folder)
        if kills:  # else each command had ended before its kill
            table.add(row, code == 0 and work.result(folder) == whole)
        shutil.rmtree(folder)


def check_disk(work: Work, root: Path, table: Table) -> None:
    """A disk that is full, then has room; and one that is read-only, then is not."""
    rows = {
        name: f"| {name} | {work.name} | exit code 2 and a line that names the file; then it goes on |"
        for name in ("full disk (256 KiB)", "read-only folder")
    }
    if all(table.is_done(row, 1) for row in rows.values()):
        return
    whole, _ = undisturbed(work, root / "whole")
    for (name, row), (before, after) in zip(
        rows.items(), (("size=256k", "remount,size=64m"), ("size=64m,ro", "remount,rw")), strict=True
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
        table.add(row, good)


def flip(path: Path, rng: random.Random) -> None:
    """Another value of a random bit of a file."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def check_bits_of_states(works: dict[str, Work], root: Path, times: int, rng: random.Random, table: Table) -> None:
    """A flipped bit in what a run goes on from: the result is the undisturbed one."""
    for name, damaged, finished, said in (
        ("train", "out/training/last.safetensors", "out/config.json", "last checkpoint"),
        ("train", "out/training/checked.jsonl", "out/config.json", "journal of checked pairs"),
        ("audit", "out/.progress/rows-0.jsonl", "out/scores.csv", "part of finished rows"),
    ):
        work = works[name]
        row = f"| a flipped bit: {said} | {work.name} | noticed; the result is the undisturbed one |"
        if table.is_done(row, times):
            continue
        whole, _ = undisturbed(work, root / said)
        while not table.is_done(row, times):
            folder = Path(shutil.copytree(root / said, root / "flipped"))
            flip(folder / damaged, rng)
            (folder / finished).unlink()
            table.add(row, work.run(folder)[0] == 0 and work.result(folder) == whole)
            shutil.rmtree(folder)


def check_bits_of_models(works: dict[str, Work], root: Path, times: int, rng: random.Random, table: Table) -> None:
    """A flipped bit in a file of a model: an error that names the folder."""
    for name, given, said in (
        ("audit", None, "a model"),
        ("audit", BUNDLED_MODELS["voc-fast"], "a model that comes with segqc"),
        ("score", None, "a table model"),
    ):
        work = works[name]
        place = work.arguments.index("--model") + 1
        source = given or Path(str(work.arguments[place]))
        for file in ("config.json", "model.safetensors", "density.safetensors"):
            row = f"| a flipped bit: {file} of {said} | {work.name} | exit code 2, and a line that names the folder |"
            while (source / file).is_file() and not table.is_done(row, times):
                model = Path(shutil.copytree(source, root / "model"))
                flip(model / file, rng)
                other = Work(work.name, (*work.arguments[:place], model, *work.arguments[place + 1 :]), work.results)
                code, printed = other.run(root / "scored")
                table.add(row, code == 2 and str(model) in printed and "Traceback" not in printed)
                shutil.rmtree(model)


def wait_for(ready: Callable[[], bool], command: Command) -> None:
    while not ready() and not command.ended:
        time.sleep(0.02)


def check_two(work: Work, root: Path, table: Table) -> None:
    row = f"| two at once into one folder | {work.name} | the second is refused, the first undisturbed |"
    if table.is_done(row, 1):
        return
    whole, _ = undisturbed(work, root / "whole")
    first = work.start(root / "out")
    wait_for((root / "out" / "out" / ".progress" / "rows-0.jsonl").is_file, first)
    first.signal(signal.SIGSTOP)  # else it may end before the second has begun
    arguments = [*map(str, work.arguments), "--out", str(root / "out" / "out")]
    code, printed = Command(arguments, root / "second.printed").result()
    first.signal(signal.SIGCONT)
    refused = code == 2 and "another audit is writing here" in printed
    table.add(row, first.result()[0] == 0 and refused and work.result(root / "out") == whole)


def check_stop(work: Work, root: Path, times: int, table: Table) -> None:
    row = f"| Ctrl-C | {work.name} | exit code 130, says how to go on, and goes on |"
    if table.is_done(row, times):
        return
    whole, _ = undisturbed(work, root / "whole")
    while not table.is_done(row, times):
        folder = root / "stopped"
        command = work.start(folder)
        wait_for((folder / "out" / ".progress" / "rows-0.jsonl").is_file, command)
        command.signal(signal.SIGINT)
        code, printed = command.result()
        said = code == 130 and "Run the same command again to continue" in printed
        table.add(row, said and work.run(folder)[0] == 0 and work.result(folder) == whole)
        shutil.rmtree(folder)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="trials of each fault; a fifth of it for Ctrl-C")
    parser.add_argument("--seed", type=int, help="random seed of moments and bits (default: another one each time)")
    parser.add_argument("--only", default="kill,disk,bits,two,stop", help="faults, with commas between")
    parser.add_argument("--commands", default="train,audit,fit,score", help="commands that are killed")
    parser.add_argument("--minutes", type=float, help="begin no trial after so long")
    parser.add_argument("--page", type=Path, help="a page whose table takes the counts")
    given = parser.parse_args(arguments)
    for name in IMPORTED:
        importlib.import_module(name)
    rng, table = random.Random(given.seed), Table(given.page, given.minutes)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        works = make_works(root)
        if "kill" in given.only:
            for name in given.commands.split(","):
                check_kills(works[name], root / f"kill-{name}", given.times, rng, table)
        if "disk" in given.only:
            check_disk(works["audit"], root / "disk", table)
        if "bits" in given.only:
            check_bits_of_models(works, root / "models", given.times, rng, table)
            check_bits_of_states(works, root / "states", given.times, rng, table)
        if "two" in given.only:
            check_two(works["audit"], root / "two", table)
        if "stop" in given.only:
            check_stop(works["audit"], root / "stop", max(1, given.times // 5), table)
    print(table.text())
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
