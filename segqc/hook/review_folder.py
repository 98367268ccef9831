"""A folder that suspect predictions of a pipeline are written to, row by row, so that a kill costs nothing judged."""

import csv
import io
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.base.files import FLAT_PNG, atomic_path, read_json, write_json
from segqc.base.forks import renew_after_fork
from segqc.base.locks import locked
from segqc.base.version import __version__
from segqc.data.labels import LabelSpace
from segqc.data.masks import write_mask
from segqc.hook.inspection import SUSPECT, Inspection, check_decisions
from segqc.results.schema import REVIEW_COLUMNS, names
from segqc.results.table import CLASSES, SUMMARY
from segqc.verdict import Decision

TABLE = "scores.csv"
_COLUMNS = names(REVIEW_COLUMNS)


class ReviewFolder:
    """Write suspect predictions to a folder that `segqc gallery`, `export`, `calibrate` and `monitor` read.

    ``scores.csv`` gets a row for every judged prediction, as soon as it is judged; ``images/``, ``predictions/`` and
    ``heatmaps/`` the PNGs of those whose decision is among `on`; ``classes.json`` and ``summary.json`` tell the classes
    and the model. Several runs, threads and processes may write to one folder: ids begin with the time at which the
    process began to write.

    Parameters
    ----------
    folder : Path or str
    labels : LabelSpace
        Classes of the masks.
    on : tuple of Decision

    Raises
    ------
    ValueError
        The folder holds another table, an audit's say, or `on` names a decision that there is not.
    """

    needs_decision, at_once = True, True

    def __init__(self, folder: Path | str, labels: LabelSpace, on: tuple[Decision, ...] = SUSPECT) -> None:
        check_decisions(on)
        self.folder, self.labels, self.on = Path(folder), labels, on
        self._summary: dict[str, Any] | None = None
        _check_table(self.folder / TABLE)
        self.renew()
        renew_after_fork(self)

    def belong_to(self, source: Mapping[str, str], levels: Sequence[int] | None, tiles: int) -> None:
        """Note which model's scores these are, as an audit does.

        Parameters
        ----------
        source : mapping
            Folder and fingerprint of the model.
        levels : sequence of int, optional
            Noise levels that scores are read from, where they are not the model's own.
        tiles : int
            Tiles along a side in which pictures are scored.

        Raises
        ------
        ValueError
            The folder holds scores of another model.
        """
        known = read_json(self.folder / SUMMARY) if (self.folder / SUMMARY).is_file() else {}
        found = known.get("model", {}).get("fingerprint", source["fingerprint"])
        if found != source["fingerprint"]:
            raise ValueError(
                f"{self.folder} holds scores of the model {found}, but these are of {source['fingerprint']}: "
                "choose another folder"
            )
        if known or (self.folder / TABLE).is_file():  # of earlier rows nobody knows
            return
        self._summary = {
            "model": dict(source),
            "config": {"levels": None if levels is None else list(levels), "tiles": tiles},
            "working_directory": str(Path.cwd()),
            "segqc": __version__,
        }

    def renew(self) -> None:
        """Begin a run: a forked child numbers its predictions as its parent does, and must not take its ids."""
        self._run = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"
        self._lock = threading.Lock()

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
        if inspection.verdict.draw_heatmap is not None:
            heat = inspection.verdict.draw_heatmap()  # drawn here, and not kept with the verdict
            with atomic_path(self.folder / "heatmaps" / f"{id_}.png") as temporary:
                Image.fromarray(np.round(heat * 255).astype(np.uint8)).save(temporary, **FLAT_PNG)
        return written

    def _append(self, id_: str, inspection: Inspection, written: dict[str, str]) -> None:
        """A row at the end of the table."""
        verdict = inspection.verdict
        low, high = verdict.interval or (None, None)
        region = verdict.worst_region
        height, width = (None, None) if inspection.image is None else inspection.image.shape[:2]
        row = written | {
            "id": id_,
            "time": f"{time.time():.6f}",
            "score": verdict.score,
            "status": "ok" if verdict.error is None else "error",
            "reason": verdict.error and " ".join(verdict.error.split()),
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
        with self._lock:
            if not (self.folder / CLASSES).is_file():
                write_json(self.folder / CLASSES, self.labels.to_dict())
            if self._summary is not None:
                write_json(self.folder / SUMMARY, self._summary)
                self._summary = None
            append_row(self.folder / TABLE, row)


def append_row(path: Path, row: dict[str, object]) -> None:
    """Add a line to the table, whole or not at all, whatever other processes add and wherever one of them was killed.

    Raises
    ------
    OSError
        The table cannot be written.
    """
    with path.open("a+b", buffering=0) as file, locked(file):
        end = _whole_lines(file)
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        if end == 0:
            writer.writeheader()
        writer.writerow(row)
        line = text.getvalue().encode("utf-8", "backslashreplace")
        try:
            if file.write(line) != len(line):
                raise OSError(f"{path}: no space left for a row")
        except OSError:
            file.truncate(end)
            raise


def _whole_lines(file: io.FileIO) -> int:
    """Length of the table up to the end of its last whole line; what a full disk or a power cut left behind it is cut
    off, since it would swallow the next row.
    """
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return 0
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return end
    file.seek(0)
    end = (file.read() or b"").rfind(b"\n") + 1
    file.truncate(end)
    return end


def _check_table(path: Path) -> None:
    """Refuse a table with other columns, to which rows would be added that nobody can read."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader(file), [])
    if tuple(header) != _COLUMNS:
        raise ValueError(f"{path.parent} holds the table of something else, an audit say: choose another folder")
