"""The supervised upper line: a regressor that is trained on the Dice of other predictions of the same segmenter.

The quality scores in the table use no quality labels; this one uses those of every fold but the one that it scores.
It is therefore no competitor: it estimates the best ranking that the other scores together allow. It learns from its
training folds that masks without foreground are bad.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from evaluation.baselines.base import Group
from segqc.base.fingerprints import wide_seed

NAME = "random forest on all of it (supervised)"
GROUP: Group = "supervised"
NEEDS = "every other score, and the Dice of other audited pairs: quality labels, which nothing else in the table has"

TREES = 300
MIN_LEAF = 5


def supervised_upper_line(
    ids: Sequence[str], features: np.ndarray, dice: np.ndarray, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """1 - the Dice that a random forest predicts for each item, out of fold.

    Parameters
    ----------
    ids : sequence of str
        Ids of the items, all different. Folds are dealt out by the order of a hash of (seed, id) and a forest sees its
        items by id: the order of rows changes nothing.
    features : float `[n, F]`
        Scores and whatever else is known without ground truth; NaN where missing, filled with the median of the
        training folds (0 when a feature is missing throughout them).
    dice : float `[n]` in [0, 1]
    folds : int
        At least 2, at most n.
    seed : int
        Random seed for the folds and the forest.

    Returns
    -------
    ndarray
        float64 `[n]`, in [0, 1], higher = worse.

    Raises
    ------
    ValueError
        For lengths that differ, repeated ids, infinite features, a Dice outside [0, 1] or NaN, or a number of folds
        that does not fit.
    """
    table, quality = np.asarray(features, np.float64), np.asarray(dice, np.float64)
    if table.ndim != 2 or table.shape[1] == 0 or quality.shape != (len(ids),) or len(table) != len(ids):
        raise ValueError(
            f"Expected features [n, F] and dice [n] for {len(ids)} ids, "
            f"but got {list(table.shape)} and {list(quality.shape)}"
        )
    if len(set(ids)) < len(ids):
        raise ValueError("Expected argument `ids` to hold every id once")
    if np.isinf(table).any() or not np.all((quality >= 0) & (quality <= 1)):
        raise ValueError("Expected features without infinities and every Dice in [0, 1]")
    if not 2 <= folds <= len(ids):
        raise ValueError(f"Expected argument `folds` to lie in 2..{len(ids)} (the number of items), but got {folds}")
    fold = fold_of(ids, folds, seed)
    by_id = np.array(sorted(range(len(ids)), key=lambda row: ids[row]))
    scores = np.empty(len(ids))
    for number in range(folds):
        training = by_id[fold[by_id] != number]
        forest = RandomForestRegressor(TREES, min_samples_leaf=MIN_LEAF, random_state=seed, n_jobs=1)
        model = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), forest)
        held_out = fold == number
        scores[held_out] = 1.0 - model.fit(table[training], quality[training]).predict(table[held_out])
    return scores


def fold_of(ids: Sequence[str], folds: int, seed: int = 0) -> np.ndarray:
    """Fold of each item, int64 `[n]` in 0..folds-1: dealt in turn over the ids ordered by hash, so that folds differ by
    one item at most.
    """
    hashes = [wide_seed(f"{seed}/{id_}") for id_ in ids]
    fold = np.empty(len(ids), np.int64)
    fold[sorted(range(len(ids)), key=lambda row: hashes[row])] = np.arange(len(ids)) % folds
    return fold
