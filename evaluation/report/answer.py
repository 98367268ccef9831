"""What a user asks of an evaluation, answered first: does the ranking find the failures, and better than simple scores?

The figures are few: how many failures are among the images ranked worst, which is what a reviewer sees of a ranking,
and the AUROC. Of every group of other scores the best is shown, chosen on these same images, which favours it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.ranking.correlation import Interval, paired_difference
from evaluation.ranking.judging import Measure, Quality, measures
from evaluation.ranking.selective import bad_below, precision_at, worst_decile

SHARES = (0.05, 0.1, 0.2)
"""Shares of all images, ranked worst, that somebody may have the time to look at."""

SIMPLE = ("mask", "probabilities")
"""Groups of scores that anybody can compute from masks or softmax maps, without a model of quality."""

HEADING = "Does the ranking find the failures?"
_SUPERVISED = "supervised"
_CAPTION = (
    "Found: failures among the images that a score ranks worst. Lead: AUROC of the audit's score less that of the "
    "other, with the 95 % interval over images. Of each group of scores the one with the best AUROC is shown, chosen "
    "on these images, which favours it; the supervised one has seen the Dice of other images."
)


@dataclass(frozen=True)
class Answer:
    """The opening of an evaluation.

    Attributes
    ----------
    sentences : tuple of str
        The answers in words.
    lines : list of dict of str to str
        The table: the audit's score, the best of each group of others, a random and a perfect order. Empty where
        nothing can be told apart.
    caption : str
        What the table shows.
    """

    sentences: tuple[str, ...]
    lines: list[dict[str, str]]
    caption: str = _CAPTION


@dataclass(frozen=True)
class _Failures:
    """What is to be found: images with a low Dice, or, where none or all have one, the worst tenth.

    Attributes
    ----------
    measure : Measure
        AUROC of these images.
    are : bool `[n]`
    said : str
        "failures (Dice < 0.5)".
    """

    measure: Measure
    are: np.ndarray
    said: str


def make_answer(
    rows: Sequence[Mapping[str, Any]],
    groups: Mapping[str, str],
    scores: Mapping[str, np.ndarray],
    quality: Quality,
    threshold: float,
    resamples: int,
    seed: int,
) -> Answer:
    """Answer from the table of methods.

    Parameters
    ----------
    rows : sequence of dict
        Of `evaluation.ranking.judging.judge`, the method on trial first.
    groups : mapping of str to str
        Group of each method.
    scores : mapping of str to float `[n]`
        By method, higher = worse, NaN where missing.
    quality : Quality
    threshold : float
        Images with a Dice below are failures.
    resamples, seed : int
        Number of resamples of the bootstrap over images, and its seed.
    """
    failures = _failures(quality.dice, threshold)
    if failures is None:
        return Answer((f"No answer: Dice is {quality.dice[0]:.3f} for all images.",), [])
    key, trial = failures.measure.key, rows[0]
    best = _best_of_groups(rows, groups, key)
    leads = {
        row["method"]: paired_difference(
            failures.measure.statistic,
            *_common(scores[trial["method"]], scores[row["method"]], quality.dice),
            resamples=resamples,
            seed=seed,
        )
        for row in best
    }
    lines = [
        _line(row, groups[row["method"]], scores[row["method"]], failures, leads.get(row["method"]))
        for row in (trial, *best)
    ]
    sentences = [_found(trial, scores[trial["method"]], failures)]
    others = [row for row in best if groups[row["method"]] != _SUPERVISED]
    simple = [row for row in others if groups[row["method"]] in SIMPLE]
    for what, candidates in (("simple scores, of the mask or of softmax maps alone", simple), ("all others", others)):
        leader = max(candidates, key=lambda row: row[key], default=None)
        if leader is not None and not any(leader["method"] in sentence for sentence in sentences):
            sentences.append(_compared(what, leader, key, leads[leader["method"]]))
    return Answer(tuple(sentences), [*lines, *_limits(failures.are)])


def _failures(dice: np.ndarray, threshold: float) -> _Failures | None:
    """Which images are to be found; None where Dice tells none from another."""
    auroc = {measure.key: measure for measure in measures(threshold=threshold)}
    below, worst = bad_below(dice, threshold), worst_decile(dice)
    if below.any() and not below.all():
        return _Failures(auroc["auroc"], below, f"failures (Dice < {threshold:g})")
    if worst.all():
        return None
    which = "every one is" if below.all() else "none is"
    said = f"images that are the worst tenth by Dice ({which} below {threshold:g})"
    return _Failures(auroc["auroc_decile"], worst, said)


def _best_of_groups(rows: Sequence[Mapping[str, Any]], groups: Mapping[str, str], key: str) -> list[Mapping[str, Any]]:
    """The best row of each group by a measure of which more is better, the method on trial aside."""
    best: dict[str, Mapping[str, Any]] = {}
    for row in rows[1:]:
        group = groups[row["method"]]
        if row[key] is not None and (group not in best or row[key] > best[group][key]):
            best[group] = row
    return list(best.values())


def _common(first: np.ndarray, second: np.ndarray, dice: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All three of the images that both scores have."""
    kept = ~np.isnan(first) & ~np.isnan(second)
    return first[kept], second[kept], dice[kept]


