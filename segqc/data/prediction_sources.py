"""What predictions are given as, with their pictures and true masks: folders, annotation files, a data set, a table."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from segqc.base.errors import BadInput
from segqc.data.instances import instance_files
from segqc.data.labels import LabelSpace
from segqc.data.layouts import find_dataset
from segqc.data.layouts.dataset import DRAWN, DataSet, pair_annotations
from segqc.data.layouts.yolo import data_file
from segqc.data.listing import passed_over
from segqc.data.mask_sources import Reading, find_annotations, holds_mask_files
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairs import Names, Problem
from segqc.data.path_tables import PathTable, is_path_table, read_path_table
from segqc.data.pictures import IMAGE_SUFFIXES
from segqc.data.predictions import (
    PictureSet,
    PredictionPairs,
    pair_predictions,
    picture_set,
    prediction_files,
    true_masks,
)

_KNOWN = (*IMAGE_SUFFIXES, *MASK_SUFFIXES)


@dataclass(frozen=True)
class PredictionSources:
    """What a command is given; see the options of `segqc audit`."""

    predictions: Path
    images: Path | None = None
    voc_root: Path | None = None
    image_set: str | None = None
    ground_truth: Path | None = None
    data: Path | None = None
    split: str | None = None
    layout: str = "auto"
    results_of: Path | None = None
    min_score: float | None = None
    names: Names = (None, None)
    leave_out: Collection[Path] = ()
    instances: Path | None = None


@dataclass(frozen=True)
class FoundPredictions:
    """Predictions as mask files.

    Attributes
    ----------
    pairs : PredictionPairs
    said : tuple of str
        What was decided, to be printed.
    labels : LabelSpace or None
        Classes by which predictions were drawn; None where they were mask files.
    truth_labels : LabelSpace or None
        Classes that a data set names for its own true masks.
    predictions, ground_truth : Path or None
        Where later commands find the masks: what was given, or the folder in which they were drawn.
    instances : Path or None
        The same of the maps of instance ids.
    """

    pairs: PredictionPairs
    said: tuple[str, ...] = ()
    labels: LabelSpace | None = None
    truth_labels: LabelSpace | None = None
    predictions: Path | None = None
    ground_truth: Path | None = None
    instances: Path | None = None


def are_drawn(sources: PredictionSources) -> bool:
    """Whether masks have to be drawn first: a data set or annotations were given, not folders of mask files alone."""
    given = [path for path in (sources.predictions, sources.ground_truth) if path is not None and path.exists()]
    return sources.data is not None or not all(_is_table(path) or holds_mask_files(path) for path in given)


def find_predictions(sources: PredictionSources, labels: LabelSpace | None, work: Path) -> FoundPredictions:
    """Pair predictions with their pictures and true masks.

    Parameters
    ----------
    sources : PredictionSources
    labels : LabelSpace or None
        Classes by which annotations are drawn; None: those that they name.
    work : Path
        Folder below which masks of annotations are drawn.

    Raises
    ------
    BadInput
        Something is not there or of no known kind, or the pictures are named twice or not at all.
    """
    predictions = sources.predictions.expanduser()
    table = read_path_table(predictions, sources.split, whole=True) if _is_table(predictions) else None
    pictures, dataset, said = _pictures(sources, table, work)
    truth_folder = sources.ground_truth
    if sources.ground_truth is not None:
        pictures, truth_folder, lines = _with_truths(pictures, sources.ground_truth.expanduser(), sources, labels, work)
        said += lines
    if table is not None:
        files = {row.id: [row.prediction] for row in table.rows if row.prediction is not None}
        pairs = pair_predictions(predictions.parent, files, pictures)
        pairs.problems.extend(table.problems)
        pairs = _with_instances(pairs, sources.instances)
        return FoundPredictions(pairs, tuple(said), None, None, predictions, truth_folder, sources.instances)
    truth_labels = None if dataset is None or sources.ground_truth is not None else dataset.labels
    reading = Reading(_results_of(sources, dataset), sources.min_score, predicted=True)
    annotations = find_annotations(predictions, pictures.known, reading)
    if annotations is None:
        files = prediction_files(predictions, sources.leave_out)
        pairs = _with_instances(pair_predictions(predictions, files, pictures, sources.names), sources.instances)
        return FoundPredictions(pairs, tuple(said), None, truth_labels, predictions, truth_folder, sources.instances)
    if sources.instances is not None:
        raise BadInput("--instances", "is not needed: annotations bring their own ids", "leave it out")
    folder, ids = work / DRAWN / "predictions", work / DRAWN / "instances"
    drawn = pair_annotations("", annotations, pictures.known, folder, labels, instances=ids)
    pairs = pair_predictions(folder, _masks(drawn), pictures)
    pairs.problems.extend(drawn.problems)
    found = instance_files(ids, [pair.id for pair in pairs.pairs]) if ids.is_dir() else {}
    pairs.pairs[:] = [dataclasses.replace(pair, instances=found.get(pair.id)) for pair in pairs.pairs]
    said += [f"predictions of {annotations.path}: {line}" for line in drawn.said]
    said += [f"instances: {len(found):,} masks keep the ids of their objects"] if found else []
    return FoundPredictions(
        pairs, tuple(said), drawn.labels, truth_labels, folder, truth_folder, ids if found else None
    )


def _with_instances(pairs: PredictionPairs, folder: Path | None) -> PredictionPairs:
    """The pairs with their maps of instance ids; one that has none is a problem."""
    if folder is None:
        return pairs
    found = instance_files(folder.expanduser(), [pair.id for pair in pairs.pairs])
    without = [pair for pair in pairs.pairs if pair.id not in found]
    problems = [
        Problem(pair.id, pair.mask or pair.image, f"has no instance mask in {folder}", (0, 1)) for pair in without
    ]
    kept = [dataclasses.replace(pair, instances=found[pair.id]) for pair in pairs.pairs if pair.id in found]
    return PredictionPairs(kept, [*pairs.problems, *problems], pairs.images_without_prediction)


def _is_table(path: Path) -> bool:
    return path.is_file() and is_path_table(path)


def _pictures(
    sources: PredictionSources, table: PathTable | None, work: Path
) -> tuple[PictureSet, DataSet | None, list[str]]:
    """The pictures, the data set that they are of if one was given, and what to say."""
    folders = sources.images, sources.voc_root
    if sources.data is not None or table is not None:
        named = sum(source is not None for source in (*folders, sources.data, table))
        if named > 1:
            what = "--data" if sources.data is not None else "the table"
            raise BadInput("images", f"are named twice: {what} has them", "leave out --images, --voc-root or --data")
    if table is not None:
        if "prediction" not in table.columns:
            found = ", ".join(table.columns.values())
            raise BadInput(sources.predictions, f"has no column of predictions (it has {found})", "name it prediction")
        known = {row.id: row.image for row in table.rows}
        truths = {row.id: [row.mask] for row in table.rows if row.mask is not None}
        return PictureSet(known, list(known), truths), None, list(table.said)
    if sources.data is None:
        pictures = picture_set(*folders, None, sources.image_set, sources.leave_out)
        others = () if sources.images is None else passed_over(sources.images.expanduser(), _KNOWN, sources.leave_out)
        return pictures, None, list(others)
    dataset = find_dataset(sources.data, sources.split, work / "data", sources.layout)
    known, lines = dataset.image_files, [f"layout {dataset.layout}", *dataset.said]
    unusable = {problem.id: problem.reason for problem in dataset.problems if problem.id not in known}
    return PictureSet(known, list(known), _masks(dataset), unusable), dataset, lines


def _with_truths(
    pictures: PictureSet, path: Path, sources: PredictionSources, labels: LabelSpace | None, work: Path
) -> tuple[PictureSet, Path, list[str]]:
    """The pictures with the true masks of a folder or of annotations, their folder, and what to say."""
    annotations = find_annotations(path, pictures.known, Reading(sources.results_of))
    if annotations is None:
        truths = true_masks(path, pictures.known, sources.leave_out)
        return dataclasses.replace(pictures, truths=truths), path, []
    folder = work / DRAWN / "ground_truth"
    drawn = pair_annotations("", annotations, pictures.known, folder, labels)
    lines = [f"ground truth of {path}: {line}" for line in (*drawn.said, *_counted(drawn.problems))]
    return dataclasses.replace(pictures, truths=_masks(drawn)), folder, lines


def _masks(dataset: DataSet) -> dict[str, list[Path]]:
    return {pair.id: [pair.mask] for pair in dataset.pairs if pair.mask is not None}


def _counted(problems: Collection[Problem]) -> list[str]:
    """A line on true masks that there are not: a prediction without one is scored nonetheless."""
    first = next(iter(problems), None)
    return [] if first is None else [f"{len(problems)} cannot be used; for example {first.id}: {first.reason}"]


def _results_of(sources: PredictionSources, dataset: DataSet | None) -> Path | None:
    """The file to which results refer: the one given, else a file of true masks, else the data set's own."""
    if sources.results_of is not None:
        return sources.results_of
    if sources.ground_truth is not None and sources.ground_truth.is_file():
        return sources.ground_truth
    if sources.data is None:
        return None
    annotations = None if dataset is None else dataset.annotations
    return annotations if annotations is not None and annotations.is_file() else data_file(sources.data)
