"""The review queue: which predictions of an audit go to the annotators, in which order, and what each target is told
about them.
"""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.parallel import ordered_map
from segqc.base.storage.paths import absolute_text
from segqc.data.labels import LabelSpace
from segqc.data.pictures import picture_orientation
from segqc.export.config import ExportConfig
from segqc.gallery.overlay import Box, parse_box
from segqc.results.review import Review, ReviewItem, review_of
from segqc.results.table import AuditTable, is_scored, reader_of, unscored_reasons

DETAILS = (
    "rank", "score", "worst_class", "expected_class", "worst_box",
    "p_value", "expected_dice", "expected_dice_low", "expected_dice_high", "decision", "dice",
)  # fmt: skip
"""Columns of an audit that go along as metadata, where an audit has them."""


@dataclass(frozen=True)
class Item:
    """One prediction of the queue.

    Attributes
    ----------
    row : dict
        Its row of the audit.
    image, location : Path, str
        The picture on this machine, and as the target is told where it is: a relative path or an address.
    mask : uint8 [H, W]
        The predicted mask.
    heatmap : Path or None
        8-bit grey PNG.
    review : ReviewItem or None
        What a reviewer said of it.
    orientation : int
        The picture's EXIF orientation. Masks follow the stored pixels: a tool that applies one other than 1 draws them
        askew.
    """

    row: dict[str, Any]
    image: Path
    location: str
    mask: np.ndarray
    heatmap: Path | None = None
    review: ReviewItem | None = None
    orientation: int = 1

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def height(self) -> int:
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        return int(self.mask.shape[1])

    @property
    def box(self) -> Box | None:
        """Where the prediction is most suspect, in pixels, half-open, inside the picture."""
        box = parse_box(self.row.get("worst_box"))
        if box is None:
            return None
        x0, y0, x1, y1 = max(0, box[0]), max(0, box[1]), min(self.width, box[2]), min(self.height, box[3])
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    @property
    def tags(self) -> tuple[str, ...]:
        """Reasons that a reviewer ticked."""
        return self.review.tags if self.review else ()

    @property
    def details(self) -> dict[str, Any]:
        """What is known of it, for the target's metadata: id, the columns `DETAILS` that have a value, the reason in
        words, the review (its tags with semicolons between them).
        """
        known = {name: self.row[name] for name in DETAILS if self.row.get(name) not in (None, "")}
        reviewed = {} if self.review is None else {"verdict": self.review.verdict, "note": self.review.note}
        if self.tags:
            reviewed["tags"] = ";".join(self.tags)
        return {"id": self.id, **known, "reason": reason_of(self.row), **reviewed}


@dataclass(frozen=True)
class Skipped:
    """A prediction that was wanted but cannot be exported, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Chosen:
    """Rows in the order of the queue, those without a score, and how many the filters left out."""

    rows: list[dict[str, Any]]
    unscored: list[Skipped]
    left_out: int
    review: Review | None


def choose(table: AuditTable, config: ExportConfig) -> Chosen:
    """Apply the filters of `config` and order by score, highest first, equal ones by id.

    Raises
    ------
    BadInput
        When a filter needs a column that the audit lacks, or the review cannot be read or is of another audit.
    """
    for option, given, column in (
        ("--decision", config.decisions, "decision"),
        ("--max-p-value", config.max_p_value is not None, "p_value"),
    ):
        if given and column not in table.columns:
            raise BadInput(
                table.folder,
                f"has no column {column}, which {option} needs",
                "audit with --calibration, or leave the option out",
            )
    review = None if config.review is None else review_of(config.review, table.rows)
    scored = [row for row in table.rows if is_scored(row)]
    unscored = [Skipped(id_, reason) for id_, reason in unscored_reasons(table.rows)]

    def passes(row: dict[str, Any]) -> bool:
        p_value = row.get("p_value")
        return (
            (not config.decisions or row["decision"] in config.decisions)
            and (config.min_score is None or row["score"] >= config.min_score)
            and (config.max_p_value is None or (p_value is not None and p_value <= config.max_p_value))
            and (review is None or (row["id"] in review.items and review.items[row["id"]].verdict != "accept"))
        )

    wanted = sorted(filter(passes, scored), key=lambda row: (-row["score"], row["id"]))[: config.top]
    return Chosen(wanted, unscored, len(scored) - len(wanted), review)


def load_items(
    chosen: Chosen, table: AuditTable, labels: LabelSpace, locate: "Locator", skipped: list[Skipped]
) -> Iterator[Item]:
    """The items of the chosen rows, in order; what cannot be read is added to `skipped` instead."""

    reader = reader_of(table, labels)

    def load(row: dict[str, Any]) -> Item | Skipped:
        id_ = str(row["id"])
        try:
            image, prediction = table.file(row, "image"), table.file(row, "prediction")
            size = (int(row["width"]), int(row["height"])) if row.get("width") and row.get("height") else None
            mask, location = reader.prediction(prediction, size), locate(image)
        except BadInput as error:
            return Skipped(id_, str(error))
        review = chosen.review.items.get(id_) if chosen.review else None
        return Item(row, image, location, mask, table.heatmap(row), review, picture_orientation(image))

    for item in ordered_map(load, chosen.rows):
        if isinstance(item, Skipped):
            skipped.append(item)
        else:
            yield item


@dataclass(frozen=True)
class Locator:
    """How a target is told where a picture is.

    Parameters
    ----------
    root : Path
        Folder that paths are relative to.
    url_prefix : str, optional
        What stands before the path, which is then quoted as an address needs it; None leaves the relative path as it
        is.
    outside : bool
        Whether pictures may lie outside `root`, so that their path begins with "..".
    """

    root: Path
    url_prefix: str | None = None
    outside: bool = False

    def __call__(self, image: Path) -> str:
        """Path or address of a picture.

        Raises
        ------
        BadInput
            When it lies outside the root, or its name is one that JSON or XML cannot hold.
        """
        path = Path(os.path.relpath(absolute_text(image), absolute_text(self.root))).as_posix()
        if path.startswith("../") and not self.outside:
            raise BadInput(image, f"lies outside {self.root}", "name a folder above all pictures with --images-root")
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path):
            raise BadInput(
                image,
                "has a name with control characters or one that is not UTF-8",
                "rename the file and its prediction",
            )
        return path if self.url_prefix is None else self.url_prefix + quote(path)


def reason_of(row: dict[str, Any]) -> str:
    """Why a prediction is in the queue, in one line."""
    worst, expected = row.get("worst_class"), row.get("expected_class")
    parts = []
    if worst:
        parts.append(
            f"{worst} where {expected} was expected" if expected and expected != worst else f"unlikely {worst}"
        )
    box = parse_box(row.get("worst_box"))
    if box:
        parts.append(f"between ({box[0]}, {box[1]}) and ({box[2]}, {box[3]})")
    sentences = [" ".join(parts)] if parts else []
    sentences.append(f"score {row['score']:.4g}" + (f", rank {row['rank']:.0f}" if row.get("rank") is not None else ""))
    if row.get("p_value") is not None:
        sentences.append(f"p-value {row['p_value']:.3g}")
    if row.get("expected_dice") is not None:
        interval = row.get("expected_dice_low"), row.get("expected_dice_high")
        around = "" if None in interval else f" ({interval[0]:.2f} to {interval[1]:.2f})"
        sentences.append(f"expected Dice {row['expected_dice']:.2f}{around}")
    if row.get("decision"):
        sentences.append(f"decision {row['decision']}")
    return "; ".join(sentences)
