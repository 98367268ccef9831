"""Colours in which classes are shown: well apart for classes of one's own, and the same for a class index always.

`LabelSpace.palette` is what mask files are decoded and written by. Pascal VOC's colours, its default, are made of bits:
of its first dozen three are dark reds, which nobody tells apart over a photo. Classes that brought no colours of their
own are therefore shown in others.
"""

from functools import cache

import numpy as np

from segqc.data.labels import VOC_LABELS, LabelSpace, voc_palette

_STEP = 17  # between the values of red, green and blue that are tried: 16 of each
_LIGHTNESS = (35, 88)  # L* of the colours: what is darker or lighter is lost in a photo, or in its outlines
_AVOIDED = ((0, 0, 0), (255, 255, 255), (224, 224, 192), (255, 64, 129))  # background, outlines, void, boxes


def display_palette(labels: LabelSpace) -> np.ndarray:
    """The colour that each label is shown in, uint8 [256, 3].

    Pascal VOC's classes, and classes with a palette of their own, keep their colours. All others get
    `separated_palette`, with the background in black.
    """
    count = labels.num_classes
    if labels.names == VOC_LABELS.names[:count] or not np.array_equal(labels.palette[:count], voc_palette()[:count]):
        return labels.palette
    palette = separated_palette().copy()
    if labels.background is not None:
        palette[labels.background] = 0
    for place in set(labels.colour_indices.values()) - set(range(count)):
        palette[place] = labels.palette[place]
    palette[255] = labels.palette[255]
    return palette


@cache
def separated_palette() -> np.ndarray:
    """256 colours, uint8 [256, 3] (read-only), each as far as can be from all before it.

    Distance is that of CIELAB (CIE 1976), in which equal steps look about equally large. The choice is greedy, so that
    the colour of an index does not depend on how many classes there are.
    """
    levels = np.arange(0, 256, _STEP)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3).astype(np.uint8)
    lab = cielab(candidates)
    usable = (lab[:, 0] >= _LIGHTNESS[0]) & (lab[:, 0] <= _LIGHTNESS[1])
    candidates, lab = candidates[usable], lab[usable]
    avoided = cielab(np.array(_AVOIDED, np.uint8))
    distance = np.linalg.norm(lab[:, None] - avoided[None], axis=2).min(1)
    chosen = []
    for _ in range(256):
        best = int(distance.argmax())
        chosen.append(best)
        distance = np.minimum(distance, np.linalg.norm(lab - lab[best], axis=1))
    palette = candidates[chosen]
    palette.setflags(write=False)
    return palette


def cielab(colours: np.ndarray) -> np.ndarray:
    """L*, a* and b* (D65) of sRGB colours, uint8 `[N, 3]` to float64 `[N, 3]` (IEC 61966-2-1, CIE 15)."""
    value = colours.astype(np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    ratio = linear @ to_xyz.T / to_xyz.sum(1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
