"""What the paper reports for its methods (arXiv 2304.03220), to be quoted beside the rows that rebuild them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.ranking.judging import DIFFERENCES, measures

TOP = 50
"""Number of images, those that a method ranks worst, in the paper's correlations."""

IMAGES = 1449
"""Number of images of VOC val, whose predictions by the paper's DeepLabV3-MobileNet are not available."""


@dataclass(frozen=True)
class Published:
    """Pearson's correlation of a score with Dice, MSD and HD95, on the 50 of 1,449 images that it ranks worst."""

    name: str
    dice: float
    msd: float
    hd95: float


GNSM = Published("GNSM, as published", -0.53, 0.14, 0.30)
DEEP_SVDD = Published("Deep SVDD, as published", -0.03, -0.12, -0.11)


def with_published(
    rows: Sequence[Mapping[str, Any]], published: Mapping[str, Published], top: int
) -> list[Mapping[str, Any]]:
    """Rows of `evaluation.ranking.judging.judge` with the paper's figures below the last row that each of them belongs
    to.

    Parameters
    ----------
    rows : sequence of dict
    published : mapping of str to Published
        By method; most have none.
    top : int
        K of the rows. The paper's figures compare with no other K than its own: for another they are left out.

    Returns
    -------
    list of dict
        The added rows have "method", "images", the three figures, and None for every other measure.
    """
    if top != TOP:
        return list(rows)
    last = {published[row["method"]]: row["method"] for row in rows if row["method"] in published}
    found: list[Mapping[str, Any]] = []
    for row in rows:
        found.append(row)
        quoted = published.get(row["method"])
        if quoted is not None and last[quoted] == row["method"]:
            found.append(_row(quoted))
    return found


def _row(quoted: Published) -> dict[str, Any]:
    keys = [measure.key for measure in measures()]
    nothing = dict.fromkeys(f"{key}{end}" for key in keys for end in ("", "_low", "_high"))
    nothing |= dict.fromkeys(f"{key}_difference{end}" for key in DIFFERENCES for end in ("", "_low", "_high"))
    figures = {"pearson_dice_top": quoted.dice, "pearson_msd_top": quoted.msd, "pearson_hd95_top": quoted.hd95}
    return {"method": quoted.name, "images": IMAGES} | nothing | figures
