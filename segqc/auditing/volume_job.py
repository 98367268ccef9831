"""Predicted volumes as an audit's job: their slices, written in the audit's folder."""

import dataclasses

from accelerate import Accelerator
from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.folder import SLICES, claimed, written_paths
from segqc.auditing.job import AuditJob
from segqc.base.console import make_progress, print_warnings
from segqc.base.errors import BadInput
from segqc.data.choices import patterns
from segqc.data.volumes.find import find_volumes
from segqc.data.volumes.sets import slice_volumes
from segqc.data.volumes.slices import SliceFolders
from segqc.model.folder import load_config


def volume_job(config: AuditConfig, accelerator: Accelerator, console: Console | None) -> tuple[AuditConfig, AuditJob]:
    """Write the slices of predicted volumes, of their pictures and of their true labels to `config.out`.

    Pictures are written by the range of intensities that the model was trained with, unless `config.intensity` is given
    or the model knows of none.

    Returns
    -------
    AuditConfig
        The configuration for the slices: their folders, which later commands read, in place of those of the volumes.
    AuditJob

    Raises
    ------
    BadInput
        No pictures are named, a folder holds no volumes, nibabel is not installed, the model cannot be read, or
        `config.out` is somebody else's.
    """
    if config.images is None:
        raise BadInput("--images", "is not given", "predictions are volumes: name the folder of their pictures")
    found = find_volumes(
        config.images,
        config.predictions,
        config.ground_truth,
        patterns(config),
        written_paths(config.out),
        what="prediction",
    )
    intensity = config.intensity or load_config(config.model).picture_reading.volume_intensity
    folders = SliceFolders(config.out / SLICES, "predictions")
    console = console if accelerator.is_main_process else None
    with claimed(config.out, accelerator), accelerator.main_process_first(), make_progress(console) as progress:
        task = progress.add_task("slicing volumes", total=len(found.volumes))
        sliced = slice_volumes(found, folders, intensity, lambda: progress.advance(task))
    if console is not None:
        for line in sliced.said:
            console.print(line, soft_wrap=True, highlight=False)
        if intensity is None:
            print_warnings(
                [
                    "the model was trained on pictures, not on volumes, and knows no range of intensities: that of "
                    "these volumes is used; --intensity LOW,HIGH sets it"
                ]
            )
    sources = {"predictions": config.predictions, "images": config.images, "ground_truth": config.ground_truth}
    facts = {name: None if path is None else str(path) for name, path in sources.items()}
    job = AuditJob(
        sliced.pairs,
        list(sliced.problems),
        (config.model,),
        f"Audit of {config.predictions.name or config.predictions}",
        without=found.without_labels,
        facts={"volume_sources": facts | {"intensity": list(sliced.intensity)}},
        predictions=True,
        volumes=sliced.volumes,
    )
    compared = any(volume.compared for volume in sliced.volumes)
    truths = folders.truths if compared else None
    # the range of intensities is used up: slices are read as they are stored
    config = dataclasses.replace(
        config, predictions=folders.masks, images=folders.images, ground_truth=truths, intensity=None
    )
    return config, job
