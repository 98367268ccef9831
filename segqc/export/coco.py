"""COCO: pictures, one annotation for each class of each predicted mask, and why a picture is in the queue.

Format: https://cocodataset.org/#format-data. What COCO has no field for lies in each picture's and annotation's
``segqc``, which readers pass over.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from segqc.base.version import __version__
from segqc.data.labels import LabelSpace
from segqc.export.config import ExportConfig
from segqc.export.queue import Item
from segqc.export.shapes import bounding_box, class_masks, coco_rle, polygons
from segqc.export.streams import write_object


def write(out: Path, items: Iterable[Item], labels: LabelSpace, config: ExportConfig) -> list[Path]:
    """Write `annotations.json`."""
    images: list[dict[str, Any]] = []

    def annotations() -> Iterator[dict[str, Any]]:
        number = 0
        for item in items:
            images.append(_image(len(images) + 1, item))
            for index, mask in class_masks(item.mask, labels):
                number += 1
                x0, y0, x1, y1 = bounding_box(mask)
                rings = polygons(mask, config.tolerance) if config.shapes == "polygon" else None
                yield {
                    "id": number,
                    "image_id": len(images),
                    "category_id": category_id(index, labels),
                    "segmentation": coco_rle(mask) if rings is None else [ring.ravel().tolist() for ring in rings],
                    "area": int(mask.sum()),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": 0,
                    "segqc": {"worst": labels.name(index) == item.row.get("worst_class")},
                }

    categories = [
        {"id": category_id(index, labels), "name": labels.name(index), "supercategory": ""}
        for index in labels.foreground
    ]
    info = {"description": "Predictions to review, the most suspect first", "version": f"segqc {__version__}"}
    # The list of pictures is full once all annotations were written, so it comes after them.
    write_object(
        out / "annotations.json",
        {"info": info, "licenses": [], "categories": categories, "annotations": annotations(), "images": images},
    )
    return [out / "annotations.json"]


def category_id(index: int, labels: LabelSpace) -> int:
    """The index of the class where 0 is the background; one more otherwise, since tools take category 0 for none."""
    return index if labels.background == 0 else index + 1


def _image(number: int, item: Item) -> dict[str, Any]:
    return {"id": number, "file_name": item.location, "width": item.width, "height": item.height, "segqc": item.details}
