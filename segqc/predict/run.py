"""Masks for a folder of images: what an audit is fed with.

No batches, because images differ in size: on a CPU several images at a time, with one thread of arithmetic each. A run
may be killed and repeated: masks that are there are not made
again. The workers of a Ray cluster do the same with the same function.
"""

import dataclasses
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segqc.base.devices import find_device
from segqc.base.errors import BadInput
from segqc.base.files import read_json, write_json
from segqc.base.ray_cluster import ray_cluster
from segqc.base.storage.paths import as_path
from segqc.data.inspection.survey import commonest_reason
from segqc.data.listing import passed_over
from segqc.data.pairs import Problem
from segqc.data.pictures import IMAGE_SUFFIXES
from segqc.data.voc import list_images
from segqc.predict.config import PredictConfig
from segqc.predict.segmenter import Segmenter, load_segmenter
from segqc.predict.worker import MaskFolder, Outcome, predict_images, start_worker


@dataclass(frozen=True)
class PredictSummary:
    """Masks written and skipped (they were there), and a row (id, image, reason) for each image that has none.

    `passed_over` is a line on the files that are no images, if there are any.
    """

    out: Path
    written: int
    skipped: int
    failed: list[dict[str, str]]
    passed_over: tuple[str, ...] = ()


def predict(config: PredictConfig, console: Console | None = None) -> PredictSummary:
    """Predict masks for a folder of images.

    Bad images are rows of the summary and of ``predict.json``, not errors.

    Parameters
    ----------
    config : PredictConfig
    console : Console or None
        Where the progress bar goes; None: the terminal.

    Raises
    ------
    BadInput
        When there are no images or no such device, the weights cannot be had or do not fit, `out` holds the masks of
        another model, or no image could be predicted.
    """
    images, problems = list_images(
        config.images, config.voc_root, None if config.voc_root is None else config.image_set
    )
    out = _out_folder(config)
    with ray_cluster(config.ray_address, config.device) if config.engine == "ray" else nullcontext() as cluster:
        device = str(find_device(config.device)) if cluster is None else cluster.device
        segmenter = load_segmenter(config.model, config.weights, config.num_classes, config.resize)
        run = _Run(config, out, segmenter, device, problems)
        run.claim_folder(images)
        run.write_note(complete=False)
        if cluster is None:
            segmenter.model.to(device)
            outcomes = predict_images(segmenter, run.folder, images.items())
        else:
            start = partial(start_worker, config, run.folder, segmenter.weights_id)
            outcomes = cluster.map(start, list(images.items()))
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console) as progress:
            for outcome in progress.track(outcomes, len(images), description="Predicting"):
                run.count(outcome)
    run.failed.sort(key=lambda row: row["id"])  # Ray's workers end in any order
    run.write_note(complete=True)
    if not run.written and not run.skipped:
        why = commonest_reason([(failed["image"], failed["reason"]) for failed in run.failed])
        raise BadInput(
            config.images or config.voc_root or "images",
            f"nothing could be predicted; {why}",
            f"all reasons are in {out / 'predict.json'}",
        )
    others = () if config.images is None else passed_over(config.images.expanduser(), IMAGE_SUFFIXES)
    return PredictSummary(out, run.written, run.skipped, run.failed, others)


class _Run:
    """A folder of masks while it is written: what is done, and the note ``predict.json`` that says so.

    Parameters
    ----------
    config : PredictConfig
    out : Path
        The folder.
    segmenter : Segmenter
    device : str
    problems : list of Problem
        Images that cannot be used, known before the first is read.
    """

    def __init__(
        self, config: PredictConfig, out: Path, segmenter: Segmenter, device: str, problems: list[Problem]
    ) -> None:
        self.config, self.out, self.segmenter = config, out, segmenter
        self.folder = MaskFolder(out, config.probs)
        self.settings = {**dataclasses.asdict(config), "device": device}
        self.made_by = {"model": config.model, "weights": segmenter.weights_id, "resize": config.resize}
        self.written = self.skipped = 0
        self.failed = [{"id": problem.id, "image": str(problem.path), "reason": problem.reason} for problem in problems]

    def claim_folder(self, ids: Iterable[str]) -> None:
        """See that the masks in the folder were made the same way; with `overwrite`, delete those of `ids` instead.

        All of them go before the first is written: after a kill, what is there is known to be new.

        Raises
        ------
        BadInput
            The folder holds the masks of another model.
        """
        if not self.config.overwrite:
            _check_maker(self.out / "predict.json", self.made_by)
            return
        for id_ in ids:
            self.folder.mask(id_).unlink(missing_ok=True)
            self.folder.probs(id_).unlink(missing_ok=True)

    def count(self, outcome: Outcome) -> None:
        """Note what became of an image."""
        if outcome.failure is not None:
            self.failed.append({"id": outcome.id, "image": str(outcome.path), "reason": outcome.failure})
        elif outcome.is_new:
            self.written += 1
        else:
            self.skipped += 1

    def write_note(self, complete: bool) -> None:
        """Write ``predict.json``."""
        counts = {"written": self.written, "skipped": self.skipped, "failed": len(self.failed)}
        note = {
            "complete": complete,
            "made_by": self.made_by,
            "labels": self.segmenter.labels.to_dict(),
            "counts": counts,
            "failed": self.failed,
            "config": self.settings,
        }
        write_json(self.out / "predict.json", note)


def _out_folder(config: PredictConfig) -> Path:
    """The folder to write to; refused where its masks would be taken for images."""
    out = as_path(config.out).expanduser()
    if config.images is not None and out.resolve().is_relative_to(as_path(config.images).expanduser().resolve()):
        raise BadInput(
            out, "lies in the folder of images, where masks would be taken for images", "choose another --out"
        )
    return out


def _check_maker(note: Path, made_by: dict[str, Any]) -> None:
    """Refuse to fill up a folder with masks of another model."""
    if not note.exists():
        return
    content = read_json(note)
    before = content.get("made_by") if isinstance(content, dict) else None
    if before != made_by:
        raise BadInput(
            note,
            f"says the masks here were made by {before}, not {made_by}",
            "choose another --out or pass --overwrite",
        )
