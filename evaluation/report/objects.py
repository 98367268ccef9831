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
from rich.console import Console

from evaluation.baselines import object_scores
from evaluation.metrics.objects import found_at
from evaluation.ranking.correlation import spearman
from evaluation.ranking.selective import auroc, average_precision
from evaluation.report.judged_picture import JudgedPicture, ListedPicture, judge_picture
from evaluation.report.study import Study
from segqc.base.console import make_progress
from segqc.base.lazy import Computed
from segqc.base.ray_cluster import RayCluster
from segqc.base.tables import write_table
from segqc.base.workers import map_items
from segqc.results.objects import audited_instances, objects_by_id

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


def study_objects(
    study: Study, seed: int = 0, console: Console | None = None, cluster: RayCluster | None = None
) -> ObjectStudy | None:
    """Judge the objects of an audit, by the cluster if there is one; None where it lists none, or none can be judged.

    Raises
    ------
    BadInput
        A file of the audit, or of the options, cannot be read.
    """
    instances = audited_instances(study.audit, study.ids)
    listed = objects_by_id(study.audit.folder)
    if not any(listed(id_) for id_ in study.audit.by_id):
        return None

    def picture(place: int) -> ListedPicture:
        example = study.examples[place]
        heat = study.audit.heatmap(study.audit.by_id[example.id])
        return ListedPicture(example, study.truths[place], listed(example.id), heat, instances.get(example.id))

    pictures = Computed(len(study.examples), picture)
    judged = []
    with make_progress(console) as progress:
        task = progress.add_task("judging objects", total=len(pictures))
        for found in map_items(cluster, judge_picture, pictures):
            judged.append(found)
            progress.advance(task)
    return _join(study, judged, seed)


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
