"""Which way of squashing masks to the network's grid keeps most of what an audit ranks by?

For each folder of predictions, the Dice of every image (mean over its foreground classes, void removed) is computed
from the masks at full resolution and again from their grids, made by nearest neighbour or by majority vote of the
pixels that are not void, each without and with the small-object rule of `segqc.data.grid.mask_to_grid`. Printed are the
mean absolute difference, the mean difference, the Spearman correlation of the two, and how many images lose a whole
foreground class (in either mask).

    python scripts/compare_mask_grids.py --voc-root VOCdevkit --predictions OUT [OUT ...]

Expected time: 1 minute on one core for 3 x 241 images. Expected result on 241 images of VOC 2012 val and the outputs of
three DeepLabV3 MobileNetV2 networks (mean absolute difference, mean difference, Spearman, images losing a class):

    S = 64                      513_quant                    257_float                    dm05_513_quant
    nearest                     0.0120 +0.0076 0.9775  9     0.0100 +0.0081 0.9946 12     0.0117 +0.0079 0.9741  8
    nearest + small objects     0.0042 -0.0002 0.9970  0     0.0038 +0.0020 0.9987  0     0.0037 -0.0004 0.9977  0
    majority                    0.0309 -0.0148 0.9677  8     0.0227 -0.0086 0.9928 11     0.0286 -0.0104 0.9668 10
    majority + small objects    0.0232 -0.0228 0.9884  0     0.0169 -0.0166 0.9966  0     0.0205 -0.0199 0.9894  0

    S = 32
    nearest                     0.0220 +0.0152 0.9527 10     0.0166 +0.0073 0.9910 18     0.0210 +0.0140 0.9597 13
    nearest + small objects     0.0097 +0.0006 0.9840  0     0.0073 -0.0017 0.9970  0     0.0099 +0.0008 0.9884  0
    majority                    0.0360 -0.0006 0.9424 15     0.0316 -0.0036 0.9809 22     0.0364 +0.0016 0.9479 22
    majority + small objects    0.0207 -0.0190 0.9803  0     0.0190 -0.0182 0.9947  0     0.0198 -0.0177 0.9846  0

So: nearest with the small-object rule. The rule brings the rank correlation; nearest brings the level, because it keeps
the share of void, while a vote of the other pixels fills the void rims along the outlines of ground truth, where masks
disagree most.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evaluation.metrics.classes import mean_dice
from evaluation.ranking.correlation import spearman
from segqc.data.cells import nearest_grid
from segqc.data.grid import majority_grid, mask_to_grid
from segqc.data.labels import VOC_LABELS, VOID, LabelSpace
from segqc.data.masks import read_mask
from segqc.data.predictions import audit_pairs
from segqc.data.voc import find_voc

SQUASHES: dict[str, Callable[[np.ndarray, int, LabelSpace], np.ndarray]] = {
    "nearest": lambda mask, size, labels: nearest_grid(mask, size),
    "nearest + small objects": lambda mask, size, labels: mask_to_grid(mask, size, labels, "nearest"),
    "majority": majority_grid,
    "majority + small objects": lambda mask, size, labels: mask_to_grid(mask, size, labels, "majority"),
}


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    return mean_dice(prediction, truth, VOC_LABELS.num_classes)


def loses_a_class(mask: np.ndarray, grid: np.ndarray) -> bool:
    return not set(np.unique(mask)) - {VOID, VOC_LABELS.background} <= set(np.unique(grid))


def compare(predictions: Path, voc_root: Path, sizes: list[int]) -> list[tuple[str, ...]]:
    """One row for each grid size and way of squashing."""
    found = audit_pairs(predictions, voc_root=voc_root, ground_truth=find_voc(voc_root).masks)
    if found.problems:
        raise SystemExit(f"{len(found.problems)} bad files, the first: {found.problems[0]}")
    files = [(pair.mask, pair.ground_truth) for pair in found.pairs if pair.mask and pair.ground_truth]
    masks = [(read_mask(prediction, VOC_LABELS), read_mask(truth, VOC_LABELS)) for prediction, truth in files]
    full = np.array([dice(*both) for both in masks])
    rows: list[tuple[str, ...]] = []
    for size in sizes:
        for name, squash in SQUASHES.items():
            grids = [
                (squash(prediction, size, VOC_LABELS), squash(truth, size, VOC_LABELS)) for prediction, truth in masks
            ]
            error = np.array([dice(*both) for both in grids]) - full
            lost = sum(any(map(loses_a_class, *both)) for both in zip(masks, grids, strict=True))
            values = f"{np.abs(error).mean():.4f}", f"{error.mean():+.4f}", f"{spearman(full + error, full):.4f}"
            rows.append((predictions.name, str(size), name, *values, str(lost)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ways of squashing masks to a grid by the Dice they keep.")
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="folders of predicted masks")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64], help="cells on a side")
    arguments = parser.parse_args()
    table = Table("predictions", "S", "squash", "mean |error|", "mean error", "Spearman", "images losing a class")
    for predictions in arguments.predictions:
        for row in compare(predictions, arguments.voc_root, arguments.sizes):
            table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
