"""One row of an audit: a pair read from its files, compared, scored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from segqc.auditing.objects import count_objects
from segqc.auditing.volume_score import slice_weight
from segqc.base.errors import BadInput
from segqc.base.files import FLAT_PNG, atomic_path
from segqc.base.fingerprints import file_stamp
from segqc.base.lazy import Computed
from segqc.data.components import mask_components
from segqc.data.instances import Instances, mask_objects
from segqc.data.labels import VOID, LabelSpace
from segqc.data.pairs import Pair, Problem
from segqc.data.reader import PairReader
from segqc.data.runs import class_counts
from segqc.data.small_objects import SMALL_OBJECT_PIXELS
from segqc.model.reading import Reading
from segqc.quality_control import QualityControl
from segqc.results.heatmaps import Heatmaps
from segqc.results.schema import HARDLY_SEEN, NOT_COMPARED, RESIZED, audit_columns
from segqc.verdict import JudgedObject

COLUMNS = audit_columns(calibrated=False)
OF_SLICES = audit_columns(calibrated=False, volumes=True)
WITHOUT_DICE = "not compared: "
"""Beginning of the last part of a row's reason where its ground truth cannot be used."""


class Comparison(Protocol):
    """How to compare with ground truth where it is given; `evaluation.ranking.comparison.DiceComparison` is one."""

    def measure(self, prediction: np.ndarray, truth: np.ndarray, labels: LabelSpace) -> float:
        """Quality of one prediction in [0, 1]."""
        ...

    def measure_objects(
        self,
        numbers: np.ndarray,
        classes: np.ndarray,
        true_numbers: np.ndarray,
        true_classes: np.ndarray,
        known: np.ndarray,
    ) -> np.ndarray:
        """Intersection over union of each object of a mask; NaN where too little of it is known."""
        ...

    def measure_volume(
        self, id_: str, prediction: np.ndarray, truth: np.ndarray, labels: LabelSpace, spacing: tuple[float, ...]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Metrics of one volume, and of each of its classes."""
        ...

    def judge(self, scores: Sequence[float], qualities: Sequence[float]) -> dict[str, Any]:
        """How well the scores found the bad ones; of a figure that is None, "undefined" says why."""
        ...


@dataclass(frozen=True)
class ReadPair:
    """A pair in memory, or why it is not."""

    pair: Pair
    # of its files, from before they were read: one that is replaced meanwhile is not taken for scored
    stamps: list[list[Any]]
    row: dict[str, Any]
    image: np.ndarray | None = None  # as the network sees it, as is the grid
    grid: np.ndarray | None = None
    mask: np.ndarray | None = None  # at the picture's size
    instances: Instances | None = None
    ious: Mapping[int, float] = field(default_factory=dict)  # by the number of the object, where its truth is known


def pair_stamps(pair: Pair) -> list[list[Any]]:
    """Stamps of the pair's files."""
    return [file_stamp(path) for path in (pair.image, pair.mask, pair.ground_truth, pair.instances) if path is not None]


def read_pair(
    qc: QualityControl,
    pair: Pair,
    comparison: Comparison | None,
    reader: PairReader,
    columns: Sequence[str] = COLUMNS,
) -> ReadPair:
    """Decode a pair and compare it with ground truth; runs in a thread."""
    stamps = pair_stamps(pair)
    row = dict.fromkeys(columns) | {
        "id": pair.id,
        "status": "ok",
        "reason": "",
        "image": str(pair.image),
        "prediction": str(pair.mask),
    }
    try:
        assert pair.mask is not None
        image = reader.picture(pair.image)
        row |= {"width": image.width, "height": image.height}
        mask, stored_size = reader.sized_prediction(pair.mask, image)
        instances = None if pair.instances is None else reader.instances(pair.instances, image)
        prepared = qc.prepare(image, mask)
    except (BadInput, ValueError) as error:
        return ReadPair(pair, stamps, row | {"status": "error", "reason": str(error)})
    counts = class_counts(mask)
    row["classes"] = ";".join(qc.labels.name(c) for c in qc.labels.foreground if counts[c])
    warnings: dict[str, str] = {}
    ious: Mapping[int, float] = {}
    if stored_size is not None:
        had, got = (f"{width}x{height}" for width, height in (stored_size, image.size))
        warnings[RESIZED] = f"the mask has {had} pixels and was brought to {got} by nearest neighbour"
    if unfamiliar := _unfamiliar_classes(counts, qc):
        warnings[HARDLY_SEEN] = f"score is a guess, its model hardly saw: {unfamiliar}"
    if pair.ground_truth is not None and comparison is not None:
        try:
            truth = reader.truth(pair.ground_truth, image)
            row["dice"] = comparison.measure(mask, truth, qc.labels)
            ious = object_ious(mask, truth, qc.labels, comparison, instances)
        except BadInput as error:  # the score does not need the ground truth
            warnings[NOT_COMPARED] = f"{WITHOUT_DICE}{error}"
    row |= {"warnings": ";".join(warnings), "reason": "; ".join(warnings.values())}
    return ReadPair(pair, stamps, row, *prepared, mask, instances, ious)


def object_ious(
    mask: np.ndarray,
    truth: np.ndarray,
    labels: LabelSpace,
    comparison: Comparison,
    instances: Instances | None = None,
) -> Mapping[int, float]:
    """Intersection over union of each object of a mask, by its number, where enough of its truth is known."""
    found, true = mask_objects(mask, labels, SMALL_OBJECT_PIXELS, instances), mask_components(truth, labels)
    ious = comparison.measure_objects(found.numbers, found.classes, true.numbers, true.classes, truth != VOID)
    return {number: iou for number, iou in zip(found.ids.tolist(), ious.tolist(), strict=True) if not math.isnan(iou)}


def _unfamiliar_classes(counts: np.ndarray, qc: QualityControl) -> str:
    """The classes of a mask that the model hardly saw in training, when most of its foreground is of them; else
    nothing. `counts` are the mask's pixels by class.
    """
    rare = qc.model.config.hardly_seen()
    foreground, unfamiliar = counts[list(qc.labels.foreground)].sum(), [c for c in rare if counts[c]]
    if 2 * counts[unfamiliar].sum() <= foreground or not unfamiliar:
        return ""
    return ", ".join(f"{qc.labels.name(c)} ({rare[c]} training pictures)" for c in unfamiliar)


def score_pair(
    qc: QualityControl, item: ReadPair, heatmaps: Heatmaps | None, reading: Reading | None = None
) -> tuple[dict[str, Any], list[JudgedObject]]:
    """The finished row of a pair, and its objects; its heat map is on disk before the row is. `reading` is what the
    model said of it, where that is known.
    """
    if item.image is None or item.grid is None or item.mask is None:
        return item.row, []
    reading = reading or qc.read(item.image, item.grid)
    score = qc.score_reading(reading, item.grid, item.mask, item.instances)
    if heatmaps is not None:
        write_heat(heatmaps.path(item.pair.id), score.heatmap)
    row = dict(item.row)
    if "volume_weight" in row:
        probabilities = None if score.agreement is None else score.heatmap
        row["volume_weight"] = slice_weight(item.mask, probabilities, qc.labels.foreground)
    row |= {} if score.objects is None else count_objects(score.objects)
    scored = {
        "score": score.score,
        "agreement": score.agreement,
        "density": score.density,
        "worst_class": score.worst_class,
        "expected_class": score.expected_class,
        "worst_box": ",".join(map(str, score.worst_box)) if score.worst_box else None,
    }
    return row | scored, score.objects or []


def write_heat(path: Path, heatmap: np.ndarray) -> None:
    """Write a heat map, float `[H, W]` in [0, 1], as a grey PNG with 255 where a mask is most suspect."""
    with atomic_path(path) as temporary:
        Image.fromarray(np.round(heatmap * 255).astype(np.uint8)).save(temporary, **FLAT_PNG)


def error_row(problem: Problem) -> dict[str, Any]:
    """A prediction that makes no pair."""
    return dict.fromkeys(COLUMNS) | {
        "id": problem.id,
        "status": "error",
        "reason": problem.reason,
        "prediction": str(problem.path),
    }


def rank_rows(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Worst first with ranks from 1; equal scores by id; errors last, without a score. They are made as they are asked
    for: see `segqc.base.lazy`.
    """
    keys = [
        (row["status"] != "ok", -(row["score"] or 0.0) if row["status"] == "ok" else 0.0, row["id"]) for row in rows
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    return Computed(len(order), lambda place: rows[int(order[place])] | {"rank": place + 1})
