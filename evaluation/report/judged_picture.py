"""The objects of one picture that an audit lists, against its true mask: what a worker of an evaluation does, in this
process or in another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation.baselines import object_scores
from evaluation.baselines.base import Example
from evaluation.baselines.probabilities import read_probabilities
from evaluation.metrics.objects import missed_objects, object_ious, same_place
from segqc.data.components import Components, mask_components
from segqc.data.instances import mask_objects
from segqc.data.labels import VOID
from segqc.data.reader import PairReader
from segqc.data.small_objects import SMALL_OBJECT_PIXELS

OWN = "segqc"


@dataclass(frozen=True)
class ListedPicture:
    """A picture, and what an audit lists in it.

    Attributes
    ----------
    example : Example
    truth : Path
    rows : sequence of dict
        Those of `objects.csv`.
    heatmap, instances : Path or None
        The audit's heat map, and the mask that numbers the objects.
    """

    example: Example
    truth: Path
    rows: Sequence[Mapping[str, Any]]
    heatmap: Path | None
    instances: Path | None = None


@dataclass(frozen=True)
class JudgedPicture:
    """One picture: its judged objects, column by column, and what was missed in it.

    Attributes
    ----------
    columns : dict of str to ndarray
        `object`, `class`, `area`, `iou`, `expected_iou` and the score of each method.
    metaseg : ndarray `[n, F]` or None
    false_alarms : list of float
        Scores of missed objects that the audit lists and the truth does not have.
    found : list of float
        For each object that the mask misses, the highest score at its place; -inf where the audit lists none.
    """

    columns: dict[str, np.ndarray]
    metaseg: np.ndarray | None
    false_alarms: list[float]
    found: list[float]


def judge_picture(picture: ListedPicture) -> JudgedPicture:
    """Judge the objects of one picture.

    Raises
    ------
    BadInput
        One of its files cannot be read.
    """
    example = picture.example
    labels, mask = example.labels, example.mask()
    reader, size = example.reader or PairReader(labels), (mask.shape[1], mask.shape[0])
    truth = reader.truth(picture.truth, size)
    instances = None if picture.instances is None else reader.instances(picture.instances, size)
    found = mask_objects(mask, labels, SMALL_OBJECT_PIXELS, instances)
    true = mask_components(truth, labels)
    own = {row["object"]: row for row in picture.rows if row["kind"] == "predicted"}
    columns: dict[str, np.ndarray] = {
        "object": found.ids,
        "class": found.classes,
        "area": found.sizes,
        "iou": object_ious(found.numbers, found.classes, true.numbers, true.classes, truth != VOID),
        "expected_iou": np.array([own[number]["expected_iou"] for number in found.ids.tolist()], np.float64),
        OWN: np.array([own[number]["score"] for number in found.ids.tolist()], np.float64),
        object_scores.AREA: -found.sizes.astype(np.float64),
    }
    if picture.heatmap is not None:
        columns[object_scores.HEAT] = object_scores.mean_over(found, np.asarray(Image.open(picture.heatmap)) / 255)
    if example.second is not None:
        other = (example.second_reader or PairReader(labels)).prediction(example.second, size)
        columns[object_scores.SECOND] = object_scores.disagreement(found, other, labels)
    metaseg = None
    if example.probabilities is not None and len(found.classes):
        probs = object_scores.spread(read_probabilities(example.probabilities, labels.num_classes), mask.shape)
        columns |= _of_probabilities(found, probs)
        metaseg = object_scores.metaseg_features(found, probs)
    kept = ~np.isnan(columns["iou"])
    missed = [row for row in picture.rows if row["kind"] == "missed"]
    alarms, hits = _missed(missed, [labels.name(int(c)) for c in true.classes], true, mask)
    return JudgedPicture(
        {name: values[kept] for name, values in columns.items()},
        None if metaseg is None else metaseg[kept],
        alarms,
        hits,
    )


def _of_probabilities(found: Components, probs: np.ndarray) -> dict[str, np.ndarray]:
    entropy = object_scores.entr(probs).sum(0)
    return {
        object_scores.ENTROPY: object_scores.mean_over(found, entropy),
        object_scores.DOUBT: object_scores.class_doubt(found, probs),
    }


def _missed(
    listed: Sequence[Mapping[str, Any]], names: Sequence[str], true: Components, mask: np.ndarray
) -> tuple[list[float], list[float]]:
    """Scores of the false alarms, and the highest score at the place of each object that the mask misses."""
    found, right = list[float](), set[int]()
    for i in np.flatnonzero(missed_objects(mask, true.numbers, true.classes)).tolist():
        rows, columns = true.windows[i]
        box = (columns.start, rows.start, columns.stop, rows.stop)
        there = [
            place
            for place, row in enumerate(listed)
            if row["expected_class"] == names[i] and same_place((row["x0"], row["y0"], row["x1"], row["y1"]), box)
        ]
        right.update(there)
        found.append(max((listed[place]["score"] for place in there), default=-math.inf))
    return [row["score"] for place, row in enumerate(listed) if place not in right], found
