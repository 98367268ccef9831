"""The columns of an audit's table, each named once: in Python, in CSV and Parquet, on the review page and in the docs.

An audit writes `SCORE_COLUMNS`; then, where a calibration was used, `DECISION_COLUMNS`; then `STATE_COLUMNS`; then, of
volumes, `VOLUME_COLUMNS`. volumes.csv has `VOLUME_TABLE`, a hook's review folder `REVIEW_COLUMNS`. A comparison of two
audits adds `COMPARISON_COLUMNS` on the page. A table may have columns of its own besides, and may lack all but
`REQUIRED`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "number", "boolean", "list", "box"]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    kind : "text", "integer", "number", "boolean", "list" or "box"
        What a cell holds when it is not empty. A list is text with semicolons between its items, a box the text
        ``x0,y0,x1,y1``, half-open.
    meaning : str
    unit : str
        Empty for what has none.
    title : str
        What the review page calls it; by default the name with spaces.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    title: str = ""

    @property
    def label(self) -> str:
        """The column as a heading."""
        words = self.name.replace("_", " ").replace("dice", "Dice")
        return self.title or words[0].upper() + words[1:]


SCORE_COLUMNS = (
    Column("id", "text", "path of the mask below its folder, without suffix"),
    Column("rank", "integer", "1 for the most suspect mask; masks without a score come last"),
    Column("score", "number", "how suspect the mask is: higher is worse; empty where it could not be scored"),
    Column("status", "text", "ok, or error where the mask could not be scored"),
    Column("reason", "text", "why the mask could not be scored, or the warnings in words"),
    Column("worst_class", "text", "class that the mask has in its most suspect region"),
    Column("expected_class", "text", "class that the model expected there instead"),
    Column(
        "worst_box",
        "box",
        "bounding box of the most suspect region",
        "pixels of the picture",
        "Worst box (x0, y0, x1, y1)",
    ),
    Column("classes", "list", "foreground classes of the mask", title="Predicted classes"),
    Column("suspect_objects", "integer", "objects of the mask whose score is above 0.5; empty for the method paper"),
    Column("missed_objects", "integer", "objects that the mask lacks with a probability above 0.5; likewise"),
    Column("dice", "number", "mean Dice over the foreground classes, where ground truth was given", "0 to 1"),
    Column("agreement", "number", "estimated Dice of the mask, 1 - score; empty for the method paper", "0 to 1"),
    Column("density", "number", "negative log-likelihood under the density of training masks", "nats"),
    Column("width", "integer", "width of the picture", "pixels"),
    Column("height", "integer", "height of the picture", "pixels"),
    Column("image", "text", "file of the picture; a relative path starts in the audit's working_directory"),
    Column("prediction", "text", "file of the mask; a relative path starts in the audit's working_directory"),
    Column("heatmap", "text", "file of the heat map below the folder of this table; empty where there is none"),
)

DECISION_COLUMNS = (
    Column("p_value", "number", "share of accepted predictions that score at least as high", "0 to 1", "p-value"),
    Column("flagged", "boolean", "whether the batch's false discovery rate control flags the mask"),
    Column("expected_dice", "number", "Dice that the calibration expects at this score", "0 to 1"),
    Column("expected_dice_low", "number", "lower end of the interval around expected_dice", "0 to 1"),
    Column("expected_dice_high", "number", "upper end of the interval around expected_dice", "0 to 1"),
    Column("decision", "text", "pass, review or fail"),
)

OBJECT_COLUMNS = (
    Column("id", "text", "id of the picture in scores.csv"),
    Column("object", "integer", "number of the object in its picture, or its instance id; those of the mask first"),
    Column("rank", "integer", "1 for the most suspect object of the whole audit"),
    Column("kind", "text", "predicted, or missed where the model expects an object that the mask lacks"),
    Column("class", "text", "class that the mask has there"),
    Column("expected_class", "text", "class that the model expects there, where it is another one"),
    Column("x0", "integer", "left edge of the bounding box", "pixels of the picture"),
    Column("y0", "integer", "upper edge", "pixels of the picture"),
    Column("x1", "integer", "right edge, exclusive", "pixels of the picture"),
    Column("y1", "integer", "lower edge, exclusive", "pixels of the picture"),
    Column("area", "integer", "area of the object, pixels of unknown truth among them", "pixels of the picture"),
    Column("expected_iou", "number", "intersection over union to expect; empty for missed objects", "0 to 1"),
    Column("score", "number", "how suspect the object is, higher is worse; if missed, its probability", "0 to 1"),
    Column("touches_border", "boolean", "whether the box reaches the edge of the picture"),
)
"""Columns of objects.csv; then come, where ground truth was given, `OBJECT_TRUTH_COLUMNS`."""

OBJECT_TRUTH_COLUMNS = (
    Column(
        "iou",
        "number",
        "intersection over union with the true objects of its class that the object touches; empty for missed objects, "
        "and with fewer than 10 pixels of known truth",
        "0 to 1",
    ),
)

OBJECT_DECISION_COLUMNS = (
    Column("expected_iou_low", "number", "lower end of the calibration's interval of iou; empty if missed", "0 to 1"),
    Column("expected_iou_high", "number", "its upper end", "0 to 1"),
    Column("decision", "text", "pass, review or fail; empty if missed"),
)
"""Columns that a calibration of objects adds to objects.csv."""

VOLUME_COLUMNS = (
    Column("volume", "text", "volume that the slice is of"),
    Column("spacing", "list", "size of a pixel: from row to row; from column to column", "mm"),
    Column("volume_weight", "number", "pixels of foreground, predicted and expected: the slice's weight in its volume"),
)
"""Columns of an audit of volumes, whose rows are slices."""

VOLUME_TABLE = (
    Column("id", "text", "path of the volume below its folder, without .nii or .nii.gz"),
    Column("rank", "integer", "1 for the most suspect volume; volumes without a score come last"),
    Column("score", "number", "mean score of the slices, weighted by volume_weight: higher is worse"),
    Column("status", "text", "ok, or error where no slice could be scored"),
    Column("reason", "text", "why the volume could not be scored or compared, or what had to be assumed"),
    Column("worst_slices", "list", "ids of the slices that add most to the score, the worst first"),
    Column("highest_slice_score", "number", "highest score of a slice"),
    Column("slices", "integer", "slices of the volume"),
    Column("scored", "integer", "slices that were scored"),
    Column("empty", "integer", "scored slices in which nothing is predicted"),
    Column("spacing", "list", "size of a voxel: from slice to slice; from row to row; from column to column", "mm"),
    Column("dice", "number", "mean Dice of the volume over its foreground classes, in three dimensions", "0 to 1"),
    Column("msd", "number", "mean surface distance in three dimensions, mean over the classes", "mm"),
    Column("hd95", "number", "95th percentile of the surface distances likewise, mean over the classes", "mm"),
    Column("missed", "integer", "classes that only the truth has; their distance counts as the volume's diagonal"),
    Column("spurious", "integer", "classes that only the prediction has; their distance counts likewise"),
    Column("image", "text", "file of the picture"),
    Column("prediction", "text", "file of the labels"),
)
"""Columns of volumes.csv."""

HARDLY_SEEN, NOT_COMPARED, RESIZED = "hardly_seen", "not_compared", "resized"

STATE_COLUMNS = (
    Column(
        "warnings",
        "list",
        f"{HARDLY_SEEN}: most of the mask is of classes with few training pictures; "
        f"{NOT_COMPARED}: the ground truth of the mask cannot be read; "
        f"{RESIZED}: the mask was brought to the size of its picture",
    ),
)

COMPARISON_COLUMNS = (
    Column("other_score", "number", "score of the same id in the audit compared with", "", "Score in the other audit"),
    Column("other_rank", "integer", "rank there, among what both audits have scored", "", "Rank in the other audit"),
    Column("rank_change", "integer", "places nearer to the most suspect than in the audit compared with"),
)

TIME = Column("time", "number", "when a hook judged the mask", "seconds since 1970")

COLUMNS = {
    column.name: column
    for column in (
        *SCORE_COLUMNS,
        *DECISION_COLUMNS,
        *STATE_COLUMNS,
        *VOLUME_COLUMNS,
        *COMPARISON_COLUMNS,
        TIME,
    )
}

REVIEW_COLUMNS = tuple(
    COLUMNS[name]
    for name in (
        "id", "time", "score", "status", "reason", "decision", "p_value", "expected_dice", "expected_dice_low",
        "expected_dice_high", "worst_class", "expected_class", "worst_box", "width", "height", "image", "prediction",
    )
)  # fmt: skip

REQUIRED = ("id", "score", "status")
"""What a table must have to be read as an audit's."""


