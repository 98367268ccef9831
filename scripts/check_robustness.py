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

Prints a table in Markdown. With `--page`, counts go into the table of that page and are added to those that it has of
the same fault, until each stands at `--times`: with `--minutes`, the work can be done in pieces by the same command.
Expected time: half an hour on an idle core with 50 times. Expected result: no row with a failure.
"""

import argparse
import dataclasses
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from disturbed import Command, Table, Work, import_libraries, make_works, undisturbed

from segqc.model.catalogue import BUNDLED_MODELS

KILLS_IN_A_ROW = 3


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
        wrong = work.difference(folder, whole)
        if kills:  # else each command had ended before its kill
            table.add(row, wrong)
        if wrong is not None:
            shutil.copytree(folder, Path(tempfile.mkdtemp(prefix=f"killed-{work.name}-")), dirs_exist_ok=True)
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
            wrong = work.difference(disk, whole) if refused else f"exit code {code}: {printed[-2000:]}"
        finally:
            subprocess.run(["umount", disk], check=True)
        table.add(row, wrong)


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
            table.add(row, work.difference(folder, whole))
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
                arguments = (*work.arguments[:place], model, *work.arguments[place + 1 :])
                other = dataclasses.replace(work, arguments=arguments)
                code, printed = other.run(root / "scored")
                refused = code == 2 and str(model) in printed and "Traceback" not in printed
                table.add(row, None if refused else f"exit code {code}: {printed[-2000:]}")
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
    if code != 2 or "another audit is writing here" not in printed:
        wrong: str | None = f"the second's exit code {code}: {printed[-2000:]}"
    elif first.result()[0]:
        wrong = "the first failed"
    else:
        wrong = None if work.result(root / "out") == whole else "other bytes"
    table.add(row, wrong)


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
        table.add(row, work.difference(folder, whole) if said else f"exit code {code}: {printed[-2000:]}")
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
    import_libraries()
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
