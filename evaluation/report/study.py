"""What is judged: the images of an audit with their ground truth, how good each prediction is, and what baselines may
look at.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from rich.console import Console

from evaluation.baselines.base import Example
from evaluation.metrics.class_table import Backend, class_rows, metrics_of_row
from evaluation.metrics.classes import reduce_classes
from evaluation.metrics.mask_features import mask_features
from evaluation.ranking.judging import Quality
from evaluation.report.config import EvaluateConfig, Undefined
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.parallel import ordered_map
from segqc.data.labels import VOID, LabelSpace
from segqc.data.listing import files_by_id, masks_by_id
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairs import Pair
from segqc.data.reader import PairReader
from segqc.data.voc import find_voc, list_images, voc_pairs
from segqc.results.table import AuditTable, is_scored, read_finished_audit, reader_of

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
    """

    audit: AuditTable
    labels: LabelSpace
    examples: list[Example]
    truths: list[Path]
    quality: Quality
    features: np.ndarray
    classes: list[dict[str, Any]]
    left_out: dict[str, str]

    @property
    def ids(self) -> list[str]:
        return [example.id for example in self.examples]


@dataclass(frozen=True)
class _Measured:
    """One image with its ground truth: the metrics of its classes, the features of its mask, its diagonal in pixels."""

    example: Example
    truth: Path
    classes: list[dict[str, Any]]
    features: np.ndarray
    diagonal: float


def make_study(config: EvaluateConfig, console: Console | None = None) -> Study:
    """Find the ground truth of every audited prediction and measure it.

    Raises
    ------
    BadInput
        No finished audit, no ground truth, or fewer than three images that can be judged. One bad image is left out
        with its reason instead.
    """
    audit = read_finished_audit(config.audit)
    _check_choices(config)
    labels = audit.labels(fix="put the audit's model back, or audit again")
    pairs, left_out = _pairs(config, audit, labels)
    measured, unreadable = _measure_all(pairs, config, console)
    left_out |= unreadable
    if len(measured) < 3:
        first = next((id_ for id_ in audit.by_id if id_ in left_out), None)  # by rank: those without a score come last
        why = "" if first is None else f"; {first}: {left_out[first]}"
        raise BadInput(
            config.audit,
            f"has {len(measured)} predictions with readable ground truth, and it takes three to judge a ranking{why}",
            "name the true masks with --voc-root or --ground-truth",
        )
    quality, kept = _quality(measured, config.undefined)
    left_out |= {
        item.example.id: "has no class with a defined distance"
        for item, keep in zip(measured, kept, strict=True)
        if not keep
    }
    judged = [item for item, keep in zip(measured, kept, strict=True) if keep]
    return Study(
        audit,
        labels,
        [item.example for item in judged],
        [item.truth for item in judged],
        quality,
        np.stack([item.features for item in judged]),
        [row for item in judged for row in item.classes],
        left_out,
    )


def _check_choices(config: EvaluateConfig) -> None:
    if config.metrics_backend not in get_args(Backend) or config.undefined not in get_args(Undefined):
        raise BadInput(
            "--metrics-backend, --undefined",
            f"are {config.metrics_backend!r} and {config.undefined!r}",
            f"choose from {', '.join(get_args(Backend))} and from {', '.join(get_args(Undefined))}",
        )


def _pairs(
    config: EvaluateConfig, audit: AuditTable, labels: LabelSpace
) -> tuple[list[tuple[Example, Path]], dict[str, str]]:
    """Predictions with their true masks, in the order of their ids; and, by id, why others have none."""
    folder, wanted = _truth_folder(config, audit), _wanted(config)
    truths, files = files_by_id(folder, MASK_SUFFIXES), _Files(config, audit, labels)
    pairs, left_out = list[tuple[Example, Path]](), dict[str, str]()
    for id_, row in sorted(audit.by_id.items()):
        found = truths.get(id_, [])
        if wanted is not None and id_ not in wanted:
            left_out[id_] = f"is not in the list {config.image_set}"
        elif not is_scored(row):
            left_out[id_] = f"was not scored: {row.get('reason') or 'it has no score'}"
        elif len(found) != 1:
            several = f"has several true masks: {', '.join(path.name for path in found)}"
            left_out[id_] = several if found else f"has no ground truth in {folder}"
        else:
            try:
                pairs.append((files.example(row), found[0]))
            except BadInput as error:
                left_out[id_] = str(error)
    return pairs, left_out


