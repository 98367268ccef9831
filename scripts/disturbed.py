"""Small commands of segqc that can be disturbed, and a table of how they took it: for `check_robustness.py`.

Every command runs in a process of its own, forked from one that has imported the libraries: half of a small command's
time would be imports, and most kills would hit nothing else.
"""

import importlib
import multiprocessing
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segqc.base.files import atomic_path
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS, render_dataset

SCENES, AUDITED = 24, 24
_IMPORTED = (
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
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would be deaf to Ctrl-C
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
        """The files of the result, by their names."""
        paths = [path for name in self.results for path in sorted(folder.glob(name)) if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    def difference(self, folder: Path, whole: dict[str, bytes]) -> str | None:
        """What keeps running this command again from ending with the result `whole`; None: it does."""
        code, printed = self.run(folder)
        if code:
            return f"exit code {code}: {printed[-2000:]}"
        result = self.result(folder)
        names = sorted(name for name in result.keys() | whole.keys() if result.get(name) != whole.get(name))
        return f"other bytes: {', '.join(names)}" if names else None


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

    def add(self, row: str, wrong: str | None) -> None:
        """Count a trial, in which `wrong` was seen."""
        before = self._rows.get(row, (0, 0))
        self._rows[row] = (before[0] + (wrong is None), before[1] + 1)
        said = "good" if wrong is None else f"FAILED ({wrong})"
        print(f"{row} {said}: {self._rows[row][0]} of {self._rows[row][1]}", flush=True)
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


def import_libraries() -> None:
    """What the commands import, before they are forked."""
    for name in _IMPORTED:
        importlib.import_module(name)


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
    train += ("--steps", 12, "--batch-size", 12, "--views", 1, "--validate-every", 4, "--checkpoint-every", 2)
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
