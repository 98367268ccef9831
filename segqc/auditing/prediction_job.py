"""Predictions as an audit's job: paired with their pictures, and drawn first where they are annotations."""

import dataclasses
from pathlib import Path

from segqc.auditing.config import AuditConfig
from segqc.auditing.folder import written_paths
from segqc.auditing.job import AuditJob
from segqc.base.errors import BadInput
from segqc.data.choices import adjusted, patterns
from segqc.data.label_files import parse_classes
from segqc.data.label_names import class_of, in_files_of
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.prediction_sources import PredictionSources, find_predictions
from segqc.data.voc import find_voc
from segqc.model.folder import load_config


def prediction_sources(config: AuditConfig) -> PredictionSources:
    """What the configuration names."""
    return PredictionSources(
        config.predictions,
        config.images,
        config.voc_root,
        config.image_set,
        _ground_truth(config),
        config.data,
        config.split,
        config.layout,
        config.results_of,
        config.min_score,
        patterns(config),
        written_paths(config.out),
        config.instances,
    )


def prediction_job(config: AuditConfig, sources: PredictionSources) -> tuple[AuditConfig, AuditJob]:
    """The predictions, all to be scored by the configuration's model.

    Returns
    -------
    AuditConfig
        The configuration, with the folder of drawn masks, which later commands read, in place of annotations.
    AuditJob

    Raises
    ------
    BadInput
        As for `find_predictions`, or the model cannot be read.
    """
    labels = load_config(config.model).label_space
    found = find_predictions(sources, adjusted(labels, config), config.out)
    named = config.predictions
    facts = {}
    if found.predictions not in (None, named) or found.ground_truth != sources.ground_truth:
        given = {"predictions": named, "ground_truth": config.ground_truth}
        facts = {"mask_sources": {name: None if path is None else str(path) for name, path in given.items()}}
    truths, lines = (None, ()) if found.truth_labels is None else read_truths(labels, found.truth_labels)
    job = AuditJob(
        found.pairs.pairs,
        found.pairs.problems,
        (config.model,),
        f"Audit of {named.name or named}",
        without=found.pairs.images_without_prediction,
        facts=facts,
        predictions=True,
        said=(*found.said, *lines),
        prediction_labels=_read_predictions(labels, config.prediction_classes),
        truth_labels=truths,
    )
    truth = found.ground_truth if config.ground_truth is not None else None
    predictions = found.predictions or named
    return dataclasses.replace(config, predictions=predictions, ground_truth=truth, instances=found.instances), job


def _read_predictions(labels: LabelSpace, classes: str | None) -> LabelSpace | None:
    """How predicted masks of these classes are read, None by the model's values.

    Raises
    ------
    BadInput
        A class is none of the model's: a pixel that is predicted as one cannot be scored.
    """
    if classes is None:
        return None
    files = parse_classes(classes)
    strange = [name for name in files.names if class_of(name, labels) is None]
    if strange:
        known = f"its classes are {', '.join(labels.names)}"
        fix = "map their values to one of them, such as the background, or train a model of these classes"
        raise BadInput("--prediction-classes", f"the model has no class {', '.join(strange)}; {known}", fix)
    return in_files_of(labels, files)


def read_truths(labels: LabelSpace, files: LabelSpace) -> tuple[LabelSpace | None, tuple[str, ...]]:
    """How a data set's own true masks are read, None by the model's numbers; and what to say of it.

    A folder in Pascal VOC's layout that names no classes may hold any: the model's numbers count there.
    """
    theirs = [files.names[index] for index in files.foreground]
    strange = [name for name in theirs if class_of(name, labels) is None]
    if files is VOC_LABELS or len(strange) == len(theirs):
        by_number = "ground truth: read by the model's numbers, since its data set does not name the model's classes"
        return None, () if files.names == labels.names else (by_number,)
    if not strange:
        return in_files_of(labels, files), ()
    said = f"ground truth: classes that the model does not have count as background: {', '.join(strange)}"
    return in_files_of(labels, files), (said,)


def _ground_truth(config: AuditConfig) -> Path | None:
    """The folder of true masks, if there is one."""
    if config.ground_truth is None and config.voc_root is not None:
        masks = find_voc(config.voc_root).masks
        return masks if masks.is_dir() and any(masks.iterdir()) else None
    return config.ground_truth
