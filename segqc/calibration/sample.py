"""Whether the predictions of which something is known are a random sample of those that were audited.

Predictions that were reviewed from the top of a ranked list score higher than the rest, and a calibration on them would
flag too little.
"""

from collections.abc import Mapping

import numpy as np

from segqc.calibration.drift import compare_scores


def note_unfair_sample(what: str, chosen: set[str], scores: Mapping[str, float], notes: list[str]) -> None:
    """Add a note when the chosen predictions have other scores than the rest: they are then no random sample of the
    audit. The test is exact, so that four from the top of a ranking are enough to be noticed.
    """
    inside = np.array([score for id_, score in scores.items() if id_ in chosen])
    outside = np.array([score for id_, score in scores.items() if id_ not in chosen])
    if not len(inside) or not len(outside):
        return
    found = compare_scores(inside, outside)
    if found.drifted:
        consequence = "too little will be flagged" if found.direction == "higher" else "too much will be flagged"
        notes.append(
            f"the {len(inside)} {what} predictions score {found.direction} than the others "
            f"(Kolmogorov-Smirnov p {found.p_value:.1g}): they are no random sample, "
            f"and what the calibration promises does not hold ({consequence}). "
            "Choose them at random, not from the top of the ranking"
        )