class _Files:
    """The files of each audited prediction: where the audit's table says, else in the folders of the options."""

    def __init__(self, config: EvaluateConfig, audit: AuditTable, labels: LabelSpace) -> None:
        self.config, self.audit, self.labels, self.reader = config, audit, labels, reader_of(audit, labels)
        if config.predictions is not None:
            _check_audited(config.predictions, audit)
        self.mirrored, self.second = (
            {} if given is None else masks_by_id(given) for given in (config.tta, config.second)
        )

    def example(self, row: Mapping[str, Any]) -> Example:
        """The prediction of a row; raises `BadInput` when its mask or picture is in none of these places."""
        id_ = row["id"]
        probabilities = None if self.config.probs is None else self.config.probs / f"{id_}.npz"
        return Example(
            id_,
            self._file(row, "image"),
            self._file(row, "prediction"),
            self.labels,
            probabilities if probabilities is not None and probabilities.is_file() else None,
            self.mirrored.get(id_),
            self.second.get(id_),
            self.reader,
            (int(row["width"]), int(row["height"])) if row.get("width") and row.get("height") else None,
        )

    def _file(self, row: Mapping[str, Any], column: str) -> Path:
        try:
            return self.audit.file(row, column)
        except BadInput:
            elsewhere = self._images if column == "image" else self._predictions
            if row["id"] not in elsewhere:
                raise
            return elsewhere[row["id"]]

    @cached_property
    def _images(self) -> Mapping[str, Path]:
        return {} if self.config.voc_root is None else list_images(voc_root=self.config.voc_root)[0]

    @cached_property
    def _predictions(self) -> Mapping[str, Path]:
        return {} if self.config.predictions is None else masks_by_id(self.config.predictions)


def _check_audited(predictions: Path, audit: AuditTable) -> None:
    """Raise `BadInput` where another folder was audited, unless that one is gone: then this is where it lies now."""
    recorded = audit.settings.get("predictions")
    try:
        audited = None if recorded is None else audit.locate(recorded, "--predictions")
    except BadInput:
        return
    if audited is not None and audited.resolve() != predictions.resolve():
        raise BadInput(
            predictions,
            f"is not what {audit.folder} audited, which was {audited}",
            "audit these predictions, or name those",
        )


def _measure_all(
    pairs: Sequence[tuple[Example, Path]], config: EvaluateConfig, console: Console | None
) -> tuple[list[_Measured], dict[str, str]]:
    """Metrics of every pair, in order; and, by id, why some could not be measured."""

    def measure(pair: tuple[Example, Path]) -> _Measured | BadInput:
        try:
            return _measure(*pair, config.metrics_backend)
        except BadInput as error:
            return error

    measured, unreadable = list[_Measured](), dict[str, str]()
    with make_progress(console) as progress:
        task = progress.add_task("measuring", total=len(pairs))
        for (example, _), result in zip(pairs, ordered_map(measure, pairs), strict=True):
            if isinstance(result, BadInput):
                unreadable[example.id] = str(result)
            else:
                measured.append(result)
            progress.advance(task)
    return measured, unreadable


def _measure(example: Example, path: Path, backend: Backend) -> _Measured:
    labels, mask = example.labels, example.mask()
    truth = (example.reader or PairReader(labels)).truth(path, (mask.shape[1], mask.shape[0]))
    rows = class_rows(example.id, mask, truth, labels.names, VOID, labels.background, backend=backend)
    features = mask_features(mask, labels.num_classes, labels.background, VOID)
    return _Measured(example, path, rows, features, float(np.hypot(*mask.shape)))


def _quality(measured: Sequence[_Measured], undefined: Undefined) -> tuple[Quality, np.ndarray]:
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


def training_examples(config: EvaluateConfig, labels: LabelSpace, judged: set[str]) -> tuple[list[Example], str]:
    """Pairs that baselines may learn from, none of them judged; and, where there are none, why."""
    if config.voc_root is None:
        return [], "no training pairs: give --voc-root and --train-set"
    pairs: list[Pair] = voc_pairs(config.voc_root, config.train_set)[0]
    kept = [
        Example(pair.id, pair.image, pair.mask, labels)
        for pair in pairs
        if pair.mask is not None and pair.id not in judged
    ]
    return kept, "" if kept else f"no training pairs in the list {config.train_set} that are not judged"


def _truth_folder(config: EvaluateConfig, audit: AuditTable) -> Path:
    """The folder of true masks: the one given, else the one that the audit was given."""
    truth, voc = config.ground_truth, config.voc_root
    if truth is None and voc is None:
        recorded_truth, recorded_voc = (audit.settings.get(name) for name in ("ground_truth", "voc_root"))
        truth = None if recorded_truth is None else audit.locate(recorded_truth, "--ground-truth")
        voc = None if recorded_voc is None else audit.locate(recorded_voc, "--voc-root")
    if truth is None and voc is None:
        raise BadInput(
            config.audit,
            "was given no ground truth, and neither was this command",
            "name a VOC folder with --voc-root, or true masks with --ground-truth",
        )
    folder = truth if truth is not None else find_voc(cast(Path, voc)).masks
    if not folder.is_dir():
        raise BadInput(folder, "is not a folder", "name the folder of true masks with --ground-truth")
    return folder


def _wanted(config: EvaluateConfig) -> set[str] | None:
    if config.image_set is None or config.voc_root is None:
        return None
    path = find_voc(config.voc_root).image_sets / f"{config.image_set}.txt"
    if not path.is_file():
        raise BadInput(path, "does not exist", "name a list of ImageSets/Segmentation with --image-set")
    return set(path.read_text(encoding="utf-8").split())
