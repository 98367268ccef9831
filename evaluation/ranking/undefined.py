"""Why a figure is missing: the reason for each measure that has no value on these images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.ranking.judging import Measure, Quality, measures
from evaluation.ranking.selective import bad_below, top_weights

Undefined = dict[str, dict[str, str]]
"""By key of a measure, and then by method: why it has no value."""

_NAMES = {"dice": "Dice", "msd": "MSD", "hd95": "HD95"}


def why_undefined(scores: np.ndarray, values: np.ndarray, name: str = "Dice") -> str:
    """Why a correlation of a score with a quality has no value.

    Parameters
    ----------
    scores, values : float [n]
        Score and quality of the images that have a score.
    name : str
        What the values are.
    """
    if len(scores) < 2:
        return "no image has a score" if not len(scores) else "one image makes no ranking"
    if np.ptp(scores) == 0:
        return "the score is the same for all images"
    if np.ptp(values) == 0:
        return f"{name} is {values[0]:.3f} for all images"
    return f"nothing of the score or of {name} is left when the covariates are known"


def why_undefined_at_top(scores: np.ndarray, values: np.ndarray, top: int, name: str = "Dice") -> str:
    """The same of a correlation over the `top` highest scores alone."""
    if not len(scores):
        return "no image has a score"
    kept = top_weights(scores, top) > 0
    return f"among the {top} highest scores, {why_undefined(scores[kept], values[kept], name)}"


def why_no_failures(dice: np.ndarray, threshold: float) -> str:
    """Why failures, images with a Dice below `threshold`, cannot be told from the other images.

    Parameters
    ----------
    dice : float [n]
    threshold : float
    """
    if not len(dice):
        return "no image has a score"
    if bad_below(dice, threshold).all():
        return f"all images have a Dice below {threshold:g} (the highest is {dice.max():.3f})"
    return f"no image has a Dice below {threshold:g} (the lowest is {dice.min():.3f})"


def few_failures(dice: np.ndarray, threshold: float, fewest: int = 10) -> str:
    """A sentence where figures on failures rest on fewer than `fewest` images on one side; else nothing.

    Parameters
    ----------
    dice : float [n]
    threshold : float
        Images with a Dice below are failures.
    fewest : int
    """
    failures = int(bad_below(dice, threshold).sum())
    rest = len(dice) - failures
    if not failures or not rest or min(failures, rest) >= fewest:
        return ""
    side = f"{failures} of {len(dice)} images have" if failures <= rest else f"{rest} of {len(dice)} images do not have"
    return f"Only {side} a Dice below {threshold:g}: figures on failures rest on these few (see --threshold)."


def why_no_worst_tenth(dice: np.ndarray) -> str:
    """Why the worst tenth cannot be told from the other images."""
    return f"Dice is {dice[0]:.3f} for all images" if len(dice) else "no image has a score"


def undefined_figures(
    rows: Sequence[Mapping[str, Any]],
    scores: Mapping[str, np.ndarray],
    quality: Quality,
    top: int = 50,
    threshold: float = 0.5,
) -> Undefined:
    """The measures without a value in a table of methods, and why.

    Parameters
    ----------
    rows : sequence of dict
        Of `evaluation.ranking.judging.judge`.
    scores, quality, top, threshold
        As they were given to it.

    Returns
    -------
    dict of str to dict of str to str
        By key of the measure ("auroc"; "auroc_low" where only the interval is missing) and method; measures that all
        methods have are left out.
    """
    found: Undefined = {}
    for measure in measures(top, threshold):
        for row in rows:
            method, key = row["method"], measure.key
            if row[key] is None:
                known = ~np.isnan(scores[method])
                columns = [getattr(quality, field)[known] for field in measure.columns]
                found.setdefault(key, {})[method] = _why(measure, scores[method][known], columns[0], top, threshold)
            elif row[f"{key}_low"] is None:
                why = "more than half of the resamples leave it without a value: too few images tell it"
                found.setdefault(f"{key}_low", {})[method] = why
    return found


def _why(measure: Measure, scores: np.ndarray, values: np.ndarray, top: int, threshold: float) -> str:
    name = _NAMES[measure.columns[0]]
    if measure.key.endswith("_decile"):
        return why_no_worst_tenth(values)
    if measure.key in ("auroc", "ap", "precision_top"):
        return why_no_failures(values, threshold)
    if measure.key.startswith("pearson") and measure.key.endswith("_top"):
        return why_undefined_at_top(scores, values, top, name)
    return why_undefined(scores, values, name)


def undefined_notes(found: Undefined, methods: int, top: int = 50, threshold: float = 0.5) -> list[str]:
    """A sentence for each measure and reason: "AUROC of Dice < 0.5: no image has a Dice below 0.5 (...)".

    Parameters
    ----------
    found : dict
        Of `undefined_figures`.
    methods : int
        Number of methods in the table; a reason that all of them share names none.
    top, threshold
        As for `undefined_figures`.
    """
    notes = []
    for measure in measures(top, threshold):
        for key, title in ((measure.key, measure.title), (f"{measure.key}_low", f"interval of {measure.title}")):
            by_reason: dict[str, list[str]] = {}
            for method, why in found.get(key, {}).items():
                by_reason.setdefault(why, []).append(method)
            for why, names in by_reason.items():
                of = "" if len(names) == methods else f" ({', '.join(names)})"
                notes.append(f"No {title}{of}: {why}.")
    return notes
