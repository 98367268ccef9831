"""How fast the metrics are, beside medpy, MONAI and DeepMind's surface-distance, on the same masks in one run.

    python scripts/bench_metrics.py [--predictions DIR ... --voc-root VOCdevkit [--image-set val] [--cores]]

Every row does the work of its library for one image: Dice of each foreground class found in either mask, and mean
surface distance and 95 % Hausdorff distance of each class found in both. Ours
(`evaluation.metrics.classes.class_metrics`) gives directed means, NSD and the other Hausdorff variants besides. The
libraries take turns, each over the whole set of images as in an evaluation, on one thread, measured in CPU seconds; the
ratio is the median over the repeats. A library that is not installed is left out, with a word on how to install it.

Takes about two minutes. On two cores without a graphics card, one of them busy with a training, it printed, in images
per second and times slower than ours:

    synthetic 500x375          segqc 1975    medpy 31 (64.6)    MONAI 52 (37.2)    surface-distance 141 (13.7)
    mnv2_513_quant, VOC val    segqc  867    medpy 28 (30.8)    MONAI 40 (21.2)    surface-distance  69 (12.6)
    mnv2_257_float, VOC val    segqc  828    medpy 29 (28.3)    MONAI 37 (22.3)    surface-distance  68 (12.3)
    mnv2_dm05_513_quant        segqc  824    medpy 27 (28.9)    MONAI 36 (21.6)    surface-distance  61 (12.2)

and a largest difference to medpy of 1.4e-14. Whatever empties the caches costs the fast one most. With `--alternate`
the libraries take turns after every image, and the ratios to medpy on real masks were 22.4 to 23.8 (45.9 on synthetic
ones); with ten busy processes on the two cores and turns over the set, 22.7 to 28.3.

Bad predictions cost ours most: their surfaces share few pixels with the truth's, only those are free, and half of the
time goes into the nearest pixels of the others. Five ways to find them were tried, in time relative to one look at all
pairs: two looks, the second at a third of the pairs (kept, 0.7), a k-d tree for all (1.5), distances along rows
tabulated in the class's box (2.2), scipy's Euclidean distance transform (3 ms for a box of 200 x 250, 15 ms for a
picture, where one look at an image takes 0.7), tiles instead of lines of pixels (no fewer pairs).
"""

import argparse
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread for everybody; must be said before NumPy is imported

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from evaluation.baselines.base import Example
from evaluation.metrics.classes import class_metrics
from evaluation.report.measure import JudgedPair, measure
from segqc.base.cores import usable_cores
from segqc.base.errors import BadInput
from segqc.base.workers import map_items
from segqc.data.labels import VOC_LABELS, VOID
from segqc.data.masks import read_mask
from segqc.data.voc import find_voc

Pair = tuple[np.ndarray, np.ndarray]
AT_LEAST = 1000  # pairs that are measured on all cores: fewer are left to one
SHAPE, CLASSES = (375, 500), VOC_LABELS.num_classes
INSTALL = {
    "medpy": "pip install 'segqc[medpy]'",
    "monai": "pip install monai",
    "surface_distance": "pip install surface-distance",
}


