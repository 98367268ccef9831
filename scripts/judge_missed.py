"""Is an object found that a mask lacks? True masks from each of which one object is removed.

    python scripts/judge_missed.py --model runs/nuclei --images IMAGES --masks MASKS [--each 2]

What the audit lists as missed on the untouched true masks are false alarms. From each mask, `--each` objects of every
size are removed, one at a time, drawn by a fixed seed; a removed object counts as listed where a missed object of its
class lies at its place with a higher score than the false alarms at the allowed rate. Sizes are in cells of a grid of
64 on a side, whatever the model's. Takes a minute for 82 pictures of 500 masks on one core.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image

import segqc
from evaluation.metrics.objects import found_at, same_place
from segqc.base.console import console, make_progress
from segqc.data.components import mask_components
from segqc.data.listing import masks_by_id
from segqc.data.masks import read_mask
from segqc.data.pictures import read_image
from segqc.data.small_objects import SMALL_OBJECT_PIXELS
from segqc.quality_control import QualityControl

SIZES: tuple[tuple[float, float], ...] = ((0, 2), (2, 4), (4, math.inf))
"""Groups by area, in cells of `GRID` on a side."""

GRID = 64

RATES = (0.3, 1.0, 3.0)


def main() -> None:
    """Print a table of what is listed at each number of false alarms a picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--each", type=int, default=2, help="removed objects of each size in a picture (default: 2)")
    parser.add_argument("--tiles", type=int, help="tiles along a side (default: as the model was trained)")
    arguments = parser.parse_args()
    qc = segqc.load(arguments.model, tiles=arguments.tiles)
    truths = masks_by_id(arguments.masks)
    pairs = [(path, truths[path.stem]) for path in sorted(arguments.images.iterdir()) if path.stem in truths]
    alarms, found = list[float](), {size: list[float]() for size in SIZES}
    with make_progress(console) as progress:
        for image, truth in progress.track(pairs, description="removing objects"):
            picture, mask = read_image(image), read_mask(truth, qc.labels)
            alarms += [item.score for item in qc.judge_pair(picture, mask).objects or () if item.kind == "missed"]
            for size, score in removed_scores(qc, picture, mask, arguments.each):
                found[size].append(score)
    print("| area of the removed object | removed | " + " | ".join(f"listed at {rate:g}" for rate in RATES) + " |")
    print("|---|---|---|---|---|")
    for (low, high), scores in found.items():
        shares = [found_at(np.array(alarms), np.array(scores), len(pairs), rate) for rate in RATES]
        cells = " | ".join(f"{share:.3f}" for share in shares)
        print(f"| {low:g} to {high:g} cells | {len(scores)} | {cells} |")


def removed_scores(
    qc: QualityControl, picture: Image.Image, mask: np.ndarray, each: int
) -> list[tuple[tuple[float, float], float]]:
    """Size group of each removed object, and the highest score of a missed object at its place; -inf without one."""
    objects, background = mask_components(mask, qc.labels, SMALL_OBJECT_PIXELS), qc.labels.background or 0
    cells = objects.sizes / (mask.size / GRID**2)
    results = list[tuple[tuple[float, float], float]]()
    for low, high in SIZES:
        candidates = np.flatnonzero((cells >= low) & (cells < high))
        for i in np.random.default_rng(0).permutation(candidates)[:each]:
            rows, columns = objects.windows[i]
            box = (columns.start, rows.start, columns.stop, rows.stop)
            lacking = np.where(objects.numbers == i + 1, background, mask).astype(np.uint8)
            name = qc.labels.name(int(objects.classes[i]))
            scores = [
                item.score
                for item in qc.judge_pair(picture, lacking).objects or ()
                if item.kind == "missed" and item.expected == name and same_place(item.box, box)
            ]
            results.append(((low, high), max(scores, default=-math.inf)))
    return results


if __name__ == "__main__":
    main()
