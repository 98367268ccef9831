"""Several trainings of one method as one row: the mean over their seeds, the value of each, and an interval over
pictures.

The interval is that of the mean over these trainings: every resample draws pictures, and judges all seeds on the same
ones. What a further seed might give is not in it; the figures of each are beside it for that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.ranking.correlation import Interval, bootstrap_interval, paired_difference
from evaluation.ranking.judging import Quality, measures


@dataclass(frozen=True)
class SeedsJudgement:
    """A measure of a method over seeds.

    Attributes
    ----------
    mean : Interval
        Mean over the seeds, 95 % interval over pictures.
    by_seed : tuple of float
        In the order of the columns of the scores.
    difference : Interval or None
        This method less the one on trial, both as means over seeds on the same pictures; None for the one on trial.
    """

    mean: Interval
    by_seed: tuple[float, ...]
    difference: Interval | None


def judge_seeds(
    scores: Mapping[str, np.ndarray],
    quality: Quality,
    trial: str,
    keys: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, SeedsJudgement]]:
    """Judge methods that were trained with several seeds.

    Parameters
    ----------
    scores : mapping of str to float `[n, S]`
        By method, a column per seed, higher = worse. Methods may differ in S.
    quality : Quality
        Quality of the n pictures.
    trial : str
        The method that the others are compared with; a key of `scores`.
    keys : sequence of str
        Keys of measures from `evaluation.ranking.judging.measures`.
    resamples, seed : int
        Number of resamples and seed of the bootstrap over pictures.

    Returns
    -------
    dict of str to dict of str to SeedsJudgement
        By method, then by key.

    Raises
    ------
    ValueError
        No such method or measure, a shape other than `[n, S]`, or a score that is not finite.
    """
    known = {measure.key: measure for measure in measures()}
    unknown = [key for key in keys if key not in known]
    if unknown or trial not in scores:
        raise ValueError(
            f"Expected measures of {', '.join(known)} and a method on trial that has scores, "
            f"but got {[*unknown, trial]}"
        )
    arrays = {name: np.asarray(values, np.float64) for name, values in scores.items()}
    for name, values in arrays.items():
        if values.ndim != 2 or len(values) != len(quality.dice) or not values.size or not np.isfinite(values).all():
            raise ValueError(
                f"Expected finite scores [{len(quality.dice)}, seeds] of {name}, "
                f"but got {list(values.shape)} or one that is not finite"
            )
    found: dict[str, dict[str, SeedsJudgement]] = {name: {} for name in arrays}
    for key in keys:
        statistic, columns = known[key].statistic, [getattr(quality, field) for field in known[key].columns]
        average = _over_seeds(statistic)
        for name, values in arrays.items():
            mean = bootstrap_interval(average, values, *columns, resamples=resamples, seed=seed)
            by_seed = tuple(float(statistic(column, *columns)) for column in values.T)
            pair = (values, arrays[trial])
            difference = (
                None if name == trial else paired_difference(average, *pair, *columns, resamples=resamples, seed=seed)
            )
            found[name][key] = SeedsJudgement(mean, by_seed, difference)
    return found


def _over_seeds(statistic: Callable[..., float]) -> Callable[..., float]:
    return lambda scores, *columns: float(np.mean([statistic(column, *columns) for column in scores.T]))
