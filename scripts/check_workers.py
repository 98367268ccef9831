"""What do lost machines, killed commands and another number of workers do to an audit?

    pip install '.[ray]'
    python scripts/check_workers.py [--times 10] [--minutes 9] [--folder FOLDER] [--page docs/robustness.md]

processes  SIGKILL of an audit by one process, and of one by four that goes on with it; then two end it
machine    a cluster of two nodes with one core each on this machine; while an audit runs, SIGKILL of one node with all
           its processes. A fifth of `--times`, as for processes.
kill       SIGKILL of an audit at a random moment; then the same command again. It runs by a cluster of one core that
           outlives it, so that a trial starts no Ray, and workers of the killed audit may still be at work.

The result has to be that of an undisturbed audit by one process, byte for byte. With `--folder`, data, model and that
result stay there for the next call; the page's counts are added to, as by scripts/check_robustness.py.

Expected time: half a minute a kill on an idle core, a minute each of the others. Expected result: no failure.
"""

import argparse
import importlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
from disturbed import Table, Work, import_libraries, make_works, undisturbed

LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node")
SAME = "the same command ends with the undisturbed result of an audit without Ray"


def start(work: Work, out: Path, *more: str) -> subprocess.Popen[str]:
    """An audit by Ray, not forked: this process has spoken to Ray, and has threads."""
    command = [sys.executable, "-m", "segqc", *map(str, work.arguments), "--engine", "ray", *more, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rows_in(out: Path) -> int:
    """Number of finished rows."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in (out / ".progress").glob("rows-*.jsonl"))


def pairs_of(whole: dict[str, bytes]) -> int:
    """Number of pairs of an audit with this result."""
    return sum(name.startswith("out/heatmaps/") for name in whole)


def check_processes(work: Work, folder: Path, whole: dict[str, bytes], times: int, table: Table) -> None:
    row = "| SIGKILL of one process, then of four, then two go on | audit | no row is scored twice; the same result |"
    pairs = pairs_of(whole)
    while not table.is_done(row, times):
        seen, killed, code = [], 0, None
        for count, enough in ((1, pairs // 4), (4, pairs // 2), (2, pairs + 1)):
            arguments = [*map(str, work.arguments), "--out", str(folder / "out")]
            command = psutil.Popen([sys.executable, *LAUNCHER, str(count), "-m", "segqc", *arguments])
            while command.poll() is None and rows_in(folder / "out") < enough:
                time.sleep(0.01)
            for process in (*command.children(recursive=True), command) if command.poll() is None else ():
                process.kill()
                killed += process.pid == command.pid
            code = command.wait()
            seen.append(rows_in(folder / "out"))
        print(f"finished rows after 1, 4 and 2 processes: {seen} of {pairs}", flush=True)
        if killed == 2:  # else one had ended before its kill
            good = code == 0 and seen[-1] == pairs and work.result(folder) == whole
            table.add(row, None if good else f"exit code {code}, rows {seen}")
        shutil.rmtree(folder / "out")


def check_machine(work: Work, folder: Path, whole: dict[str, bytes], times: int, table: Table) -> None:
    from ray.cluster_utils import Cluster

    row = (
        "| SIGKILL of one of two machines of a Ray cluster | audit (Ray) | the audit ends with the undisturbed result |"
    )
    pairs = pairs_of(whole)
    while not table.is_done(row, times):
        node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=node)
        second = cluster.add_node(**node)
        cluster.wait_for_nodes()
        command = start(work, folder / "out", "--ray-address", cluster.address)
        processes = [psutil.Process(info.process.pid) for infos in second.all_processes.values() for info in infos]
        scoring, before = list[psutil.Process](), 0
        while command.poll() is None and not scoring:
            time.sleep(0.1)
            before = rows_in(folder / "out")
            children = [child for process in processes for child in process.children(recursive=True)]
            if pairs // 4 <= before < pairs:
                scoring = [child for child in children if "MapWorker" in "".join(child.cmdline())]
        for process in (*processes, *children):
            if process.is_running():
                process.kill()
        printed = command.communicate()[0]
        cluster.shutdown()
        same = work.result(folder) == whole
        print(f"killed with {before} of {pairs} rows, {len(scoring)} workers there; then: {printed[-300:]}", flush=True)
        if scoring:  # else the audit ended before the machine had a worker
            table.add(row, None if command.returncode == 0 and same else f"exit code {command.returncode}")
        shutil.rmtree(folder / "out")


@contextmanager
def standing_cluster() -> Iterator[str]:
    """A Ray cluster of one core that outlives the commands that use it; its address.

    It is started by Ray's own command: a process that has spoken to Ray has threads, and cannot be forked.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="ray-") as logs:  # Ray's sockets lie there, whose paths must be short
        arguments = ["start", "--head", "--block", "--num-cpus=1", f"--object-store-memory={80 * 2**20}"]
        arguments += ["--node-ip-address=127.0.0.1", f"--port={address.rpartition(':')[2]}", f"--temp-dir={logs}"]
        arguments += ["--include-dashboard=false", "--disable-usage-stats"]
        command = [str(Path(sys.executable).with_name("ray")), *arguments]
        settings = os.environ | {"RAY_worker_niceness": "0"}  # by default workers come after all else on the machine
        head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=settings)
        try:
            while not Path(logs, "session_latest", "sockets", "raylet").exists():
                time.sleep(0.1)
            yield address
        finally:
            for process in (*psutil.Process(head.pid).children(recursive=True), head):
                process.kill()
            head.wait()


