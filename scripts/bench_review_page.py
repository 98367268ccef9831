"""How long the review page keeps the browser busy: opening, scrolling, searching, filtering, sorting, judging.

    python scripts/bench_review_page.py --rows 10000

Writes a page of synthetic predictions (240 x 180 pixels, VOC's classes) with its pictures beside it, opens it from the
disk in headless Chromium, and prints for each thing that one does the longest task of the page's main thread, from
Chromium's trace: its CPU time, which compares while other programs run, and its time by the clock. 50 ms is what
browsers call a long task.

Expected time: some minutes to write 10,000 rows, half a minute to measure. Expected result, on two cores that other
work shared (load 11): 1.6 s to the first card; of CPU, 47 ms while scrolling, at most 128 ms for a filter or an order,
26 ms for a verdict, 44 ms from picture to picture.
100,000 rows (--without-pictures, 12 MB) take 1.2 s of CPU to open, 7 s by the clock at that load, and at most 230 ms
for another order.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.data.labels import VOC_LABELS
from segqc.data.masks import write_mask
from segqc.gallery.layers import GalleryEntry
from segqc.gallery.page import write_gallery

PICTURES, SIZE, OBJECTS = 40, (240, 180), 5
SCROLL = """() => new Promise((done) => {
  const box = document.getElementById('scroller');
  let step = 0;
  const move = () => { box.scrollTop += 400; if (++step < 120) requestAnimationFrame(move); else done(); };
  requestAnimationFrame(move);
})"""


def write_page(folder: Path, rows: int, pictures: bool) -> Path:
    """A page of that many predictions, which share `PICTURES` pictures or have none."""
    rng = np.random.default_rng(0)
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    for index in range(PICTURES):
        photo = np.stack([x, y, x + y], -1) * rng.random(3) * 0.8 + rng.normal(0, 12, (height, width, 3))
        Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(folder / f"{index}.jpg")
        mask = np.zeros((height, width), np.uint8)
        for _ in range(4):
            cx, cy, r = rng.integers(width), rng.integers(height), rng.integers(10, 50)
            mask[(x - cx) ** 2 + (y - cy) ** 2 < r**2] = rng.integers(1, 21)
        write_mask(folder / f"{index}.png", mask, VOC_LABELS)
        Image.fromarray((255 * rng.random((24, 32))).astype(np.uint8)).resize(SIZE).save(folder / f"{index}_heat.png")
    entries = []
    for place in range(rows):
        index = place % PICTURES
        row: dict[str, Any] = {
            "agreement": place / rows, "density": -31.5 + place / rows, "suspect_objects": place % 3,
            "missed_objects": 0, "prediction": f"predictions/{place:06d}.png",
            "id": f"city_{place // 100:04d}/frame_{place:06d}", "rank": place + 1,
            "score": 1 - place / rows, "status": "ok", "reason": "", "worst_class": VOC_LABELS.names[1 + index % 20],
            "worst_box": f"{place % 71},{place % 53},{100 + place % 97},{90 + place % 83}",
            "expected_class": "background",
            "classes": ";".join(VOC_LABELS.names[1 + (index + k) % 20] for k in range(3)),
            "dice": float(rng.random()), "width": width + place % 7, "height": height + place % 5,
            "image": f"images/{place:06d}.jpg",
        }  # fmt: skip
        files = folder / f"{index}.jpg", folder / f"{index}.png", folder / f"{index}_heat.png"
        entries.append(GalleryEntry(row, *files) if pictures else GalleryEntry(row, Path("none")))
    page = folder / "page.html"
    thumbnails = "auto" if pictures else "beside"
    title = f"{rows:,} synthetic predictions"
    write_gallery(page, entries, VOC_LABELS, title, {}, objects_of=objects_of, thumbnails=thumbnails)
    return page


def objects_of(id_: str) -> list[dict[str, Any]]:
    """Rows of objects.csv of an entry, the worst first."""
    number = int(id_.rsplit("_", 1)[1])
    worst = (number * 7919 % 100_003) / 100_003
    objects: list[dict[str, Any]] = []
    for place in range(OBJECTS):
        names = {
            "kind": "predicted",
            "class": VOC_LABELS.names[1 + (number + place) % 20],
            "expected_class": "background",
        }
        box = {"x0": 10 + 30 * place, "y0": 20, "x1": 40 + 30 * place, "y1": 90}
        objects.append(names | box | {"score": worst / (place + 1), "expected_iou": 1 - worst / (place + 1)})
    return objects


def main_tasks(trace: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks of the page's main thread."""
    events = trace["traceEvents"]
    mains = {
        (e["pid"], e["tid"]) for e in events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    return [e for e in events if e["name"] == "RunTask" and (e["pid"], e["tid"]) in mains and "tdur" in e]


def all_tasks(trace: dict[str, Any]) -> tuple[float, float]:
    """Time by the clock and of the CPU, in ms, of all tasks of the main thread together."""
    tasks = main_tasks(trace)
    return sum(task["dur"] / 1000 for task in tasks), sum(task["tdur"] / 1000 for task in tasks)


def longest_task(trace: dict[str, Any]) -> tuple[float, float]:
    """Time by the clock and of the CPU, in ms, of the longest task of a page's main thread."""
    tasks = main_tasks(trace)
    return max((e["dur"] / 1000 for e in tasks), default=0), max((e["tdur"] / 1000 for e in tasks), default=0)


def measure(page_file: Path) -> None:
    """Print the longest tasks of the page."""
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
        start = time.perf_counter()
        page.goto(page_file.as_uri())
        page.locator("#grid canvas, #grid .placeholder").first.wait_for()
        seconds = time.perf_counter() - start
        wall, cpu = all_tasks(json.loads(browser.stop_tracing()))
        print(f"opening to the first card: {seconds:.2f} s; tasks of {cpu / 1000:.2f} s of CPU, {wall / 1000:.2f} s")

        def press(key: str, times: int = 1) -> None:
            for _ in range(times):
                page.keyboard.press(key)

        # Playwright's own clicks and choices run scripts in the page, which would be counted.
        def click(selector: str) -> None:
            page.evaluate("selector => document.querySelector(selector).click()", selector)

        def sort(order: str) -> None:
            page.evaluate(
                "order => { const list = document.getElementById('sort'); list.value = order;"
                " list.dispatchEvent(new Event('change')); }",
                order,
            )

        def drag() -> None:
            for step in range(0, 60, 3):
                page.locator("#low").fill(str(step))

        def longest(what: str, action: Callable[[], object]) -> None:
            page.wait_for_timeout(500)
            browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
            action()
            page.wait_for_timeout(500)
            wall, cpu = longest_task(json.loads(browser.stop_tracing()))
            print(f"{what}: {cpu:.0f} ms of CPU, {wall:.0f} ms by the clock")

        page.keyboard.press("j")
        longest("scrolling 48,000 px", lambda: page.evaluate(SCROLL))
        longest("searching, a letter at a time", lambda: page.locator("#search").press_sequentially("frame_0019"))
        longest("clearing the search", lambda: page.keyboard.press("Escape"))
        longest("one class", lambda: click("#legend input[value=cat]"))
        longest("all classes", lambda: click("#class-clear"))
        longest("sorting by Dice", lambda: sort("dice"))
        longest("sorting by id", lambda: sort("id"))
        longest("sorting by the worst object", lambda: sort("object"))
        longest("dragging the score's handle", drag)
        longest("resetting filters", lambda: click("#reset"))
        longest("10 verdicts", lambda: press("r", 10))
        longest("accepting all", lambda: page.keyboard.press("Shift+A"))
        longest("undoing that", lambda: page.keyboard.press("z"))
        longest("opening one", lambda: page.keyboard.press("Enter"))
        longest("10 pictures on", lambda: press("j", 10))
        longest("its objects", lambda: press("x", 5))
        press("Escape")
        longest("the plot", lambda: press("p"))
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="number of predictions (default 10000)")
    parser.add_argument(
        "--without-pictures", action="store_true", help="rows alone: what a page of 100,000 takes to open"
    )
    parser.add_argument("--keep", type=Path, help="folder for the page, which is used again if it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / "page.html"
        start = time.perf_counter()
        if not page.is_file():
            write_page(folder, options.rows, pictures=not options.without_pictures)
            print(f"writing {options.rows:,} rows: {time.perf_counter() - start:.0f} s")
        print(f"the page: {page.stat().st_size / 1e6:.1f} MB")
        measure(page)


if __name__ == "__main__":
    main()
