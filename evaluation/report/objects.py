"""Do the scores of objects find the wrong ones? Every object of an audit against ground truth, beside simpler scores.

An object is wrong altogether where its IoU is 0, and badly drawn where it is below 0.5; how IoU is defined for one
object is in `evaluation.metrics.objects`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from evaluation.baselines import object_scores
from evaluation.baselines.base import Example
from evaluation.baselines.probabilities import read_probabilities
from evaluation.metrics.objects import found_at, missed_objects, object_ious, same_place
from evaluation.ranking.correlation import spearman
from evaluation.ranking.selective import auroc, average_precision
from evaluation.report.study import Study
from segqc.base.console import make_progress
from segqc.base.parallel import ordered_map
from segqc.base.tables import write_table
from segqc.data.components import Components, mask_components
from segqc.data.instances import mask_objects
from segqc.data.labels import VOID
from segqc.data.reader import PairReader
from segqc.data.small_objects import SMALL_OBJECT_PIXELS
from segqc.results.objects import audited_instances, read_objects

OWN = "segqc"
LARGE = 500
"""Pixels above which an object counts as large."""

FALSE_ALARMS = (0.3, 1.0, 3.0)
"""False alarms a picture at which missed objects are counted."""

METHOD_COLUMNS = (
    "objects", "method", "count", "share_zero", "auroc_zero", "ap_zero", "share_below", "auroc_below", "ap_below",
    "spearman",
)  # fmt: skip
_FEWEST = 20  # objects of a class that has lines of its own


@dataclass(frozen=True)
class ObjectScores:
    """A method's scores of all judged objects, higher = worse.

    Attributes
    ----------
    zero, below : ndarray float64 `[n]`
        By which those with IoU = 0, and those with IoU < 0.5, are looked for; one score serves both unless a method is
        trained for each.
    """

    zero: np.ndarray
    below: np.ndarray


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


@dataclass(frozen=True)
class ObjectStudy:
    """All judged objects of an audit.

    Attributes
    ----------
    ids : list of str
        Picture of each.
    columns : dict of str to ndarray
        As in `JudgedPicture`.
    methods : dict of str to ObjectScores
        The audit's own first.
    pictures : int
    missed : int
        True objects of which the mask has no pixel.
    found : dict of float to float
        Share of these that the audit lists, by the number of false alarms a picture.
    rows : list of dict
        Figures by group of objects and method, `METHOD_COLUMNS`.
    """

    ids: list[str]
    columns: dict[str, np.ndarray]
    methods: dict[str, ObjectScores]
    pictures: int
    missed: int
    found: dict[float, float]
    rows: list[dict[str, Any]]

    @property
    def caption(self) -> str:
        """What the rows are of, and what was missed and found."""
        text = (
            f"{len(self.ids)} objects. zero: IoU = 0 with the true objects of their class; below: IoU < 0.5; "
            "void left out; - where a figure is not defined. "
        )
        if not self.missed:
            return f"{text}No true object is missed altogether."
        shares = ", ".join(f"{share:.2f} at {rate:g}" for rate, share in self.found.items())
        return (
            f"{text}Of {self.missed} true objects that have no pixel of their class in the mask, this share is listed: "
            f"{shares} false alarms a picture."
        )

    @property
    def summary(self) -> dict[str, Any]:
        """JSON values."""
        found = {f"{rate:g}": None if math.isnan(share) else share for rate, share in self.found.items()}
        return {"judged": len(self.ids), "missed": self.missed, "found_at_false_alarms": found, "rows": self.rows}


def study_objects(study: Study, seed: int = 0, console: Console | None = None) -> ObjectStudy | None:
    """Judge the objects of an audit; None where it lists none, or none can be judged.

    Raises
    ------
    BadInput
        A file of the audit, or of the options, cannot be read.
    """
    instances = audited_instances(study.audit, study.ids)
    listed = dict[str, list[dict[str, Any]]]()
    for row in read_objects(study.audit.folder):
        listed.setdefault(row["id"], []).append(row)
    if not listed:
        return None

    def judge(pair: tuple[Example, Path]) -> JudgedPicture:
        id_ = pair[0].id
        heat = study.audit.heatmap(study.audit.by_id[id_])
        return judge_picture(*pair, listed.get(id_, []), heat, instances.get(id_))

    pairs = list(zip(study.examples, study.truths, strict=True))
    judged = []
    with make_progress(console) as progress:
        task = progress.add_task("judging objects", total=len(pairs))
        for picture in ordered_map(judge, pairs):
            judged.append(picture)
            progress.advance(task)
    return _join(study, judged, seed)


def judge_picture(
    example: Example,
    truth_file: Path,
    listed: Sequence[Mapping[str, Any]],
    heatmap: Path | None,
    instance_file: Path | None = None,
) -> JudgedPicture:
    """The objects of one picture that an audit lists, against its true mask."""
    labels, mask = example.labels, example.mask()
    reader, size = example.reader or PairReader(labels), (mask.shape[1], mask.shape[0])
    truth = reader.truth(truth_file, size)
    instances = None if instance_file is None else reader.instances(instance_file, size)
    found = mask_objects(mask, labels, SMALL_OBJECT_PIXELS, instances)
    true = mask_components(truth, labels)
    own = {row["object"]: row for row in listed if row["kind"] == "predicted"}
    columns: dict[str, np.ndarray] = {
        "object": found.ids,
        "class": found.classes,
        "area": found.sizes,
        "iou": object_ious(found.numbers, found.classes, true.numbers, true.classes, truth != VOID),
        "expected_iou": np.array([own[number]["expected_iou"] for number in found.ids.tolist()], np.float64),
        OWN: np.array([own[number]["score"] for number in found.ids.tolist()], np.float64),
        object_scores.AREA: -found.sizes.astype(np.float64),
    }
    if heatmap is not None:
        columns[object_scores.HEAT] = object_scores.mean_over(found, np.asarray(Image.open(heatmap)) / 255)
    if example.second is not None:
        other = (example.second_reader or PairReader(labels)).prediction(example.second, size)
        columns[object_scores.SECOND] = object_scores.disagreement(found, other, labels)
    metaseg = None
    if example.probabilities is not None and len(found.classes):
        probs = object_scores.spread(read_probabilities(example.probabilities, labels.num_classes), mask.shape)
        columns |= _of_probabilities(found, probs)
        metaseg = object_scores.metaseg_features(found, probs)
    kept = ~np.isnan(columns["iou"])
    missed = [row for row in listed if row["kind"] == "missed"]
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


def _join(study: Study, judged: Sequence[JudgedPicture], seed: int) -> ObjectStudy | None:
    ids = [
        example.id
        for example, picture in zip(study.examples, judged, strict=True)
        for _ in range(len(picture.columns["iou"]))
    ]
    if not ids:
        return None
    filled = [picture for picture in judged if len(picture.columns["iou"])]
    # a score that some picture has no file for is left out
    shared = [name for name in filled[0].columns if all(name in picture.columns for picture in filled)]
    columns = {name: np.concatenate([picture.columns[name] for picture in filled]) for name in shared}
    known = ("object", "class", "area", "iou", "expected_iou")
    methods = {name: ObjectScores(columns[name], columns[name]) for name in shared if name not in known}
    features = [picture.metaseg for picture in filled if picture.metaseg is not None]
    if len(features) == len(filled) and len(set(ids)) >= object_scores.FOLDS:
        table, iou = np.concatenate(features), columns["iou"]
        chances = [object_scores.supervised_chance(ids, table, wrong, seed) for wrong in (iou == 0, iou < 0.5)]
        methods[object_scores.METASEG] = ObjectScores(*chances)
    alarms = np.array([score for picture in judged for score in picture.false_alarms], np.float64)
    hits = np.array([score for picture in judged for score in picture.found], np.float64)
    found = {rate: found_at(alarms, hits, len(judged), rate) for rate in FALSE_ALARMS}
    rows = object_rows(columns, methods, study.labels.name)
    return ObjectStudy(ids, columns, methods, len(judged), len(hits), found, rows)


def object_rows(
    columns: Mapping[str, np.ndarray], methods: Mapping[str, ObjectScores], name_of: Callable[[int], str]
) -> list[dict[str, Any]]:
    """A line for each group of objects and method: all, large and small ones, and each class with at least 20."""
    area, classes = columns["area"], columns["class"]
    groups = {"all": np.ones(len(area), bool), f"over {LARGE} px": area > LARGE, f"to {LARGE} px": area <= LARGE}
    for label in np.unique(classes):
        if (classes == label).sum() >= _FEWEST:
            groups[name_of(int(label))] = classes == label
    return [
        {"objects": group, "method": name} | _figures(columns["iou"][chosen], scores.zero[chosen], scores.below[chosen])
        for group, chosen in groups.items()
        if chosen.any()
        for name, scores in methods.items()
    ]


def _figures(iou: np.ndarray, zero: np.ndarray, below: np.ndarray) -> dict[str, Any]:
    """Figures of one method on some objects, None where they are not defined."""
    values = dict.fromkeys(METHOD_COLUMNS[3:], math.nan)
    for name, scores, wrong in (("zero", zero, iou == 0), ("below", below, iou < 0.5)):
        values[f"share_{name}"] = float(wrong.mean())
        if not np.isnan(scores).any():
            values |= {f"auroc_{name}": auroc(scores, wrong), f"ap_{name}": average_precision(scores, wrong)}
    if not np.isnan(below).any() and len(iou) > 2:
        values["spearman"] = spearman(below, iou)
    return {"count": len(iou)} | {name: None if math.isnan(value) else value for name, value in values.items()}


def write_object_tables(out: Path, found: ObjectStudy, name_of: Callable[[int], str]) -> None:
    """Write objects.csv, a row for each judged object, and object_methods.csv; each also as Parquet."""
    names = [*found.columns]
    rows = [{"id": id_} | {name: found.columns[name][i].item() for name in names} for i, id_ in enumerate(found.ids)]
    for row in rows:
        row["class"] = name_of(row["class"])
    for suffix in ("csv", "parquet"):
        write_table(out / f"objects.{suffix}", rows, ["id", *names])
        write_table(out / f"object_methods.{suffix}", found.rows, METHOD_COLUMNS)
