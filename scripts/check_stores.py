"""What do kills do to an audit whose pictures, masks, model and results all lie in a bucket?

    pip install '.[s3]' 'moto[server]'
    python scripts/check_stores.py [--times 20] [--minutes 9] [--page docs/robustness.md]

SIGKILL of an audit up to three times in a row, each after a random number of requests to the store, up to that of an
undisturbed audit; then the same command as on another machine: with an empty cache. In every other trial each tenth
request fails, by an error or by half a body. The store is moto's S3 server on the loopback. Finished rows are sent at
once instead of every five seconds, as the audit is small: most kills would lose all of them.

Tables and pictures have to be those of an undisturbed audit of local files, byte for byte but for the addresses; the
page's counts are added to, as by scripts/check_robustness.py.

Expected time: half a minute a trial on an idle core. Expected result: no row with a failure.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from disturbed import Command, Table, Work, import_libraries, make_works, undisturbed

from segqc.base.storage import growing

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from faulty_store import serve

BUCKET = "bucket"
KILLS_IN_A_ROW = 3
ROW = "| SIGKILL at random requests{} | audit, S3 | the same command, its cache empty, ends with the local result |"
EVERY, FAULTY = 10, ", every tenth request fails"


@dataclass(frozen=True)
class Store:
    """The S3 server, which is a process of its own: this one stays without threads, and can be forked.

    Attributes
    ----------
    client : boto3's client
    server : Connection
    """

    client: Any
    server: Connection

    def fail_every(self, number: int) -> None:
        """From here on each request whose number is a multiple of it fails; none at 0."""
        self.server.send(number)
        self.server.recv()

    def requests(self) -> int:
        """How many there were."""
        self.server.send(None)
        return int(self.server.recv())

    def put(self, folder: Path) -> None:
        """Copy a folder into the bucket, under its absolute path."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.client.put_object(Bucket=BUCKET, Key=str(path).lstrip("/"), Body=path.read_bytes())

    def files(self, prefix: str) -> dict[str, bytes]:
        """The objects of a folder."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {key: self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


@contextmanager
def running_store() -> Iterator[Store]:
    """Start the server; its address and credentials are in the environment of what is started from here on."""
    import boto3

    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": ours.recv(), "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    try:
        yield Store(client, ours)
    finally:
        server.kill()
        server.join()


def _serve(parent: Connection) -> None:
    with serve() as store:
        parent.send(store.address)
        while True:
            asked = parent.recv()
            store.every = store.every if asked is None else asked
            parent.send(store.requests)


@dataclass(frozen=True)
class BucketAudit:
    """An audit of what was copied into the bucket, and its result with local files."""

    store: Store
    work: Work
    data: Path
    whole: dict[str, bytes]
    caches: Path

    def start(self, name: str, cache: str, every: int = 0) -> Command:
        """The audit into a folder of the bucket, on a machine with this cache; see `Store.fail_every`."""
        self.store.fail_every(every)
        os.environ["SEGQC_CACHE"] = str(self.caches / cache)
        places = [f"s3://{BUCKET}{part}" if isinstance(part, Path) else str(part) for part in self.work.arguments]
        return Command([*places, "--out", f"s3://{BUCKET}/{name}/out"], self.caches / f"{name}.printed")

    def end(self, command: Command, name: str) -> str | None:
        """What keeps the command from ending with the result of local files; None: it does."""
        code, printed = command.result()
        if code:
            return f"exit code {code}: {printed[-2000:]}"
        self.store.fail_every(0)
        files, here, there = self.store.files(f"{name}/out/"), str(self.data), f"s3://{BUCKET}{self.data}"
        differing = [
            path
            for path, content in self.whole.items()
            if files.get(f"{name}/{path}") != (content.replace(here.encode(), there.encode()))
        ]
        return f"other bytes: {', '.join(differing)}" if differing else None

    def rows(self, name: str) -> int:
        """Number of finished rows in the bucket."""
        self.store.fail_every(0)
        parts = self.store.files(f"{name}/out/.progress/rows-")
        return sum(max(0, content.count(b"\n") - 1) for content in parts.values())


def check_kills(audit: BucketAudit, times: int, rng: random.Random, table: Table) -> None:
    before = audit.store.requests()
    command = audit.start("undisturbed", "undisturbed")
    command.wait()
    most = audit.store.requests() - before
    if (wrong := audit.end(command, "undisturbed")) is not None:
        raise SystemExit(f"an undisturbed audit failed: {wrong}")
    print(f"undisturbed: {most} requests", flush=True)
    trial, rows = 0, (ROW.format(""), ROW.format(FAULTY))
    while not all(table.is_done(row, times // 2) for row in rows):
        faulty, name, kills, seen = trial % 2, f"trial-{trial}", 0, []
        trial += 1
        for _ in range(rng.randint(1, KILLS_IN_A_ROW)):
            enough = rng.randint(0, most)
            command, before = audit.start(name, name, EVERY * faulty), audit.store.requests()
            while not command.wait(0.005):
                if audit.store.requests() - before >= enough:
                    command.signal(signal.SIGKILL)
                    break
            kills += command.result()[0] == -signal.SIGKILL
            seen.append(f"{audit.rows(name)} after {enough} requests")
        wrong = audit.end(audit.start(name, f"{name}-elsewhere", EVERY * faulty), name)
        print(f"rows in the bucket: {', then '.join(seen)}", flush=True)
        if kills:  # else each command had ended before its kill
            table.add(rows[faulty], wrong)
        shutil.rmtree(audit.caches)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="trials, half of them with a store that fails")
    parser.add_argument("--seed", type=int, help="random seed of the moments (default: another one each time)")
    parser.add_argument("--minutes", type=float, help="begin no trial after so long")
    parser.add_argument("--page", type=Path, help="a page whose table takes the counts")
    given = parser.parse_args(arguments)
    table = Table(given.page, given.minutes)
    import_libraries()
    growing.LEAST_PAUSE, growing._SHARE = 0.0, 0
    with tempfile.TemporaryDirectory() as temporary, running_store() as store:
        data = Path(temporary) / "data"
        work = make_works(data)["audit"]
        store.put(data)
        whole = undisturbed(work, Path(temporary) / "whole")[0]
        audit = BucketAudit(store, work, data, whole, Path(temporary) / "caches")
        check_kills(audit, given.times, random.Random(given.seed), table)
    print(table.text())
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
