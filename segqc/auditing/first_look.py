"""The look that opens an audit: how predictions, true masks and pictures are read."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.job import AuditJob
from segqc.data.choices import adjusted, picture_reading
from segqc.data.inspection.look import LOOKED_AT, look
from segqc.data.inspection.survey import draw_pairs
from segqc.data.inspection.suspicion import MaskRole
from segqc.data.labels import LabelSpace
from segqc.data.options import DataOptions
from segqc.data.pairs import Pair
from segqc.data.pictures import AS_STORED
from segqc.data.reader import PairReader
from segqc.model.config import ModelConfig


def reader_of(config: AuditConfig, model: ModelConfig, job: AuditJob, console: Console | None) -> PairReader:
    """How the files of an audit are read, after a look at up to 200 pairs drawn by seed.

    Pictures are read as they were in training, unless an option says otherwise.

    Parameters
    ----------
    config : AuditConfig
    model : ModelConfig
    job : AuditJob
        Its masks are predictions, or true masks, which are read as in training.
    console : Console or None
        Where decisions and warnings are printed.

    Raises
    ------
    BadInput
        The masks can be read in two ways, or none can be read.
    """
    labels = model.label_space
    # slices of volumes are read as they are stored: they were written by the volumes' range of intensities
    of_slices = job.volumes is not None
    trained = AS_STORED if of_slices else dataclasses.replace(model.picture_reading, volume_intensity=None)
    if not job.predictions:
        return PairReader(labels, pictures=trained, strict_size=True)
    known = dataclasses.replace(
        config, intensity=config.intensity or trained.intensity, bands=config.bands or trained.bands
    )
    if trained.upright and config.exif == "auto":
        known = dataclasses.replace(known, exif="upright")
    drawn = draw_pairs(job.pairs, LOOKED_AT)
    expected = adjusted(job.prediction_labels or labels, config)
    found = look(drawn, expected, known, config.predictions, role=MaskRole(True, "--prediction-classes"))
    where = config.ground_truth or config.voc_root or config.data or "ground truth"
    truths, said = look_at_truths(drawn, job.truth_labels or labels, where)
    if console is not None:
        for line in (*job.said, *found.said, *said):
            console.print(line, soft_wrap=True, highlight=False)
    pictures = found.reading if trained == AS_STORED else picture_reading(known)
    return PairReader(labels, found.labels, truths, pictures, config.strict_size)


def look_at_truths(pairs: Sequence[Pair], labels: LabelSpace, where: Path | str) -> tuple[LabelSpace | None, list[str]]:
    """How true masks are read, after a look at up to 200 of the pairs that have one, drawn by seed; and what to print.

    Parameters
    ----------
    pairs : sequence of Pair
    labels : LabelSpace
        The model's classes, with the values that stood for them in training.
    where : Path or str
        Folder or option that errors name.

    Returns
    -------
    LabelSpace or None
        None where no pair has a true mask.
    list of str

    Raises
    ------
    BadInput
        The masks can be read in two ways, or none can be read.
    """
    known = [Pair(pair.id, pair.image, pair.ground_truth) for pair in pairs if pair.ground_truth is not None]
    if not known:
        return None, []
    found = look(draw_pairs(known, LOOKED_AT), labels, DataOptions(), where, pictures=False)
    return found.labels, [f"ground truth: {line}" for line in found.settled.said]
