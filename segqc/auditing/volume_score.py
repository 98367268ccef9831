"""The score of a volume, from those of its slices.

The Dice of a volume is the mean of the Dice of its slices, each weighted by the pixels that prediction A and truth B
have there:

    2 sum_s |A_s B_s| / sum_s (|A_s| + |B_s|) = sum_s w_s d_s / sum_s w_s,    w_s = |A_s| + |B_s|

A slice's score estimates 1 - d_s, so that the same mean of scores estimates 1 - Dice of the volume. |B_s| is what the
model expects: so a slice counts where the prediction misses something, and the small ends of an organ, where Dice is
low for every prediction, count little. With one foreground class the identity is exact; with several it holds for each
class, and their mean is taken for it. There is nothing to tune.
"""

from collections.abc import Sequence

import numpy as np

from segqc.data.labels import VOID

WORST = 5
"""Slices that are named for each volume."""


def slice_weight(mask: np.ndarray, heat: np.ndarray | None, foreground: Sequence[int]) -> float:
    """Foreground pixels of the mask and, expected, of its truth.

    Parameters
    ----------
    mask : uint8 `[H, W]`
        Classes; 255 is void.
    heat : float `[H, W]` or None
        Probability that the pixel has another class than the mask says; None where the method has no such thing: then
        the mask alone counts. It is sharpened as `segqc.model.agreement` does, since else faint doubts about a whole
        background add up to an object.
    foreground : sequence of int
    """
    inside = np.isin(mask, list(foreground))
    if heat is None:
        return float(inside.sum())
    wrong = heat.astype(np.float64) ** 2
    wrong /= wrong + (1 - heat.astype(np.float64)) ** 2
    outside = ~inside & (mask != VOID)
    return float(inside.sum() + (1 - wrong[inside]).sum() + wrong[outside].sum())


def volume_score(scores: Sequence[float], weights: Sequence[float]) -> float:
    """Weighted mean; the plain one where no slice has any weight, since nothing is predicted or expected."""
    given = np.asarray(weights, np.float64)
    return float(np.average(scores, weights=given if given.sum() > 0 else None))


def worst_slices(ids: Sequence[str], scores: Sequence[float], weights: Sequence[float]) -> list[str]:
    """The slices that add most to the score of their volume, `WORST` at most, the worst first."""
    added = np.asarray(scores, np.float64) * np.asarray(weights, np.float64)
    order = sorted(range(len(ids)), key=lambda place: (-added[place], -scores[place], ids[place]))
    return [ids[place] for place in order[:WORST]]
