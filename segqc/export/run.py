"""An export: choose the predictions, write them in the target's format, and count what could not be exported.

A prediction that cannot be exported is listed in `export.json` with its reason, never dropped in silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from segqc.base.errors import BadInput
from segqc.base.files import write_json
from segqc.base.settings import to_json
from segqc.base.storage.paths import common_folder
from segqc.base.tables import write_table
from segqc.base.version import __version__
from segqc.data.inspection.survey import commonest_reason
from segqc.export import coco, csv_table, cvat, fiftyone, label_studio
from segqc.export.config import ExportConfig
from segqc.export.queue import Item, Locator, Skipped, choose, load_items
from segqc.results.objects import read_objects
from segqc.results.schema import object_columns
from segqc.results.table import audit_fingerprint, read_audit_table

TARGETS = {
    "labelstudio": label_studio.write,
    "cvat": cvat.write,
    "fiftyone": fiftyone.write,
    "coco": coco.write,
    "csv": csv_table.write,
}

LOCAL_FILES = "/data/local-files/?d="  # where Label Studio serves files of its own machine


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes
    ----------
    exported, left_out : int
        Predictions in the queue, and those that the filters left out of it.
    turned : list of str
        Ids of the exported whose picture has an EXIF orientation other than 1: a tool that applies it draws the masks
        askew.
    skipped : list of Skipped
        Predictions without a score, and chosen ones whose picture or mask could not be read.
    files : list of Path
        What was written, `export.json` last.
    images_root : Path
        The folder that the pictures' paths are relative to.
    """

    exported: int
    left_out: int
    turned: list[str]
    skipped: list[Skipped]
    files: list[Path]
    images_root: Path


def export(config: ExportConfig) -> ExportReport:
    """Write the queue to `config.out`.

    Raises
    ------
    BadInput
        When the audit, the classes or the review cannot be read, an option cannot be met, or there is nothing that
        could be exported. A bad prediction among others is listed instead; a queue that the filters leave empty is
        written.
    """
    table = read_audit_table(config.audit)
    labels, chosen = table.labels(config.classes), choose(table, config)
    objects = read_objects(table.folder, [row["id"] for row in chosen.rows])
    pictures = [table.path(row, "image") for row in table.rows if row.get("image")]
    root = config.images_root or (common_folder(pictures) if pictures else Path.cwd())
    skipped, tally = list(chosen.unscored), _Tally()
    items = load_items(chosen, table, labels, _locator(config, root), skipped)
    first = next(items, None)
    if first is None and skipped and (chosen.rows or not chosen.left_out):
        why = commonest_reason([(problem.id, problem.reason) for problem in skipped])
        raise BadInput(config.audit, f"has nothing that can be exported; {why}", "mend the files, or audit again")
    counted = tally.count(items if first is None else chain([first], items))
    files = [*TARGETS[config.to](config.out, counted, labels, config), *_write_objects(objects, tally, config.out)]
    note = config.out / "export.json"
    write_json(
        note,
        {
            "audit": audit_fingerprint(table.rows),
            "exported": len(tally.ids),
            "left_out_by_filters": chosen.left_out,
            "not_exported": skipped,
            "turned_by_exif": tally.turned,
            "images_root": root,
            "config": to_json(config),
            "segqc": __version__,
        },
    )
    return ExportReport(len(tally.ids), chosen.left_out, tally.turned, skipped, [*files, note], root)


@dataclass
class _Tally:
    """Counts items on their way to the target."""

    ids: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)

    def count(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.ids.append(item.id)
            if item.orientation != 1:
                self.turned.append(item.id)
            yield item


def _write_objects(objects: Sequence[dict[str, Any]], tally: _Tally, out: Path) -> list[Path]:
    """Write objects.csv, the objects of the exported predictions in the order of their ranks, where there are any."""
    exported = set(tally.ids)
    rows = [row for row in objects if row["id"] in exported]
    if not rows:
        return []
    write_table(out / "objects.csv", rows, object_columns("iou" in rows[0], "decision" in rows[0]))
    return [out / "objects.csv"]


def _locator(config: ExportConfig, root: Path) -> Locator:
    """How the target finds the pictures: FiftyOne from its own folder, Label Studio by an address, the others from the
    pictures' root.
    """
    if config.to == "fiftyone" and config.url_prefix is None:
        return Locator(config.out, outside=True)
    if config.to == "labelstudio" and config.url_prefix is None:
        return Locator(root, LOCAL_FILES)
    return Locator(root, config.url_prefix)
