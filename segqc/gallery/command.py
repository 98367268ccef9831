"""`segqc gallery`: the review page of an audit, made again from its folder, alone or beside another audit."""

from pathlib import Path
from typing import Any

from rich.console import Console

from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.data.inspection.survey import commonest_reason
from segqc.data.pairs import masks_of
from segqc.data.reader import PairReader
from segqc.data.voc import find_voc
from segqc.gallery.config import GalleryConfig
from segqc.gallery.layers import GalleryEntry
from segqc.gallery.page import write_gallery
from segqc.gallery.rows import compare_rows
from segqc.results.objects import objects_by_id
from segqc.results.table import (
    AuditTable,
    audit_fingerprint,
    is_number,
    is_scored,
    read_audit_table,
    reader_of,
    unscored_reasons,
)


def make_gallery(config: GalleryConfig, console: Console | None = None) -> Path:
    """Write the page and return where it is.

    Raises
    ------
    BadInput
        When an audit, the classes or the ground truth given cannot be found, or `out` is a folder. A picture that
        cannot be read is a word in its place instead.
    """
    if config.ground_truth is not None and not config.ground_truth.is_dir():
        raise BadInput(config.ground_truth, "is not a folder", "name the folder of true masks")
    if config.out is not None and config.out.is_dir():
        raise BadInput(config.out, "is a folder", "name the HTML file in it, such as gallery.html")
    table = read_audit_table(config.audit)
    labels = table.labels(config.classes)
    if not any(is_scored(row) for row in table.rows):
        why = commonest_reason(unscored_reasons(table.rows))
        raise BadInput(config.audit, "has no scored mask to look at" + (f"; {why}" if why else ""), "audit again")
    rows, title, facts = table.rows, f"Review of {_name(config.audit)}", dict[str, Any]()
    masks_there: dict[str, Path] = {}
    if config.compare is not None:
        other = read_audit_table(config.compare)
        rows, facts = compare_rows(rows, other.rows)
        masks_there = {
            row["id"]: other.path(row, "prediction") for row in other.rows if is_scored(row) and row.get("prediction")
        }
        title += f", compared with {_name(config.compare)}"
    shown = [row for row in rows if row.get("image") or not is_scored(row)]
    if len(shown) < len(rows):  # a hook keeps pictures of suspect predictions only
        facts["scored_without_picture"] = len(rows) - len(shown)
    folder = config.ground_truth or _ground_truth(table)
    truths = {} if folder is None else masks_of(list(table.by_id), folder)
    reader = reader_of(table, labels)
    entries = [
        _entry(table, row, _only(truths.get(row["id"], [])), masks_there.get(row["id"]), reader) for row in shown
    ]
    out = config.out or table.folder / "gallery.html"
    quality = {
        name: value
        for name, value in table.summary.get("quality", {}).items()
        if name in ("mean_dice", "spearman") and is_number(value)
    }
    with make_progress(console) as progress:
        task = progress.add_task("gallery", total=len(entries))
        write_gallery(
            out,
            entries,
            labels,
            title,
            facts | quality | table.summary,
            objects_of=objects_by_id(table.folder),
            judged=str(table.summary.get("judged", "prediction")),
            audit=audit_fingerprint(table.rows),
            name=table.folder.resolve().name,
            thumbnails=config.thumbnails,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    return out


def _only(files: list[Path]) -> Path | None:
    """The true mask, where there is one and no other of the same id."""
    return files[0] if len(files) == 1 else None


def _name(audit: Path) -> str:
    """What people call the audit: its folder as they gave it."""
    folder = audit if audit.is_dir() else audit.parent
    return folder.as_posix() if folder.name else folder.resolve().name


def _ground_truth(table: AuditTable) -> Path | None:
    """The folder of true masks that the audit was compared with, if it is still there."""
    truth, voc = (table.settings.get(name) for name in ("ground_truth", "voc_root"))
    try:
        if truth:
            folder = table.locate(truth, "--ground-truth")
        elif voc:
            folder = find_voc(table.locate(voc, "--voc-root")).masks
        else:
            return None
    except BadInput:
        return None
    return folder if folder.is_dir() else None


def _entry(
    table: AuditTable, row: dict[str, Any], truth: Path | None, mask_there: Path | None, reader: PairReader
) -> GalleryEntry:
    prediction = table.path(row, "prediction")
    return GalleryEntry(
        row,
        table.path(row, "image") if row.get("image") else prediction,
        prediction if row.get("prediction") else None,
        table.heatmap(row),
        truth,
        # The same file judged twice needs no second picture.
        mask_there if mask_there is not None and mask_there.resolve() != prediction.resolve() else None,
        reader,
    )