def synthetic_pair(rng: np.random.Generator) -> Pair:
    """Prediction and truth like VOC's, uint8 [375, 500]: one to five smooth objects of one to three classes with a void
    rim, redrawn wobbling.
    """
    rows, columns = np.indices(SHAPE)
    truth = np.zeros(SHAPE, np.uint8)
    kinds = rng.integers(1, CLASSES, rng.integers(1, 4))
    for _ in range(rng.integers(1, 6)):
        down, across = rows - rng.uniform(0, SHAPE[0]), (columns - rng.uniform(0, SHAPE[1])) * rng.uniform(0.6, 1.6)
        angle = np.arctan2(down, across)
        lobes = sum(rng.uniform(0, 0.25) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5))
        truth[np.hypot(down, across) < rng.uniform(25, 110) * (1 + lobes)] = rng.choice(kinds)
    # A smooth random displacement of 3 pixels (one standard deviation at its nodes, 25 pixels apart) moves the
    # outlines.
    nodes = tuple(side // 25 + 2 for side in SHAPE)
    moves = [ndimage.zoom(rng.normal(0, 3, nodes), 25, order=1)[: SHAPE[0], : SHAPE[1]] for _ in SHAPE]
    places = [
        np.clip(np.rint(grid + move), 0, side - 1).astype(int)
        for grid, move, side in zip((rows, columns), moves, SHAPE, strict=True)
    ]
    prediction = truth[tuple(places)]
    rim = ndimage.maximum_filter(truth, 5) != ndimage.minimum_filter(truth, 5)
    return prediction, np.where(rim, np.uint8(VOID), truth)


def real_pairs(predictions: Path, voc_root: Path, image_set: str, count: int) -> list[tuple[Path, Path]]:
    """Up to `count` predictions and their ground truth, spread evenly over the image set."""
    voc = find_voc(voc_root)
    ids = (voc.root / "ImageSets" / "Segmentation" / f"{image_set}.txt").read_text(encoding="utf-8").split()
    there = [id_ for id_ in ids if (predictions / f"{id_}.png").is_file()]
    if not there:
        raise SystemExit(f"{predictions} has no PNG named after an image of {image_set}")
    chosen = [there[i] for i in np.unique(np.linspace(0, len(there) - 1, min(count, len(there))).round().astype(int))]
    masks = voc.root / "SegmentationClass"
    return [(predictions / f"{id_}.png", masks / f"{id_}.png") for id_ in chosen]


def class_masks(prediction: np.ndarray, truth: np.ndarray) -> Iterator[Pair]:
    """Both bool masks of each foreground class, void removed."""
    known = truth != VOID
    for label in np.flatnonzero(
        np.bincount(prediction[known], minlength=CLASSES) + np.bincount(truth[known], minlength=CLASSES)
    ):
        if label:
            yield (prediction == label) & known, (truth == label) & known


def ours(prediction: np.ndarray, truth: np.ndarray) -> list[tuple[float, ...]]:
    """Dice, mean surface distance and HD95 of each class, the distances only where both masks have it."""
    rows = class_metrics(prediction, truth, CLASSES, void=VOID)
    return [(row.dice,) if row.msd is None or row.hd95 is None else (row.dice, row.msd, row.hd95) for row in rows]


def with_medpy() -> Callable[[np.ndarray, np.ndarray], list[tuple[float, ...]]]:
    """dc, assd and hd95 of medpy, in the form of `ours`."""
    from medpy.metric import binary

    def measure(prediction: np.ndarray, truth: np.ndarray) -> list[tuple[float, ...]]:
        return [
            (binary.dc(a, b), binary.assd(a, b), binary.hd95(a, b)) if a.any() and b.any() else (binary.dc(a, b),)
            for a, b in class_masks(prediction, truth)
        ]

    return measure


def with_monai() -> Callable[[np.ndarray, np.ndarray], list[tuple[float, ...]]]:
    """compute_dice, compute_average_surface_distance (symmetric) and compute_hausdorff_distance (95) of MONAI; its hd95
    is not medpy's.
    """
    import torch
    from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance

    torch.set_num_threads(1)

    def measure(prediction: np.ndarray, truth: np.ndarray) -> list[tuple[float, ...]]:
        pairs = list(class_masks(prediction, truth))
        if not pairs:
            return []
        first, second = (torch.from_numpy(np.stack(masks))[None] for masks in zip(*pairs, strict=True))
        dice = compute_dice(first, second)[0].tolist()
        twice = [i for i, (a, b) in enumerate(pairs) if a.any() and b.any()]
        rows: list[tuple[float, ...]] = [(value,) for value in dice]
        if twice:
            both = first[:, twice], second[:, twice]
            means = compute_average_surface_distance(*both, include_background=True, symmetric=True)[0].tolist()
            hausdorff = compute_hausdorff_distance(*both, include_background=True, percentile=95)[0].tolist()
            for i, mean, distance in zip(twice, means, hausdorff, strict=True):
                rows[i] = (dice[i], mean, distance)
        return rows

    return measure


def with_surface_distance() -> Callable[[np.ndarray, np.ndarray], list[tuple[float, ...]]]:
    """DeepMind's surface-distance, one intermediate result a class; its surfaces are weighted elements between pixels,
    so its numbers differ.
    """
    import surface_distance

    def measure(prediction: np.ndarray, truth: np.ndarray) -> list[tuple[float, ...]]:
        rows: list[tuple[float, ...]] = []
        for a, b in class_masks(prediction, truth):
            dice = surface_distance.compute_dice_coefficient(b, a)
            if a.any() and b.any():
                lists = surface_distance.compute_surface_distances(b, a, (1.0, 1.0))
                means = surface_distance.compute_average_surface_distance(lists)
                rows.append((dice, sum(means) / 2, surface_distance.compute_robust_hausdorff(lists, 95)))
            else:
                rows.append((dice,))
        return rows

    return measure


def benchmark(
    console: Console, title: str, pairs: list[Pair], methods: dict[str, Callable], repeats: int, alternate: bool
) -> None:
    """Print images per second and ratios of all methods, and the largest difference between ours and medpy."""
    seconds = {name: np.zeros(repeats) for name in methods}
    # warm up
    results: dict[str, list] = {name: [method(*pair) for pair in pairs[:2]] for name, method in methods.items()}
    for repeat in range(repeats):
        results = {name: [] for name in methods}
        for batch in [[pair] for pair in pairs] if alternate else [pairs]:
            for name, method in methods.items():
                start = process_time()
                found = [method(*pair) for pair in batch]
                seconds[name][repeat] += process_time() - start
                results[name] += found
    table = Table(
        "library",
        "images/s",
        "ms/image",
        "times slower than segqc (least to most of the repeats)",
        title=f"{title}: {len(pairs)} images, {repeats} repeats",
    )
    for name, spent in seconds.items():
        ratios = spent / seconds["segqc"]
        pace = float(np.median(spent)) / len(pairs)
        table.add_row(
            name,
            f"{1 / pace:.1f}",
            f"{1000 * pace:.2f}",
            f"{np.median(ratios):.1f} ({ratios.min():.1f} to {ratios.max():.1f})",
        )
    console.print(table)
    if "medpy" in methods:
        own, medpys = (
            np.array([value for image in results[name] for row in image for value in row])
            for name in ("segqc", "medpy")
        )
        console.print(f"largest difference to medpy in dice, assd and hd95: {np.abs(own - medpys).max(initial=0):.1e}")


def rows_of(pair: JudgedPair) -> list[dict[str, Any]]:
    """The metrics of a pair's classes, read from its files."""
    found = measure("segqc", pair)
    if isinstance(found, BadInput):
        raise found
    return found.classes


def on_all_cores(console: Console, files: list[tuple[Path, Path]], repeats: int) -> None:
    """Print how many times as fast `segqc evaluate` measures these pairs, read from their files, on all cores."""
    pairs = [JudgedPair(Example(a.stem, a, a, VOC_LABELS), b, None) for a, b in files] * -(-AT_LEAST // len(files))
    list(map_items(None, rows_of, pairs))  # the processes start, and stay
    ratios = []
    for _ in range(repeats):
        times = [perf_counter()]
        one = [rows_of(pair) for pair in pairs]
        times.append(perf_counter())
        many = list(map_items(None, rows_of, pairs))
        times.append(perf_counter())
        ratios.append((times[1] - times[0]) / (times[2] - times[1]))
        if one != many:
            raise SystemExit("other numbers on several cores")
    console.print(
        f"{usable_cores()} cores read and measure {np.median(ratios):.2f} times as fast as one "
        f"({min(ratios):.2f} to {max(ratios):.2f}), with the same numbers"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=Path, nargs="+", help="folders with masks of segmenters, ID.png")
    parser.add_argument("--voc-root", type=Path, help="VOCdevkit with their ground truth")
    parser.add_argument("--image-set", default="val", help="list of images")
    parser.add_argument("--images", type=int, default=40, help="how many real images, spread over the list")
    parser.add_argument("--synthetic", type=int, default=16, help="how many synthetic images")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alternate", action="store_true", help="let the libraries take turns after every image")
    parser.add_argument("--cores", action="store_true", help="also read and measure real images on all cores")
    arguments = parser.parse_args()
    if (arguments.predictions is None) != (arguments.voc_root is None):
        parser.error("--predictions and --voc-root belong together")
    console = Console()
    methods: dict[str, Callable] = {"segqc": ours}
    for module, make in (("medpy", with_medpy), ("monai", with_monai), ("surface_distance", with_surface_distance)):
        if importlib.util.find_spec(module):
            methods[module] = make()
        else:
            console.print(f"{module} is not installed and left out: {INSTALL[module]}", markup=False)
    rng = np.random.default_rng(0)
    synthetic = [synthetic_pair(rng) for _ in range(arguments.synthetic)]
    benchmark(
        console, f"synthetic masks of {SHAPE[1]}x{SHAPE[0]}", synthetic, methods, arguments.repeats, arguments.alternate
    )
    for folder in arguments.predictions or []:
        files = real_pairs(folder, arguments.voc_root, arguments.image_set, arguments.images)
        pairs = [(read_mask(a, VOC_LABELS), read_mask(b, VOC_LABELS)) for a, b in files]
        benchmark(
            console, f"{folder.name} on {arguments.image_set}", pairs, methods, arguments.repeats, arguments.alternate
        )
        if arguments.cores:
            on_all_cores(console, files, arguments.repeats)


if __name__ == "__main__":
    main()
