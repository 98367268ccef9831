"""CSV: the queue as a table, for spreadsheets and scripts of one's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segqc.base.tables import write_table
from segqc.data.labels import LabelSpace
from segqc.export.config import ExportConfig
from segqc.export.queue import DETAILS, Item
from segqc.export.shapes import class_masks, coco_rle, polygons
from segqc.export.streams import compact

COLUMNS = ("id", "image", "prediction", "width", "height", "reason", *DETAILS, "verdict", "tags", "note", "shapes")


def write(out: Path, items: Iterable[Item], labels: LabelSpace, config: ExportConfig) -> list[Path]:
    """Write `queue.csv`; its column `shapes` holds the predicted mask as JSON: COCO's run lengths, or polygons in
    pixels, by class.
    """
    write_table(out / "queue.csv", [_row(item, labels, config) for item in items], COLUMNS)
    return [out / "queue.csv"]


def _row(item: Item, labels: LabelSpace, config: ExportConfig) -> dict[str, Any]:
    shapes = {
        labels.name(index): [ring.tolist() for ring in polygons(mask, config.tolerance)]
        if config.shapes == "polygon"
        else coco_rle(mask)
        for index, mask in class_masks(item.mask, labels)
    }
    place = {
        "image": item.location,
        "prediction": item.row.get("prediction"),
        "width": item.width,
        "height": item.height,
    }
    return item.details | place | {"shapes": compact(shapes)}
