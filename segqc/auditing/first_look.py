"""The look that opens an audit: how predictions, true masks and pictures are read."""

import dataclasses
from collections.abc import Sequence

from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.job import AuditJob
from segqc.data.choices import adjusted, picture_reading
from segqc.data.inspection.look import LOOKED_AT, look
from segqc.data.inspection.survey import draw_pairs
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
    found = look(drawn, adjusted(labels, config), known, config.predictions, predictions=True)
    compared = [Pair(pair.id, pair.image, pair.ground_truth) for pair in drawn if pair.ground_truth is not None]
    truths, said = _truths(compared, job.truth_labels or labels, config)
    if console is not None:
        for line in (*job.said, *found.said, *said):
            console.print(line, soft_wrap=True, highlight=False)
    pictures = found.reading if trained == AS_STORED else picture_reading(known)
    return PairReader(labels, found.labels, truths, pictures, config.strict_size)


def _truths(pairs: Sequence[Pair], labels: LabelSpace, config: AuditConfig) -> tuple[LabelSpace | None, list[str]]:
    """How the true masks are read; None where there are none."""
    if not pairs:
        return None, []
    found = look(
        pairs,
        labels,
        DataOptions(),
        config.ground_truth or config.voc_root or config.data or "ground truth",
        pictures=False,
    )
    return found.labels, [f"ground truth: {line}" for line in found.settled.said]
