"""Predicted volumes as an audit's job: their slices, written in the audit's folder."""

import dataclasses
from pathlib import Path

from accelerate import Accelerator
from rich.console import Console

from segqc.auditing.config import AuditConfig
from segqc.auditing.folder import SLICES, claimed, written_paths
from segqc.auditing.job import AuditJob
from segqc.base.console import print_warnings
from segqc.base.errors import BadInput
from segqc.data.choices import patterns
from segqc.data.layouts.nnunet import volume_folders
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
    images, truths = _folders(config)
    found = find_volumes(
        images,
        config.predictions,
        truths,
        patterns(config),
        written_paths(config.out),
        what="prediction",
    )
    intensity = config.intensity or load_config(config.model).picture_reading.volume_intensity
    folders = SliceFolders(config.out / SLICES, "predictions")
    console = console if accelerator.is_main_process else None
    with claimed(config.out, accelerator), accelerator.main_process_first():
        sliced = slice_volumes(found, folders, intensity, console)
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
    sources = {"predictions": config.predictions, "images": images, "ground_truth": truths}
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
    config = dataclasses.replace(
        config,
        predictions=folders.masks,
        images=folders.images,
        ground_truth=folders.truths if compared else None,
        data=None,
        intensity=None,  # it is used up: slices are read as they are stored
    )
    return config, job


def _folders(config: AuditConfig) -> tuple[Path, Path | None]:
    """Folders of pictures and of true labels."""
    if config.images is not None:
        return config.images, config.ground_truth
    if config.data is None:
        raise BadInput("--images", "is not given", "predictions are volumes: name the folder of their pictures")
    found = volume_folders(config.data.expanduser(), config.split)
    if found is None:
        fix = "name a data set in nnU-Net's layout, or folders with --images and --ground-truth"
        raise BadInput(config.data, "holds no volumes in a known layout, but the predictions are volumes", fix)
    return found[0], config.ground_truth or found[1]
