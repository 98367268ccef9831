"""Every measurement of docs/performance.md, one after the other, into one folder.

    python scripts/bench_all.py --predictions MASKS --voc-root VOCdevkit --tables DIR --table TABLE.parquet
        [--against CHECKOUT] [--out runs/bench]

Each bench is a process of its own, whose output is shown and kept as `OUT/NAME.txt` below the machine and the versions;
one that fails is named at the end and stops none. MASKS are predictions of the VOC pictures, DIR holds the seven sets
of scripts/reproduce_table2.py, and CHECKOUT is another version of segqc to compare with. Takes about an hour on two
cores that do nothing else.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from segqc.base.cores import usable_cores

HERE = Path(__file__).resolve().parent


def benches(given: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of every bench."""
    voc, masks = ["--voc-root", str(given.voc_root)], ["--predictions", str(given.predictions)]
    yield "audit-stages", ["bench_audit.py", *masks, *voc]
    yield "metrics", ["bench_metrics.py", *masks, *voc]
    yield "tables", ["bench_tabular.py", "--data", str(given.tables), "--threads", "1", "--largest", "100000"]
    yield "hook", ["bench_hook.py"]
    other = [] if given.against is None else ["--against", str(given.against)]
    for preset in ("cpu", "fast"):
        yield f"training-{preset}", ["bench_training.py", *voc, "--preset", preset, *other]
    if other:
        yield "audit-against", ["bench_audit.py", *masks, *voc, *other]
    for kind in ("loop", "training"):
        yield f"steady-{kind}", ["bench_steady.py", *masks, *voc, "--table", str(given.table), "--beside", kind]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "numpy"))
    machine = f"{platform.platform()}, {usable_cores()} cores, Python {platform.python_version()}, {versions}\n"
    failed = []
    for name, (script, *arguments) in benches(given):
        print(f"\n{name}", flush=True)
        with (given.out / f"{name}.txt").open("w", encoding="utf-8") as kept:
            kept.write(f"{machine}{script} {' '.join(arguments)}\n\n")
            with subprocess.Popen(
                [sys.executable, str(HERE / script), *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
            ) as process:
                for line in process.stdout or ():
                    print(line, end="", flush=True)
                    kept.write(line)
        if process.returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
