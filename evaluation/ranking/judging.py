"""The table of a comparison: every method's score judged on the same images, the paper's headline first.

A method that has no score for an image (NaN) is judged on the images it has, and the table says how many those are; its
difference to the method on trial is taken on the images both have.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from evaluation.ranking.correlation import (
    bootstrap_interval,
    paired_difference,
    partial_spearman,
    pearson,
    pearson_of_top,
    spearman,
)
from evaluation.ranking.selective import (
    augrc,
    aurc,
    auroc,
    average_precision,
    bad_below,
    excess_aurc,
    mean_of_top,
    precision_at,
    worst_decile,
)

Statistic = Callable[..., float]


@dataclass(frozen=True)
class Quality:
    """Quality of each image by its ground truth.

    Attributes
    ----------
    dice : float64 [n] in [0, 1]
    msd, hd95 : float64 [n]
        At least 0; see `evaluation.metrics.classes`.
    covariates : float64 [n, m]
        Features of the predicted mask: area, boundary length, classes, components.
    """

    dice: np.ndarray
    msd: np.ndarray
    hd95: np.ndarray
    covariates: np.ndarray


@dataclass(frozen=True)
class Measure:
    """A column of the table.

    Attributes
    ----------
    key, title : str
    better : int
        +1 when larger is better, -1 when smaller is, 0 when neither (range-restricted figures).
    statistic : callable
        (scores, *columns) -> float.
    columns : tuple of str
        Fields of `Quality` that it takes after the scores.
    group : str
        Block of the table.
    """

    key: str
    title: str
    better: int
    statistic: Statistic
    columns: tuple[str, ...]
    group: str


HEADLINE, RANKING, DETECTION = "the paper's headline", "ranking", "finding failures"


def measures(top: int = 50, threshold: float = 0.5) -> list[Measure]:
    """All columns, the paper's first.

    Parameters
    ----------
    top : int
        K of "the K ranked worst", at least 1.
    threshold : float
        Images with a Dice below are failures.
    """
    headline = []
    for field, name, better in (("dice", "Dice", -1), ("msd", "MSD", +1), ("hd95", "HD95", +1)):
        headline.append(Measure(f"pearson_{field}", f"Pearson with {name}", better, pearson, (field,), HEADLINE))
        # No better or worse: a perfect ranking leaves the top K no range to correlate over.
        top_only = partial(pearson_of_top, k=top)
        headline.append(
            Measure(f"pearson_{field}_top", f"Pearson with {name}, top {top}", 0, top_only, (field,), HEADLINE)
        )
    return [
        *headline,
        Measure("spearman", "Spearman with Dice", -1, spearman, ("dice",), RANKING),
        Measure(
            "partial_spearman",
            "Spearman given area, boundary, classes, components",
            -1,
            _partial,
            ("dice", "covariates"),
            RANKING,
        ),
        Measure("aurc", "AURC", -1, _risk(aurc), ("dice",), RANKING),
        Measure("e_aurc", "e-AURC", -1, _risk(excess_aurc), ("dice",), RANKING),
        Measure("augrc", "AUGRC", -1, _risk(augrc), ("dice",), RANKING),
        Measure("auroc", f"AUROC of Dice < {threshold:g}", +1, _against(auroc, threshold), ("dice",), DETECTION),
        Measure("ap", f"AP of Dice < {threshold:g}", +1, _against(average_precision, threshold), ("dice",), DETECTION),
        Measure("auroc_decile", "AUROC of the worst tenth", +1, _of_decile(auroc), ("dice",), DETECTION),
        Measure("ap_decile", "AP of the worst tenth", +1, _of_decile(average_precision), ("dice",), DETECTION),
        Measure(
            "precision_top",
            f"precision at {top}",
            +1,
            _against(partial(precision_at, k=top), threshold),
            ("dice",),
            DETECTION,
        ),
        Measure(
            "dice_top", f"mean Dice of the {top} ranked worst", -1, partial(_mean_of_top, top), ("dice",), DETECTION
        ),
    ]


DIFFERENCES = ("spearman", "partial_spearman", "aurc", "auroc", "dice_top")
"""Measures whose paired difference to the method on trial is in the table."""


def judge(
    scores: Mapping[str, np.ndarray],
    quality: Quality,
    trial: str,
    top: int = 50,
    threshold: float = 0.5,
    resamples: int = 1000,
    seed: int = 0,
    each: Callable[[Callable[[str], dict[str, Any]], Iterable[str]], Iterable[dict[str, Any]]] = map,
) -> list[dict[str, Any]]:
    """Judge methods on the same images.

    Parameters
    ----------
    scores : mapping of str to float [n]
        By method, higher = worse; NaN where a method has none.
    quality : Quality
    trial : str
        The method that the others are compared with; a key of `scores` that has a score for every image.
    top, threshold
        See `measures`.
    resamples, seed : int
        Number of resamples and seed of the bootstrap over images.
    each : callable
        Goes through the methods as `map` does: with a progress bar, or in threads, as NumPy sorts without the
        interpreter's lock.

    Returns
    -------
    list of dict
        One per method in the order of `scores`: method, images, and for every measure its key, key_low and key_high (95
        %); for `DIFFERENCES` also key_difference (this method less the one on trial, on the images that both have),
        key_difference_low, key_difference_high. None where a measure is undefined.

    Raises
    ------
    ValueError
        No images, lengths that differ, infinite scores, or a `trial` without a score somewhere.
    """
    count = len(quality.dice)
    arrays = {name: np.asarray(values, np.float64) for name, values in scores.items()}
    for name, values in arrays.items():
        if values.shape != (count,) or np.isinf(values).any():
            raise ValueError(
                f"Expected {count} finite scores (or NaN) of {name}, but got {list(values.shape)} or an infinite one"
            )
    if count == 0 or trial not in arrays or np.isnan(arrays[trial]).any():
        raise ValueError(f"Expected images, and a score of {trial!r} for each of them")

    def row_of(name: str) -> dict[str, Any]:
        values = arrays[name]
        kept = ~np.isnan(values)
        row: dict[str, Any] = {"method": name, "images": int(kept.sum())}
        for measure in measures(top, threshold):
            columns = [getattr(quality, field)[kept] for field in measure.columns]
            keys = (measure.key, f"{measure.key}_low", f"{measure.key}_high")
            row |= _interval(keys, bootstrap_interval, measure.statistic, (values[kept],), columns, resamples, seed)
            if measure.key in DIFFERENCES and name != trial:
                pair = (values[kept], arrays[trial][kept])
                prefix = f"{measure.key}_difference"
                keys = (prefix, f"{prefix}_low", f"{prefix}_high")
                row |= _interval(keys, paired_difference, measure.statistic, pair, columns, resamples, seed)
        return row

    return list(each(row_of, arrays))


def judge_empty(scores: Mapping[str, np.ndarray], empty: np.ndarray, dice: np.ndarray) -> list[dict[str, Any]]:
    """Which methods see that a prediction without foreground is wrong where the truth has some: to many scores it looks
    like a simple mask.

    Parameters
    ----------
    scores : mapping of str to float [n]
        By method, higher = worse; NaN where a method has none.
    empty : bool [n]
        Predictions without foreground.
    dice : float [n]

    Returns
    -------
    list of dict
        One per method: "method"; "predictions", those in question that it has a score for; "share", of the other images
        that it ranks as better, a tie counting one half, None without any of either. Empty when there is no such
        prediction.
    """
    wrong = np.asarray(empty, bool) & (np.asarray(dice) < 1)
    rows = []
    for name, values in scores.items() if wrong.any() else ():
        kept = ~np.isnan(values)
        share = auroc(values[kept], wrong[kept]) if kept.any() else float("nan")
        rows.append(
            {"method": name, "predictions": int(wrong[kept].sum()), "share": None if np.isnan(share) else share}
        )
    return rows


def table_columns() -> list[str]:
    """Keys of the rows of `judge`, in order."""
    columns = ["method", "images"]
    for measure in measures():
        columns += [measure.key, f"{measure.key}_low", f"{measure.key}_high"]
    return columns + [f"{key}_difference{end}" for key in DIFFERENCES for end in ("", "_low", "_high")]


def best_methods(rows: Sequence[Mapping[str, Any]], measure: Measure, excluded: Sequence[str] = ()) -> set[str]:
    """Methods with the best value of a measure among those not excluded; none for a measure that has no better."""
    values = {
        row["method"]: row[measure.key]
        for row in rows
        if row["method"] not in excluded and row[measure.key] is not None
    }
    if not measure.better or not values:
        return set()
    best = max(measure.better * value for value in values.values())
    return {name for name, value in values.items() if measure.better * value == best}


def _interval(
    keys: Sequence[str],
    function: Callable,
    statistic: Statistic,
    scores: Sequence[np.ndarray],
    columns: Sequence,
    resamples: int,
    seed: int,
) -> dict[str, float | None]:
    if not len(scores[0]):
        return dict.fromkeys(keys)
    found = function(statistic, *scores, *columns, resamples=resamples, seed=seed)
    return {
        key: float(value) if np.isfinite(value) else None
        for key, value in zip(keys, (found.estimate, found.low, found.high), strict=True)
    }


def _partial(scores: np.ndarray, dice: np.ndarray, covariates: np.ndarray) -> float:
    return partial_spearman(scores, dice, covariates)


def _risk(function: Statistic) -> Statistic:
    return lambda scores, dice: function(scores, 1 - dice)


def _against(function: Statistic, threshold: float) -> Statistic:
    return lambda scores, dice: function(scores, bad_below(dice, threshold))


def _of_decile(function: Statistic) -> Statistic:
    return lambda scores, dice: function(scores, worst_decile(dice))


def _mean_of_top(top: int, scores: np.ndarray, dice: np.ndarray) -> float:
    return mean_of_top(scores, dice, top)
