"""The look that opens a training: how its masks and pictures are read, decided before the run's folder is claimed."""

import dataclasses

from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.journal import Journal
from segqc.data.inspection.look import look
from segqc.training.config import TrainConfig
from segqc.training.pairs import TrainingSource


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
        for line in said:
            console.print(line, soft_wrap=True, highlight=False)
    pictures = dataclasses.replace(found.reading, volume_intensity=source.pictures.volume_intensity)
    return dataclasses.replace(source, labels=found.labels, pictures=pictures, said=said, looked_at=True)