def _looked_at(share: float, images: int) -> int:
    return math.ceil(share * images - 1e-9)


def _count_found(scores: np.ndarray, failures: np.ndarray, share: float) -> float:
    """Failures among the share of images with the highest scores; ties at the cut count in proportion."""
    kept = ~np.isnan(scores)
    count = _looked_at(share, int(kept.sum()))
    return precision_at(scores[kept], failures[kept], count) * count


def _number(images: float) -> str:
    """A number of images, which may be an expected one: three digits, or all of a larger one."""
    return f"{images:.3g}" if images < 100 else f"{images:,.0f}"


def _line(
    row: Mapping[str, Any], group: str, scores: np.ndarray, failures: _Failures, lead: Interval | None
) -> dict[str, str]:
    key = failures.measure.key
    total = int(failures.are[~np.isnan(scores)].sum())
    counts = [f"{_number(_count_found(scores, failures.are, share))} of {total:,}" for share in SHARES]
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    auroc = "-" if row[key] is None else f"{row[key]:.3f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")
    return _cells(row["method"], group, counts, auroc, "" if lead is None else _signed(lead))


def _limits(failures: np.ndarray) -> list[dict[str, str]]:
    """A random and a perfect order."""
    images, total = len(failures), int(failures.sum())
    counts = [_looked_at(share, images) for share in SHARES]
    return [
        _cells(
            "in random order", "", [f"{_number(count * total / images)} of {total:,}" for count in counts], "0.500", ""
        ),
        _cells("in perfect order", "", [f"{min(count, total):,} of {total:,}" for count in counts], "1.000", ""),
    ]


def _cells(name: str, group: str, counts: Sequence[str], auroc: str, lead: str) -> dict[str, str]:
    found = {f"found in {share:.0%}": count for share, count in zip(SHARES, counts, strict=True)}
    return {"score": name, "group": group} | found | {"AUROC": auroc, "lead": lead}


def _signed(lead: Interval) -> str:
    between = "" if math.isnan(lead.low) else f" [{lead.low:+.2f}, {lead.high:+.2f}]"
    return f"{lead.estimate:+.3f}{between}"


def _found(trial: Mapping[str, Any], scores: np.ndarray, failures: _Failures) -> str:
    """Whether the score finds failures, and how many."""
    key, images, total = failures.measure.key, len(scores), int(failures.are.sum())
    low, high = trial[f"{key}_low"], trial[f"{key}_high"]
    share = SHARES[1]
    count = _looked_at(share, images)
    if low is None:
        begins = "Too few images to say"
    elif low > 0.5:
        begins = "Yes"
    else:
        begins = "No, the order is worse than a random one" if high < 0.5 else "Not shown"
    between = "" if low is None else f" [{low:.2f}, {high:.2f}]"
    found = _count_found(scores, failures.are, share)
    return (
        f"{begins}: the {count:,} of {images:,} images ranked worst hold {_number(found)} of the {total:,} "
        f"{failures.said}; {_number(count * total / images)} would be there in random order. "
        f"AUROC {trial[key]:.3f}{between}, where 0.5 is chance."
    )


def _compared(what: str, other: Mapping[str, Any], key: str, lead: Interval) -> str:
    """The score on trial against the best of others."""
    if math.isnan(lead.low) or lead.low <= 0 <= lead.high:
        verdict = "no difference to the audit's score is shown"
    else:
        verdict = f"the audit's score is {'better' if lead.low > 0 else 'worse'}"
    return f"The best of {what}: {other['method']}, AUROC {other[key]:.3f}; {verdict} ({_signed(lead)})."
