"""A reviewer's decisions: the JSON file that the gallery saves, and that `segqc export --review` and `segqc calibrate`
read.

{"format": "segqc-review-1", "audit": "<fingerprint>", "name": "voc_val", "items": {"<id>": {"verdict": "reject",
"tags": ["missed object"], "note": "", "score": 1.5}}}

`name` is what the page calls the audit, and `tags` are the reasons that were ticked; both may be missing.
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

REVIEW_TAGS = ("wrong class", "missed object", "extra object", "bad outline", "bad label")
"""Reasons that the page offers, by the number keys from 1; reviewers add their own."""

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
    tags : tuple of str
        Reasons, of `REVIEW_TAGS` or the reviewer's own, in the order of the page.
    """

    verdict: ReviewDecision
    note: str = ""
    score: float | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Review:
    """Decisions by id, and the `segqc.results.table.audit_fingerprint` and name of the audit that they are about."""

    audit: str
    items: dict[str, ReviewItem]
    name: str = ""


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
    items = {id_: _item(path, id_, item) for id_, item in content["items"].items()}
    return Review(str(content.get("audit", "")), items, str(content.get("name") or ""))


def _item(path: Path | str, id_: str, item: Any) -> ReviewItem:
    if not isinstance(item, Mapping) or item.get("verdict") not in get_args(ReviewDecision):
        raise BadInput(
            path,
            f"says of {id_} neither accept nor reject nor unsure",
            "save the review again from the gallery, or mend the item",
        )
    note, score, tags = item.get("note") or "", item.get("score"), item.get("tags") or []
    if not isinstance(note, str) or not (score is None or is_number(score)):
        raise BadInput(
            path,
            f"has a note that is no text, or a score that is no number, at {id_}",
            "save the review again from the gallery",
        )
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadInput(path, f"has tags that are no list of texts at {id_}", "save the review again from the gallery")
    return ReviewItem(
        cast(ReviewDecision, item["verdict"]), _whole_letters(note), score, tuple(_whole_letters(tag) for tag in tags)
    )


def _whole_letters(text: str) -> str:
    """The text without what JSON may hold and no file in UTF-8 can: halves of letters outside the basic plane."""
    return text.encode("utf-8", "replace").decode()