def names(columns: Iterable[Column], *kinds: Kind) -> tuple[str, ...]:
    """Names of the columns in order; with `kinds`, of those of one of these kinds."""
    return tuple(column.name for column in columns if not kinds or column.kind in kinds)


def audit_columns(calibrated: bool, volumes: bool = False) -> tuple[str, ...]:
    """Names of the columns that an audit writes, in order; of an audit of `volumes`, those of their slices too."""
    decisions, of_slices = DECISION_COLUMNS if calibrated else (), VOLUME_COLUMNS if volumes else ()
    return names((*SCORE_COLUMNS, *decisions, *STATE_COLUMNS, *of_slices))


def object_columns(compared: bool, calibrated: bool) -> tuple[str, ...]:
    """Names of the columns of objects.csv in order: where ground truth was given, and with a calibration of objects."""
    truth, decisions = OBJECT_TRUTH_COLUMNS if compared else (), OBJECT_DECISION_COLUMNS if calibrated else ()
    return names((*OBJECT_COLUMNS, *truth, *decisions))


def split_list(cell: str | None) -> list[str]:
    """Items of a cell of kind "list"."""
    return [item for item in (cell or "").split(";") if item]


def markdown_table(columns: Iterable[Column]) -> str:
    """The columns as a table in Markdown: name, kind, unit and meaning."""
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{column.name}` | {column.kind} | {column.unit} | {column.meaning} |" for column in columns]
    return "\n".join(lines) + "\n"