def check_kills(
    work: Work, folder: Path, whole: dict[str, bytes], times: int, rng: random.Random, table: Table
) -> None:
    row = f"| SIGKILL at random moments | audit (Ray) | {SAME} |"
    if table.is_done(row, times):
        return
    import_libraries()
    for name in ("ray.data", "ray.data.exceptions"):
        importlib.import_module(name)
    with standing_cluster() as address:
        by_ray = replace(work, arguments=(*work.arguments, "--engine", "ray", "--ray-address", address))
        seconds = undisturbed(by_ray, folder / "first")[1]
        print(f"undisturbed: {seconds:.0f} s", flush=True)
        while not table.is_done(row, times):
            killed, moment = folder / "killed", rng.uniform(0, seconds)
            command = by_ray.start(killed)
            if not command.wait(moment):
                command.signal(signal.SIGKILL)
            was_killed, before = command.result()[0] == -signal.SIGKILL, rows_in(killed / "out")
            wrong = by_ray.difference(killed, whole)
            print(f"killed after {moment:.1f} s with {before} of {pairs_of(whole)} rows", flush=True)
            if was_killed:  # else the command had ended before
                table.add(row, wrong)
            shutil.rmtree(killed)


def prepare(folder: Path) -> tuple[Work, dict[str, bytes]]:
    """The audit, and its result without Ray; from an earlier call if it has made them."""
    data, whole = folder / "data", folder / "whole"
    arguments: tuple[object, ...] = ("audit", "--model", data / "model" / "out", "--predictions", data / "masks")
    arguments += ("--voc-root", data / "voc", "--image-set", "val", "--device", "cpu")
    results = ("out/scores.csv", "out/objects.csv", "out/heatmaps/*.png", "out/contact_sheet.png")
    work = Work("audit (Ray)", arguments, results)
    if not (whole / "out" / "summary.json").is_file():
        make_works(data)
        undisturbed(work, whole)
    return work, work.result(whole)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="trials of kill; a fifth of it for the others")
    parser.add_argument("--seed", type=int, help="random seed of the moments (default: another one each time)")
    parser.add_argument("--only", default="kill,processes,machine", help="faults, with commas between")
    parser.add_argument("--minutes", type=float, help="begin no trial after so long")
    parser.add_argument("--folder", type=Path, help="where data and the undisturbed result stay for the next call")
    parser.add_argument("--page", type=Path, help="a page whose table takes the counts")
    given = parser.parse_args(arguments)
    rng, table = random.Random(given.seed), Table(given.page, given.minutes)
    # Read when Ray is imported: a cluster and its commands need one token, or none.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex()}
    with tempfile.TemporaryDirectory() as temporary:
        work, whole = prepare(given.folder or Path(temporary))
        for fault in given.only.split(","):
            folder = Path(temporary) / fault
            if fault == "processes":
                check_processes(work, folder, whole, max(1, given.times // 5), table)
            elif fault == "machine":
                check_machine(work, folder, whole, max(1, given.times // 5), table)
            else:
                check_kills(work, folder, whole, given.times, rng, table)
    print(table.text())
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
