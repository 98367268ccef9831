"""Colours of the classes over a photo on the review page: near those that they are shown in, but never lost there.

Pascal VOC's own colours hold a maroon, a dark green and a navy that vanish on a dark photo, and a grey. Colours are
compared in CIELAB (CIE 1976), where a distance of some 25 is a clear difference.
"""

from functools import cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from segqc.data.labels import LabelSpace
from segqc.data.palette import cielab, display_palette

LIGHTNESS = (55, 88)  # L* of a colour that stands out on dark and on light photos
CHROMA = 40  # at least: photos are full of greys
APART = 25  # distance from which a class keeps its own colour beside those that were kept before it


def photo_palette(labels: LabelSpace) -> np.ndarray:
    """Colours for masks over photos, uint8 `[256, 3]`: those of classes as described above, others as they are.

    A class whose own colour is neither dark nor pale nor grey nor too near to another keeps it. The others are given
    colours as far from all as can be, each the nearest to its own.
    """
    palette = display_palette(labels).copy()
    own = cielab(palette)
    classes = [index for index in range(labels.num_classes) if index != labels.background]
    kept: list[int] = []
    for index in classes:
        if _stands_out(own[index]) and (not kept or np.linalg.norm(own[kept] - own[index], axis=1).min() >= APART):
            kept.append(index)
    others = [index for index in classes if index not in kept]
    if others:
        new = _far_colours(own[kept], len(others))
        rows, columns = linear_sum_assignment(np.linalg.norm(own[others][:, None] - cielab(new)[None], axis=2))
        for row, column in zip(rows, columns, strict=True):
            palette[others[row]] = new[column]
    return palette


def _far_colours(taken: np.ndarray, count: int) -> np.ndarray:
    """Colours uint8 `[count, 3]`, one after the other the farthest from `taken`, in CIELAB `[n, 3]`, and all before."""
    colours, lab = _candidates()
    distance = np.full(len(colours), np.inf)
    for one in taken:
        distance = np.minimum(distance, np.linalg.norm(lab - one, axis=1))
    found = []
    for _ in range(count):
        best = int(distance.argmax())
        found.append(best)
        distance = np.minimum(distance, np.linalg.norm(lab - lab[best], axis=1))
    return colours[found]


@cache
def _candidates() -> tuple[np.ndarray, np.ndarray]:
    """Colours of sRGB on a grid that stand out, uint8 `[n, 3]`, and the same in CIELAB."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lab = cielab(colours)
    good = _stands_out(lab)
    return colours[good], lab[good]


def _stands_out(lab: np.ndarray) -> np.ndarray:
    """Whether colours in CIELAB `[..., 3]` are neither dark nor pale nor grey, bool `[...]`."""
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    return (lightness >= LIGHTNESS[0]) & (lightness <= LIGHTNESS[1]) & (chroma >= CHROMA)
