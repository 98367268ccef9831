"""An export: choose the predictions, write them in the target's format, and count what could not be exported.

A prediction that cannot be exported is listed in `export.json` with its reason, never dropped in silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segqc.base.files import write_json
from segqc.base.settings import to_json
from segqc.base.version import __version__
from segqc.export import coco, csv_table, cvat, fiftyone, label_studio
from segqc.export.config import ExportConfig
from segqc.export.queue import Item, Locator, Skipped, choose, common_folder, load_items
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
        When the audit, the classes or the review cannot be read, or an option cannot be met. A bad prediction is listed
        instead.
    """
    table = read_audit_table(config.audit)
    labels = table.labels(config.classes)
    chosen = choose(table, config)
    root = config.images_root or common_folder([table.path(row, "image") for row in table.rows if row.get("image")])
    skipped = list(chosen.unscored)
    exported, turned = 0, list[str]()

    def counted() -> Iterator[Item]:
        nonlocal exported
        for item in load_items(chosen, table, labels, _locator(config, root), skipped):
            exported += 1
            if item.orientation != 1:
                turned.append(item.id)
            yield item

    files = TARGETS[config.to](config.out, counted(), labels, config)
    report = ExportReport(exported, chosen.left_out, turned, skipped, [*files, config.out / "export.json"], root)
    write_json(
        config.out / "export.json",
        {
            "audit": audit_fingerprint(table.rows),
            "exported": report.exported,
            "left_out_by_filters": report.left_out,
            "not_exported": report.skipped,
            "turned_by_exif": report.turned,
            "images_root": root,
            "config": to_json(config),
            "segqc": __version__,
        },
    )
    return report


def _locator(config: ExportConfig, root: Path) -> Locator:
    """How the target finds the pictures: FiftyOne from its own folder, Label Studio by an address, the others from the
    pictures' root.
    """
    if config.to == "fiftyone" and config.url_prefix is None:
        return Locator(config.out, outside=True)
    if config.to == "labelstudio" and config.url_prefix is None:
        return Locator(root, LOCAL_FILES)
    return Locator(root, config.url_prefix)
