"""How well a score ranks the masks with injected errors first."""

from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.corruption.label_errors import LabelError
from evaluation.ranking.correlation import bootstrap_interval
from evaluation.ranking.selective import auroc, average_precision, precision_at

_MEASURES = ("auroc", "average_precision", "precision")
JUDGEMENT_COLUMNS = (
    "error",
    "injected",
    "masks",
    *(f"{measure}{end}" for measure in _MEASURES for end in ("", "_low", "_high")),
)


def judge_label_errors(
    scores: Mapping[str, float], errors: Sequence[LabelError], resamples: int = 1000, seed: int = 0
) -> list[dict[str, float | int | str]]:
    """How well a score finds the injected errors: one row for all of them, then one per type, that type against the
    clean masks.

    Each has the `JUDGEMENT_COLUMNS`: AUROC, average precision, and precision at the number of injected errors, with 95
    % intervals from a bootstrap over masks; `masks` counts corrupted and clean ones. `scores` (higher = more suspect)
    holds all of `errors` and the clean masks, by id.

    Raises
    ------
    ValueError
        No errors, an error without score, or a score that is not finite.
    """
    missing = sorted({error.id for error in errors} - scores.keys())
    if missing or not errors:
        raise ValueError(
            "Expected a score for every injected error, but there is none for "
            + (", ".join(missing[:5]) or "any: the list is empty")
        )
    kinds = {error.id: error.corruption for error in errors}
    rows: list[dict[str, float | int | str]] = []
    for kind in ("all", *sorted(set(kinds.values()))):
        ids = [id_ for id_ in scores if kind in ("all", kinds.get(id_, kind))]
        values, positive = np.array([scores[id_] for id_ in ids], float), np.array([id_ in kinds for id_ in ids])
        row: dict[str, float | int | str] = {"error": kind, "injected": int(positive.sum()), "masks": len(ids)}
        for name, statistic in zip(_MEASURES, (auroc, average_precision, _precision), strict=True):
            interval = bootstrap_interval(statistic, values, positive, resamples=resamples, seed=seed)
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return rows


def _precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Precision at the number of positives; NaN without any."""
    count = int(positive.sum())
    return precision_at(scores, positive, count) if count else float("nan")
