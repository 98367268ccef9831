"""`segqc inspect`: find a data set's pairs, look at every file, and say what is suspicious."""

import dataclasses
from pathlib import Path

from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.data.choices import adjusted, patterns, raise_limit
from segqc.data.inspection.config import InspectConfig
from segqc.data.inspection.look import Look, look
from segqc.data.inspection.screen import print_inspection
from segqc.data.inspection.suspicion import MaskRole
from segqc.data.label_files import parse_classes
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.layouts import find_dataset
from segqc.data.layouts.dataset import DataSet, of_slices
from segqc.data.listing import passed_over
from segqc.data.mask_sources import annotated_pairs
from segqc.data.masks import MASK_SUFFIXES
from segqc.data.pairs import Problem, folder_pairs
from segqc.data.pictures import IMAGE_SUFFIXES
from segqc.data.prediction_sources import PredictionSources, find_predictions
from segqc.data.voc import voc_pairs
from segqc.data.volumes.files import holds_volumes
from segqc.data.volumes.find import FoundVolumes, find_volumes

_MOST_CLASSES = 255


def inspect(config: InspectConfig, console: Console | None = None) -> Look:
    """Look at a data set.

    Parameters
    ----------
    config : InspectConfig
    console : Console, optional
        Where the screen and progress go; None is silent.

    Returns
    -------
    Look
        Facts, suspicions, and the reading that other commands would use.

    Raises
    ------
    BadInput
        Not exactly one kind of source, or nothing there.
    """
    raise_limit(config)
    found = _found(config, console)
    labels = parse_classes(config.classes) if config.classes else found.labels
    where = config.data or config.predictions or config.masks or config.voc_root or "data"
    with Journal(config.work / "looked.jsonl", {}) as journal, make_progress(console) as progress:
        task = progress.add_task("looking at files", total=len(found.pairs), visible=bool(found.pairs))
        seen = look(
            found.pairs,
            adjusted(labels or _unnamed(), config),
            dataclasses.replace(config, intensity=None) if found.volumes else config,
            where,
            role=MaskRole(predictions=config.predictions is not None),
            journal=journal,
            advance=lambda: progress.advance(task),
            refuse=False,
        )
    if labels is None:  # without names, only what concerns the files themselves can be suspected
        of_files = {"unreadable masks", "labels in alpha", "turned pictures", "sizes differ", "lossy masks"}
        kept = tuple(found_ for found_ in seen.settled.suspicions if found_.kind in of_files)
        seen = dataclasses.replace(seen, settled=dataclasses.replace(seen.settled, said=(), suspicions=kept))
    if console is not None:
        said = (f"layout: {found.layout}", *found.said) if found.layout else found.said
        print_inspection(console, seen, found.pairs, found.problems, labels is not None, said)
    return seen


def _unnamed() -> LabelSpace:
    """As many classes as a mask of 8 bits can hold."""
    return LabelSpace(tuple(f"class {value}" for value in range(_MOST_CLASSES)), void_stated=False)


def _found(config: InspectConfig, console: Console | None) -> DataSet:
    """The pairs that the configuration names."""
    masks = config.predictions or config.masks
    if config.images is not None and masks is not None and holds_volumes(masks):
        volumes = _volumes(config, config.images, masks)
        return of_slices("volumes", volumes, config.work, config.intensity, console=console)
    labels = adjusted(parse_classes(config.classes), config) if config.classes else None
    if config.predictions is not None:
        return _predicted(config, config.predictions, labels)
    if config.data is not None:
        settings = config.split, config.work, config.layout, config.intensity
        return find_dataset(config.data, *settings, labels, console)
    if config.voc_root is not None:
        found = voc_pairs(config.voc_root, config.image_set)
        return DataSet("voc", tuple(found[0]), tuple(found[1]), VOC_LABELS)
    if config.images is None or config.masks is None:
        fix = "give --data, --voc-root, or --images together with --masks or --predictions"
        raise BadInput("data", "no data was named", fix)
    drawn = annotated_pairs(config.images, config.masks, config.work, labels)
    if drawn is not None:
        return drawn
    found = folder_pairs(config.images, config.masks, names=patterns(config))
    known, folders = (*IMAGE_SUFFIXES, *MASK_SUFFIXES), dict.fromkeys((config.images, config.masks))
    said = tuple(line for folder in folders for line in passed_over(folder.expanduser(), known))
    return DataSet("", tuple(found[0]), tuple(found[1]), said=said)


def _volumes(config: InspectConfig, images: Path, masks: Path) -> FoundVolumes:
    what = "mask" if config.predictions is None else "prediction"
    return find_volumes(images, masks, names=patterns(config), what=what)


def _predicted(config: InspectConfig, predictions: Path, labels: LabelSpace | None) -> DataSet:
    """Predictions with their pictures."""
    sources = PredictionSources(
        predictions,
        config.images,
        config.voc_root,
        data=config.data,
        split=config.split,
        layout=config.layout,
        results_of=config.results_of,
        min_score=config.min_score,
        names=patterns(config),
    )
    found = find_predictions(sources, labels or (VOC_LABELS if config.voc_root is not None else None), config.work)
    own = found.labels or found.truth_labels or (VOC_LABELS if config.voc_root is not None else None)
    without = [Problem(id_, Path(id_), "has no prediction", (1, 0)) for id_ in found.pairs.images_without_prediction]
    return DataSet("", tuple(found.pairs.pairs), (*found.pairs.problems, *without), own, found.said)
