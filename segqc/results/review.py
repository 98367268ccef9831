"""A reviewer's decisions: the JSON file that the gallery saves, and that `segqc export --review` and `segqc calibrate`
read.

{"format": "segqc-review-1", "audit": "<fingerprint>", "items": {"<id>": {"verdict": "accept", "note": "", "score":
1.5}}}
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.results.table import audit_fingerprint, is_number, parse_number

REVIEW_FORMAT = "segqc-review-1"

ReviewDecision = Literal["accept", "reject", "unsure"]
"""What a reviewer says of a prediction; its key in the file is `verdict`. What the model says is a `segqc.verdict`."""


@dataclass(frozen=True)
class ReviewItem:
    """What was said about one prediction.

    Attributes
    ----------
    verdict : "accept", "reject" or "unsure"
    note : str
        Free text, often empty.
    score : float or None
        The audit's score of the prediction at that time.
    """

    verdict: ReviewDecision
    note: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Review:
    """Decisions by id, and the `segqc.results.table.audit_fingerprint` of the audit that they are about."""

    audit: str
    items: dict[str, ReviewItem]


def review_of(path: Path, rows: Iterable[Mapping[str, Any]]) -> Review:
    """Read a saved review that must be of the audit with these rows, or of a state of it to which rows were added
    since: then every reviewed prediction still has its score.

    Raises
    ------
    BadInput
        As `read_review`, and for a review of another audit.
    """
    review, rows = read_review(path), list(rows)
    if not review.audit or review.audit == audit_fingerprint(rows):
        return review
    scores = {row["id"]: parse_number(row.get("score")) for row in rows}
    for id_, item in review.items.items():
        score = scores.get(id_)
        if item.score is None or score is None or not math.isclose(item.score, score, rel_tol=1e-6):
            raise BadInput(
                path,
                "is a review of another audit, or of an older state of this one",
                "give the audit that was reviewed",
            )
    return review


def read_review(path: Path | str) -> Review:
    """Read a saved review.

    Raises
    ------
    BadInput
        When the file is missing, not JSON, not a review, or holds an item that cannot be read; the reason names the
        item.
    """
    content = read_json(path)
    if (
        not isinstance(content, dict)
        or content.get("format") != REVIEW_FORMAT
        or not isinstance(content.get("items"), dict)
    ):
        raise BadInput(
            path,
            f"is not a review: it lacks the format {REVIEW_FORMAT!r} or its items",
            "save one from the gallery's review page",
        )
    return Review(
        str(content.get("audit", "")), {id_: _item(path, id_, item) for id_, item in content["items"].items()}
    )


def _item(path: Path | str, id_: str, item: Any) -> ReviewItem:
    if not isinstance(item, Mapping) or item.get("verdict") not in get_args(ReviewDecision):
        raise BadInput(
            path,
            f"says of {id_} neither accept nor reject nor unsure",
            "save the review again from the gallery, or mend the item",
        )
    note, score = item.get("note") or "", item.get("score")
    if not isinstance(note, str) or not (score is None or is_number(score)):
        raise BadInput(
            path,
            f"has a note that is no text, or a score that is no number, at {id_}",
            "save the review again from the gallery",
        )
    # JSON may hold halves of letters outside the basic plane, which no file in UTF-8 can.
    return ReviewItem(cast(ReviewDecision, item["verdict"]), note.encode("utf-8", "replace").decode(), score)
