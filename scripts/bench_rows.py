"""What finished rows of an audit take: memory and CPU time by number of pairs, without any picture.

    python scripts/bench_rows.py [--pairs 5000 20000]

Each pair has a row and five objects, with paths of the usual length. Measured are the part that holds them (a journal
is written and read again), what the same rows would take as Python objects, the ranking, the tables of rows and
objects, and the rows of the review page as text. Linux only: memory is what the process's highest memory rises by.
Expected time: 2 ms of CPU a pair. Expected result: docs/large.md.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from evaluation.tables.memory import peak_rise, start_peak
from segqc.auditing.objects import rank_objects
from segqc.auditing.rows import COLUMNS, rank_rows
from segqc.base.lazy import Computed
from segqc.base.parts import Parts
from segqc.base.tables import write_table
from segqc.gallery.rows import page_objects, page_row
from segqc.gallery.store import PageRows
from segqc.results.schema import object_columns

OBJECTS = 5


def entry(number: int) -> dict[str, Any]:
    """What a part holds of a pair, by its number."""
    id_, score = f"2012_{number:07d}", (number * 7919 % 100_003) / 100_003
    paths = [f"/data/project/{kind}/{id_}.png" for kind in ("pictures", "predictions")]
    row = dict.fromkeys(COLUMNS) | {
        "id": id_, "status": "ok", "reason": "", "score": score, "agreement": 1 - score, "density": -31.5 + score,
        "worst_class": "person", "expected_class": "background", "worst_box": "103,22,310,275", "width": 500,
        "height": 375, "classes": "person;bicycle", "suspect_objects": 2, "missed_objects": 1, "warnings": "",
        "image": paths[0], "prediction": paths[1],
    }  # fmt: skip
    found: dict[str, int | float | str | None] = {
        "kind": "predicted",
        "class": "person",
        "expected_class": None,
        "x0": 103,
        "y0": 22,
        "x1": 310,
        "y1": 275,
    }
    found |= {"area": 20231, "expected_iou": 1 - score, "touches_border": False, "iou": None}
    objects = [found | {"object": place, "score": score / (place + 1)} for place in range(OBJECTS)]
    return {"files": [[path, 80_000, 10**18 + number, 10**18] for path in paths], "row": row, "objects": objects}


def measure(count: int, folder: Path) -> None:
    """Print a row of the table for each step."""

    def step(name: str, work: Callable[[], Any]) -> Any:
        before, started = start_peak(), time.process_time()
        result = work()
        rise, seconds = peak_rise(before), time.process_time() - started
        print(f"| {count:,} | {name} | {seconds:.1f} | {'' if rise is None else round(rise)} |", flush=True)
        return result

    parts = Parts(folder, "rows", 0, {})
    with parts.own:
        for number in range(count):
            parts.append(entry(number)["row"]["id"], entry(number))
    del parts
    plain = step("the same as Python objects", lambda: [json.loads(json.dumps(entry(n))) for n in range(count)])
    del plain
    parts = step("reading the part", lambda: Parts(folder, "rows", 0, {}))
    entries = parts.rows_of(f"2012_{number:07d}" for number in range(count))
    ranked = step("ranking", lambda: rank_rows(Computed(count, lambda place: entries[place]["row"])))
    columns = object_columns(compared=False, calibrated=False)
    ids = [f"2012_{number:07d}" for number in range(count)]
    of_pictures = Computed(count, lambda place: entries[place]["objects"])
    objects = step("ranking objects", lambda: rank_objects(ids, of_pictures, columns))
    for suffix in ("csv", "parquet"):
        step(f"scores.{suffix}", lambda: write_table(folder / f"scores.{suffix}", ranked, COLUMNS))  # noqa: B023
        step(f"objects.{suffix}", lambda: write_table(folder / f"objects.{suffix}", objects, columns))  # noqa: B023

    def page() -> None:
        rows = PageRows()
        for row in ranked:
            rows.add(page_row(row) | {"objects": page_objects(entries[int(row["id"][5:])]["objects"])})
        rows.write(StringIO(), "rows", {"count": count})

    step("rows of the review page", page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[5000, 20000], help="numbers of pairs")
    print("| pairs | step | CPU seconds | memory rises by (MiB) |\n|---|---|---|---|")
    for count in parser.parse_args().pairs:
        with tempfile.TemporaryDirectory() as folder:
            measure(count, Path(folder))


if __name__ == "__main__":
    main()
