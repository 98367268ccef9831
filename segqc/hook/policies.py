"""What happens to predictions that were judged in a pipeline: call back, raise, write to a review folder.

`handle.last` is there in any case.
"""

import csv
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from segqc.base.files import atomic_path, write_json
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask
from segqc.results.schema import REVIEW_COLUMNS, names
from segqc.verdict import Decision, Verdict

SUSPECT: tuple[Decision, ...] = ("review", "fail")


@dataclass(frozen=True)
class Inspection:
    """One judged prediction.

    Attributes
    ----------
    number : int
        Predictions that the hook had seen before it.
    image : ndarray `[H, W, 3]` uint8, or None
        The picture that the network saw, with the normalisation undone; None if it could not be read, which
        `verdict.error` tells.
    mask : ndarray `[H, W]` uint8, or None
        In the quality model's classes, 255 where void; None if there is none, as for scores that are NaN.
    verdict : Verdict
    """

    number: int
    image: np.ndarray | None
    mask: np.ndarray | None
    verdict: Verdict


class Policy(Protocol):
    """Called with the judged predictions of a forward pass, in their order; in the background with one at a time."""

    needs_decision: bool

    def __call__(self, inspections: Sequence[Inspection]) -> None: ...


class QualityAlarm(RuntimeError):
    """Raised by the policy "raise": the pipeline's last predictions are not to be used.

    Attributes
    ----------
    inspections : list of Inspection
        Those that were suspect.
    """

    def __init__(self, inspections: Sequence[Inspection]) -> None:
        super().__init__("; ".join(f"prediction {item.number}: {item.verdict}" for item in inspections))
        self.inspections = list(inspections)


@dataclass(frozen=True)
class Callback:
    """Call a function with every judged prediction, suspect or not."""

    function: Callable[[Inspection], Any]
    needs_decision = False

    def __call__(self, inspections: Sequence[Inspection]) -> None:
        for inspection in inspections:
            self.function(inspection)


@dataclass(frozen=True)
class Raise:
    """Raise `QualityAlarm` when a decision is among `on`, after all other policies."""

    on: tuple[Decision, ...] = ("fail",)
    needs_decision = True

    def __call__(self, inspections: Sequence[Inspection]) -> None:
        suspect = [item for item in inspections if item.verdict.decision in self.on]
        if suspect:
            raise QualityAlarm(suspect)


class ReviewFolder:
    """Write suspect predictions to a folder that `segqc gallery`, `segqc export` and `segqc monitor` read.

    ``scores.csv`` gets a row for every judged prediction; ``images/``, ``predictions/`` and ``heatmaps/`` the PNGs of
    those whose decision is among `on`, and ``classes.json`` what `--classes` takes. Several runs may write to one
    folder: ids begin with the time at which the run began.

    Parameters
    ----------
    folder : Path or str
    labels : LabelSpace
        Classes of the masks.
    on : tuple of Decision
    """

    needs_decision = True

    def __init__(self, folder: Path | str, labels: LabelSpace, on: tuple[Decision, ...] = SUSPECT) -> None:
        self.folder, self.labels, self.on = Path(folder), labels, on
        self._run = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"

    def __call__(self, inspections: Sequence[Inspection]) -> None:
        for inspection in inspections:
            id_ = f"{self._run}-{inspection.number:07d}"
            written = self._write_pictures(id_, inspection) if inspection.verdict.decision in self.on else {}
            self._append(id_, inspection, written)

    def _write_pictures(self, id_: str, inspection: Inspection) -> dict[str, str]:
        written = {}
        if inspection.image is not None:
            path = self.folder / "images" / f"{id_}.png"
            with atomic_path(path) as temporary:
                Image.fromarray(inspection.image).save(temporary)
            written["image"] = str(path)
        if inspection.mask is not None:
            path = self.folder / "predictions" / f"{id_}.png"
            write_mask(path, inspection.mask, self.labels)
            written["prediction"] = str(path)
        if inspection.verdict.heatmap is not None:
            with atomic_path(self.folder / "heatmaps" / f"{id_}.png") as temporary:
                Image.fromarray(np.round(inspection.verdict.heatmap * 255).astype(np.uint8)).save(temporary)
        return written

    def _append(self, id_: str, inspection: Inspection, written: dict[str, str]) -> None:
        """A row at the end of the table; a row is a line, so that a kill costs the last one at most."""
        verdict = inspection.verdict
        low, high = verdict.interval or (None, None)
        region = verdict.worst_region
        height, width = (None, None) if inspection.image is None else inspection.image.shape[:2]
        row = written | {
            "id": id_,
            "time": f"{time.time():.6f}",
            "score": verdict.score,
            "status": "ok" if verdict.error is None else "error",
            "reason": verdict.error,
            "decision": verdict.decision,
            "p_value": verdict.p_value,
            "expected_dice": verdict.expected_dice,
            "expected_dice_low": low,
            "expected_dice_high": high,
            "worst_class": region and region.name,
            "expected_class": region and region.expected,
            "worst_box": region and ",".join(map(str, region.box)),
            "width": width,
            "height": height,
        }
        if not (self.folder / "classes.json").is_file():
            write_json(self.folder / "classes.json", self.labels.to_dict())
        with (self.folder / "scores.csv").open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names(REVIEW_COLUMNS), lineterminator="\n")
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerow(row)


def make_policies(given: Any, labels: LabelSpace) -> list[Policy]:
    """Policies from what `attach` accepts: "annotate", "raise", a folder, a function, a policy, or several of these;
    raising comes last.

    Raises
    ------
    ValueError
        For anything else.
    """
    policies: list[Policy] = []
    for item in given if isinstance(given, list | tuple) else [given]:
        if item == "annotate":
            continue
        if item == "raise":
            policies.append(Raise())
        elif isinstance(item, str | Path):
            policies.append(ReviewFolder(item, labels))
        elif isinstance(item, Callback | Raise | ReviewFolder):
            policies.append(item)
        elif callable(item):
            policies.append(Callback(item))
        else:
            wanted = '"annotate", "raise", a folder, a function, or a list of these'
            raise ValueError(f"Expected `policy` to be {wanted}, but got {item!r}")
    return sorted(policies, key=lambda policy: isinstance(policy, Raise))
