"""What is judged: the images of an audit with their ground truth, how good each prediction is, and what baselines may
look at.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.console import Console

from evaluation.baselines.base import Example
from evaluation.metrics.choices import Backend
from evaluation.metrics.class_table import metrics_of_row
from evaluation.metrics.classes import reduce_classes
from evaluation.ranking.judging import Quality
from evaluation.report.config import EvaluateConfig, Undefined
from evaluation.report.files import audited_files
from evaluation.report.measure import JudgedPair, Measured, measure
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.ray_cluster import RayCluster
from segqc.base.workers import map_items
from segqc.data.inspection.survey import commonest_reason
from segqc.data.labels import LabelSpace
from segqc.data.reader import PairReader
from segqc.results.table import AuditTable, read_finished_audit, spacing_of

COVARIATES = 4  # the first mask features: area, boundary length, classes, components


@dataclass(frozen=True)
class Study:
    """Judged images in the order of their ids.

    Attributes
    ----------
    audit : AuditTable
        The method on trial.
    labels : LabelSpace
    examples : list of Example
        Predictions, with whatever else there is.
    truths : list of Path
    quality : Quality
    features : float64 `[n, 7]`
        `evaluation.metrics.mask_features`, without class frequencies.
    classes : list of dict
        `evaluation.metrics.class_table.class_rows` of all images.
    left_out : dict of str to str
        Predictions of the audit that are not judged, and why.
    reader : PairReader
        How the files are read.
    """

    audit: AuditTable
    labels: LabelSpace
    examples: list[Example]
    truths: list[Path]
    quality: Quality
    features: np.ndarray
    classes: list[dict[str, Any]]
    left_out: dict[str, str]
    reader: PairReader

    @property
    def ids(self) -> list[str]:
        return [example.id for example in self.examples]

    @property
    def unit(self) -> str:
        """Unit of the distances: slices of volumes have a spacing."""
        spaced = any(spacing_of(self.audit.by_id[id_]) for id_ in self.ids)
        return "mm, in the plane of each slice" if spaced else "pixels"


def make_study(config: EvaluateConfig, console: Console | None = None, cluster: RayCluster | None = None) -> Study:
    """Find the ground truth of every audited prediction and measure it, by the cluster if there is one.

    Raises
    ------
    BadInput
        No finished audit, no ground truth, or fewer than three images that can be judged. One bad image is left out
        with its reason instead.
    """
    audit = read_finished_audit(config.audit)
    _check_choices(config)
    labels = audit.labels(fix="put the audit's model back, or audit again")
    files = audited_files(config, audit, labels, console)
    pairs = [JudgedPair(example, truth, spacing_of(audit.by_id[example.id])) for example, truth in files.pairs]
    measured, unreadable = _measure_all(pairs, config, console, cluster)
    left_out = files.left_out | unreadable
    if len(measured) < 3:
        by_rank = [(id_, left_out[id_]) for id_ in audit.by_id if id_ in left_out]
        why = commonest_reason(by_rank)
        raise BadInput(
            config.audit,
            f"has {len(measured)} predictions with readable ground truth, and it takes three to judge a ranking"
            + (f"; {why}" if why else ""),
            "name the true masks with --voc-root or --ground-truth",
        )
    quality, kept = _quality([found for _, found in measured], config.undefined)
    left_out |= {
        pair.example.id: "has no class with a defined distance"
        for (pair, _), keep in zip(measured, kept, strict=True)
        if not keep
    }
    judged = [item for item, keep in zip(measured, kept, strict=True) if keep]
    return Study(
        audit,
        labels,
        [pair.example for pair, _ in judged],
        [pair.truth for pair, _ in judged],
        quality,
        np.stack([found.features for _, found in judged]),
        [row for _, found in judged for row in found.classes],
        left_out,
        files.reader,
    )


def _check_choices(config: EvaluateConfig) -> None:
    if config.metrics_backend not in get_args(Backend) or config.undefined not in get_args(Undefined):
        raise BadInput(
            "--metrics-backend, --undefined",
            f"are {config.metrics_backend!r} and {config.undefined!r}",
            f"choose from {', '.join(get_args(Backend))} and from {', '.join(get_args(Undefined))}",
        )


def _measure_all(
    pairs: Sequence[JudgedPair], config: EvaluateConfig, console: Console | None, cluster: RayCluster | None
) -> tuple[list[tuple[JudgedPair, Measured]], dict[str, str]]:
    """Every pair with its metrics, in order; and, by id, why some could not be measured."""
    measured, unreadable = list[tuple[JudgedPair, Measured]](), dict[str, str]()
    with make_progress(console) as progress:
        task = progress.add_task("measuring", total=len(pairs))
        results = map_items(cluster, partial(measure, config.metrics_backend), pairs)
        for pair, found in zip(pairs, results, strict=True):
            if isinstance(found, BadInput):
                unreadable[pair.example.id] = str(found)
            else:
                measured.append((pair, found))
            progress.advance(task)
    return measured, unreadable


def _quality(measured: Sequence[Measured], undefined: Undefined) -> tuple[Quality, np.ndarray]:
    """Quality of the images whose distances are defined, and which those are, bool `[n]`.

    With "exclude", an image whose every class is missed or spurious has no distance at all; a correlation must not take
    it for a small one.
    """
    means = [
        reduce_classes([metrics_of_row(row) for row in item.classes], item.diagonal, undefined) for item in measured
    ]
    dice, msd, hd95 = (
        np.array([math.nan if getattr(mean, name) is None else getattr(mean, name) for mean in means], np.float64)
        for name in ("dice", "msd", "hd95")
    )
    kept = ~np.isnan(msd)
    covariates = np.stack([item.features[:COVARIATES] for item in measured])
    return Quality(dice[kept], msd[kept], hd95[kept], covariates[kept]), kept
