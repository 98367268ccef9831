"""Rows of an audit as the gallery's page reads them, alone or beside those of another audit."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segqc.gallery.overlay import parse_box
from segqc.results.schema import (
    COLUMNS,
    COMPARISON_COLUMNS,
    DECISION_COLUMNS,
    OBJECT_DECISION_COLUMNS,
    SCORE_COLUMNS,
    names,
    split_list,
)
from segqc.results.table import is_scored, parse_number

COMPARED = names(COMPARISON_COLUMNS)
_SHOWN = (*SCORE_COLUMNS, *DECISION_COLUMNS, *COMPARISON_COLUMNS)
NUMBERS = names(_SHOWN, "integer", "number")
TEXTS = ("id", "reason", "worst_class", "expected_class", "decision")
LISTS = names(COLUMNS.values(), "list")

IN_PAGE = frozenset((
    "id", "rank", "score", "status", "reason", "worst_class", "expected_class", "worst_box", "classes",
    "suspect_objects", "missed_objects", "worst_object", "dice", "width", "height", "p_value", "expected_dice",
    "decision", "volume", "volume_weight", *COMPARED, "layers", "problem",
))  # fmt: skip
"""What filters, orders, the plot and cards read of a row. The large view alone reads the rest, which a page of many
rows does not hold itself."""


def page_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as the page reads it: numbers or null, lists for classes and box, text for the rest.

    Columns of its own stay as they are.
    """
    plain = {key: plain_value(value) for key, value in row.items() if key != "heatmap"}  # among the pictures
    box = parse_box(plain.get("worst_box"))
    numbers = {name: parse_number(plain.get(name)) for name in NUMBERS}
    texts = {name: str(plain.get(name) or "") for name in TEXTS}
    lists = {name: split_list(plain.get(name)) for name in LISTS}
    status = "ok" if is_scored(row) else "error"
    return plain | texts | numbers | lists | {"status": status, "worst_box": box and list(box)}


def plain_value(value: Any) -> Any:
    """A cell as JSON can hold it: NumPy scalars as numbers, what is not finite as None, the rest as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


OBJECTS_SHOWN = 20
"""So many objects of a picture are listed, the worst: a scene of hundreds would fill the page."""

_OF_OBJECT = (
    "kind", "class", "expected_class", "x0", "y0", "x1", "y1", "expected_iou", "score", *names(OBJECT_DECISION_COLUMNS)
)  # fmt: skip


def page_objects(objects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The first `OBJECTS_SHOWN` objects of a picture, with what the page shows of them."""
    return [{name: plain_value(row.get(name)) for name in _OF_OBJECT} for row in objects[:OBJECTS_SHOWN]]


def schema_words() -> dict[str, dict[str, str]]:
    """Heading and meaning of every column that the page may show."""
    return {name: {"label": column.label, "meaning": column.meaning} for name, column in COLUMNS.items()}


def compare_rows(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Set each row beside the row of the same id in another audit.

    Returns
    -------
    list of dict
        The rows with ``other_score``, ``other_rank`` and ``rank_change`` (how many places nearer to the worst it is
        here). Both ranks count only predictions that both audits have scored, so that additions to one do not look like
        changes. None where the other has no score.
    dict
        Counts of what is in both and in one only, and Spearman's correlation of the scores (None below three common
        ones).
    """
    scores, other_scores = _scores(rows), _scores(others)
    common = [id_ for id_ in scores if id_ in other_scores]
    rank, other_rank = _ranks({id_: scores[id_] for id_ in common}), _ranks({id_: other_scores[id_] for id_ in common})
    compared = []
    for row in rows:
        id_ = str(row["id"])
        known = id_ in rank and is_scored(row)
        values = (other_scores[id_], other_rank[id_], other_rank[id_] - rank[id_]) if known else (None, None, None)
        compared.append({**row, **dict(zip(COMPARED, values, strict=True))})
    facts: dict[str, Any] = {
        "in_both": len(common),
        "only_here": len(scores) - len(common),
        "only_in_the_other": len(other_scores) - len(common),
        "spearman_of_both_scores": None,
    }
    if len(common) >= 3:
        from scipy.stats import spearmanr  # here, as it takes a second to import

        correlation = float(spearmanr([scores[id_] for id_ in common], [other_scores[id_] for id_ in common]).statistic)
        facts["spearman_of_both_scores"] = correlation if math.isfinite(correlation) else None
    return compared, facts


def _scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {
        str(row["id"]): float(score)
        for row in rows
        if is_scored(row) and (score := parse_number(row["score"])) is not None
    }


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    """Rank from 1 of each id, the highest score first, equal ones by id, as an audit ranks."""
    return {id_: place for place, id_ in enumerate(sorted(scores, key=lambda id_: (-scores[id_], id_)), start=1)}
