"""Scores of single objects with which the audit's own are compared; higher = worse.

What needs no second network and no probabilities: the object's area and the mean of the heat map over it. With
`--second`, 1 - IoU with the objects of another network's mask. With `--probs`, the mean entropy and the mean of 1 - p
of the object's class; and, as the supervised upper line, a logistic regression on the features of MetaSeg (Rottmann et
al. 2020, arXiv 1811.00648), trained on the truth of the other pictures' objects.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.special import entr

from evaluation.baselines.supervised import fold_of
from evaluation.metrics.objects import object_ious
from segqc.data.cells import cell_of_pixel
from segqc.data.components import Components, mask_components
from segqc.data.labels import LabelSpace
from segqc.data.small_objects import SMALL_OBJECT_PIXELS

AREA, HEAT, SECOND = "small area", "mean heat", "second network"
ENTROPY, DOUBT, METASEG = "mean entropy", "1 - mean p(class)", "MetaSeg features (supervised)"
FOLDS = 5


def disagreement(found: Components, other: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """1 - IoU of each object with the objects of its class in another mask, uint8 `[H, W]` with 255 where void."""
    theirs = mask_components(other, labels, SMALL_OBJECT_PIXELS)
    known = np.ones(other.shape, bool)
    return 1 - object_ious(found.numbers, found.classes, theirs.numbers, theirs.classes, known)


def mean_over(found: Components, values: np.ndarray) -> np.ndarray:
    """Mean of a map `[H, W]` over each object, float64 `[N]`."""
    return ndimage.mean(values, found.numbers, np.arange(1, len(found.classes) + 1)) if len(found.classes) else _NONE


_NONE = np.zeros(0)


def spread(probs: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Probabilities `[K, h, w]` at the pixels of a mask of `shape`, each pixel taking those of its cell."""
    rows, columns = (cell_of_pixel(length, cells) for length, cells in zip(shape, probs.shape[1:], strict=True))
    return probs[:, rows[:, None], columns[None]]


def class_doubt(found: Components, probs: np.ndarray) -> np.ndarray:
    """Mean over each object of 1 - p of its class; `probs` as `spread` gives them, `[K, H, W]`."""
    own = np.zeros(len(found.classes))
    for label in np.unique(found.classes):
        own = np.where(found.classes == label, mean_over(found, 1 - probs[label]), own)
    return own


def metaseg_features(found: Components, probs: np.ndarray) -> np.ndarray:
    """The features of MetaSeg, float64 `[N, 17 + K]`: of entropy, probability margin and variation ratio the mean over
    the object, over its boundary and over its interior, and the former relative to the ratio of area and boundary;
    area, interior and boundary, their ratios; the mean probability of every class.
    """
    total = len(found.classes)
    inner = np.zeros(found.numbers.shape, bool)
    for number, window in enumerate(found.windows, 1):
        inner[window] |= ndimage.binary_erosion(found.numbers[window] == number)
    top = np.sort(probs, axis=0)[-2:]
    maps = (entr(probs).sum(0) / np.log(len(probs)), 1 - top[1] + top[0], 1 - top[1])
    index = np.arange(1, total + 1)
    edge_numbers, inner_numbers = np.where(inner, 0, found.numbers), np.where(inner, found.numbers, 0)
    edge, area = np.bincount(edge_numbers.ravel(), minlength=total + 1)[1:], found.sizes
    interior, ratio = area - edge, area / np.maximum(edge, 1)
    columns = [area, interior, edge, ratio, interior / np.maximum(edge, 1)]
    for values in maps:
        whole = ndimage.mean(values, found.numbers, index)
        inside = np.nan_to_num(ndimage.sum_labels(values, inner_numbers, index) / np.maximum(interior, 1))
        columns += [whole, ndimage.sum_labels(values, edge_numbers, index) / np.maximum(edge, 1), inside, whole * ratio]
    return np.stack([*columns, *(ndimage.mean(p, found.numbers, index) for p in probs)], axis=1)


def supervised_chance(ids: Sequence[str], features: np.ndarray, wrong: np.ndarray, seed: int = 0) -> np.ndarray:
    """Probability that each object is wrong by a logistic regression on standardised features, trained on the objects
    of other pictures; NaN where those are all right or all wrong.

    Parameters
    ----------
    ids : sequence of str
        Picture of each object; the folds are of pictures.
    features : float `[n, F]`
    wrong : bool `[n]`
    seed : int
        Random seed of the folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pictures = sorted(set(ids))
    fold_of_picture = dict(zip(pictures, fold_of(pictures, FOLDS, seed), strict=True))
    fold = np.array([fold_of_picture[id_] for id_ in ids])
    chance = np.full(len(ids), np.nan)
    for number in range(FOLDS):
        training, held_out = fold != number, fold == number
        if held_out.any() and 0 < wrong[training].mean() < 1:
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            chance[held_out] = model.fit(features[training], wrong[training]).predict_proba(features[held_out])[:, 1]
    return chance
