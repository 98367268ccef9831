"""The look that opens a training: how its masks and pictures are read, decided before the run's folder is claimed."""

import dataclasses
from collections.abc import Sequence

from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.journal import Journal
from segqc.data.inspection.look import Look, look
from segqc.data.inspection.rules import class_masks
from segqc.model.config import FEW_PICTURES
from segqc.training.config import TrainConfig
from segqc.training.pairs import TrainingSource

_LISTED = 24  # names on a line of the screen


def look_first(config: TrainConfig, source: TrainingSource, console: Console | None) -> TrainingSource:
    """The source with its classes and pictures as they are to be read, after a look at every file.

    What is found is kept in `training/looked.jsonl`; files that have not changed since are not opened again. Decisions
    and warnings are printed.

    Raises
    ------
    BadInput
        The masks can be read in two ways, or none of them can be read.
    """
    # slices of volumes are written by that range, and read as they are stored
    options = dataclasses.replace(config, intensity=None) if source.volumes else config
    where = config.masks or config.voc_root or config.data or "training data"
    with Journal(config.out / "training" / "looked.jsonl", {}) as journal, make_progress(console) as progress:
        task = progress.add_task("looking at files", total=len(source.pairs), visible=bool(source.pairs))
        found = look(
            source.pairs, source.labels, options, where, journal=journal, advance=lambda: progress.advance(task)
        )
    background = found.labels.background
    named = "none" if background is None else found.labels.names[background]
    said = (*source.said, *found.said, f"background: {named}")
    if console is not None:
        for line in (*said, *pictures_per_class(found)):
            console.print(line, soft_wrap=True, highlight=False)
    pictures = dataclasses.replace(found.reading, volume_intensity=source.pictures.volume_intensity)
    return dataclasses.replace(source, labels=found.labels, pictures=pictures, said=said, looked_at=True)


def pictures_per_class(found: Look) -> list[str]:
    """Lines on how many pictures each class has, and on classes with few.

    Parameters
    ----------
    found : Look
        At all pairs.
    """
    labels, counts = found.labels, class_masks(found.survey, found.labels)
    shown = [f"{labels.name(index)} {counts[index]}" for index in sorted(counts, key=lambda index: -counts[index])]
    lines = [f"pictures per class, of {len(found.survey.readable)}: {_some(shown)}"] if shown else []
    few = sorted((counts[index], index) for index in labels.foreground if 0 < counts.get(index, 0) < FEW_PICTURES)
    if few:
        named = _some([f"{labels.name(index)} ({count})" for count, index in few])
        lines.append(f"hardly seen, in fewer than {FEW_PICTURES} pictures: {named}; scores of such masks are a guess")
    return lines


def _some(names: Sequence[str]) -> str:
    """The first of a list of names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
