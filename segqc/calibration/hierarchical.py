"""Conformal statistics where many values come from one picture.

The objects of one picture resemble each other: they share its light, its scene and the network's trouble with it. What
is exchangeable are the pictures. A quantile of all objects' values taken together is then no bound: a few pictures with
hundreds of alike objects would decide it, and its error does not shrink with the number of objects.

Here every picture has the weight 1, divided among its objects (hierarchical conformal prediction: Lee, Barber and
Willett 2023, "Distribution-free inference with hierarchical data", arXiv 2306.06342; the setting is that of Dunn,
Wasserman and Ramdas 2023, "Distribution-free prediction sets for two-layer hierarchical models", JASA 118(544)). With
values v of K pictures that have any,

    q = the smallest v with  sum over the pictures of (share of the picture's values that are <= v)  >= level (K + 1)

Why it holds: of K + 1 exchangeable pictures the new one is any with the same probability. A random value of it is then
a draw from all K + 1 pictures in these weights, and is at most their `level` quantile with probability `level`. To take
the new picture's values, which are not known, for infinite only raises that quantile. No assumption is made about the
values of one picture, nor about their number.

The same number comes from conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster 2024, "Conformal risk
control", ICLR, arXiv 2208.02814): with the loss L = share of a picture's values above q, which is at most 1 and falls
with q, its rule (sum of L + 1) / (K + 1) <= 1 - level is the one above. So the promise may be read as

    E[share of a new picture's values that are above q] <= 1 - level
"""

import math

import numpy as np

_ROUNDING = 1e-9  # sums of shares such as 1/3 + 2/3


def hierarchical_quantile(values: np.ndarray, pictures: np.ndarray, level: float) -> float | None:
    """The value that a random value of a new picture does not exceed with probability `level` or more.

    Parameters
    ----------
    values : array-like `[n]`
        Finite.
    pictures : array-like `[n]` int
        The picture that each value comes from.
    level : float
        In (0, 1).

    Returns
    -------
    float or None
        One of the values; None with fewer than `fewest_pictures(level)` pictures, of which no bound follows.
    """
    values = np.asarray(values, np.float64)
    _, owner, counts = np.unique(np.asarray(pictures), return_inverse=True, return_counts=True)
    order = np.argsort(values, kind="stable")
    shares = np.cumsum(1 / counts[owner[order]])
    place = int(np.searchsorted(shares, level * (len(counts) + 1) - _ROUNDING * len(values)))
    return float(values[order[place]]) if place < len(values) else None


def fewest_pictures(level: float) -> int:
    """The smallest number of pictures from which a bound follows at a level."""
    return math.ceil(1 / (1 - level) - _ROUNDING) - 1
