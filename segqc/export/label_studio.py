"""Label Studio: tasks with predictions, and the labelling interface that they fit.

Import `label_config.xml` as the project's interface, then `tasks.json`. Format: https://labelstud.io/guide/predictions
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from segqc.base.fingerprints import short_digest
from segqc.base.version import __version__
from segqc.data.labels import LabelSpace
from segqc.data.palette import display_palette
from segqc.export.config import ExportConfig
from segqc.export.queue import Item
from segqc.export.shapes import class_masks, label_studio_rle, polygons
from segqc.export.streams import write_records
from segqc.export.xml_files import write_xml, xml_text
from segqc.gallery.overlay import BOX_RGB, Box
from segqc.results.review import REVIEW_TAGS

SUSPECT = "suspect"


def write(out: Path, items: Iterable[Item], labels: LabelSpace, config: ExportConfig) -> list[Path]:
    """Write `label_config.xml` and `tasks.json`."""
    tags = dict.fromkeys(REVIEW_TAGS)

    def tasks() -> Iterator[dict[str, Any]]:
        for item in items:
            tags.update(dict.fromkeys(item.tags))
            yield task(item, labels, config)

    write_records(out / "tasks.json", tasks())
    # After the tasks: the interface must know every reason that a reviewer has given.
    write_xml(out / "label_config.xml", interface(labels, config.shapes, tags))
    return [out / "label_config.xml", out / "tasks.json"]


def interface(labels: LabelSpace, shapes: str, tags: Iterable[str] = REVIEW_TAGS) -> ElementTree.Element:
    """The labelling interface: picture, reason, one label a class, the suspect box, the reviewer's verdict, tags and
    note.
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="$reason", size="5")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true", zoomControl="true")
    classes = ElementTree.SubElement(
        view, "PolygonLabels" if shapes == "polygon" else "BrushLabels", name="mask", toName="image"
    )
    for index in labels.foreground:
        ElementTree.SubElement(
            classes, "Label", value=labels.name(index), background=f"#{bytes(display_palette(labels)[index]).hex()}"
        )
    boxes = ElementTree.SubElement(view, "RectangleLabels", name="region", toName="image")
    ElementTree.SubElement(boxes, "Label", value=SUSPECT, background=f"#{bytes(BOX_RGB).hex()}")
    choices = ElementTree.SubElement(
        view, "Choices", name="verdict", toName="image", choice="single-radio", showInline="true"
    )
    for verdict in ("accept", "reject", "unsure"):
        ElementTree.SubElement(choices, "Choice", value=verdict)
    reasons = ElementTree.SubElement(view, "Choices", name="tags", toName="image", choice="multiple", showInline="true")
    for tag in tags:
        ElementTree.SubElement(reasons, "Choice", value=xml_text(tag))
    ElementTree.SubElement(view, "TextArea", name="note", toName="image", placeholder="Note")
    return view


def task(item: Item, labels: LabelSpace, config: ExportConfig) -> dict[str, Any]:
    """A task whose prediction is the mask and the suspect box; all that is known of it lies in its data, which the
    interface can show.
    """
    results = [
        _result(item, number, from_name, kind, value)
        for number, (from_name, kind, value) in enumerate(_regions(item, labels, config))
    ]
    if item.box is not None:
        reason = {"meta": {"text": [item.details["reason"]]}}
        results.append(_result(item, len(results), "region", "rectanglelabels", _box(item, item.box)) | reason)
    if item.tags:
        choices = {"choices": [xml_text(tag) for tag in item.tags]}
        results.append(_result(item, len(results), "tags", "choices", choices))
    # Label Studio shows the prediction with the lowest score first: it takes scores for confidences.
    confidence = 1 - item.row["score"]
    return {
        "data": {"image": item.location, **item.details},
        "predictions": [{"model_version": f"segqc {__version__}", "score": confidence, "result": results}],
    }


def _regions(item: Item, labels: LabelSpace, config: ExportConfig) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The predicted mask as regions: the control they belong to, their kind and their value, class by class."""
    scale = np.array([100 / item.width, 100 / item.height])
    for index, mask in class_masks(item.mask, labels):
        name = labels.name(index)
        if config.shapes == "polygon":
            for ring in polygons(mask, config.tolerance):
                points = (ring * scale).round(4).tolist()
                yield "mask", "polygonlabels", {"points": points, "closed": True, "polygonlabels": [name]}
        else:
            yield "mask", "brushlabels", {"format": "rle", "rle": label_studio_rle(mask), "brushlabels": [name]}


def _box(item: Item, box: Box) -> dict[str, Any]:
    """The suspect box in per cent of the picture's sides."""
    x0, y0, x1, y1 = box
    place = {
        "x": x0 / item.width,
        "y": y0 / item.height,
        "width": (x1 - x0) / item.width,
        "height": (y1 - y0) / item.height,
    }
    percent = {name: round(100 * share, 4) for name, share in place.items()}
    return percent | {"rotation": 0, "rectanglelabels": [SUSPECT]}


def _result(item: Item, number: int, from_name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """A region; its name depends on the item and its number alone, so that a second export gives the same file."""
    return {
        "id": short_digest(f"{item.id}/{number}", 5),
        "from_name": from_name,
        "to_name": "image",
        "type": kind,
        "original_width": item.width,
        "original_height": item.height,
        "image_rotation": 0,
        "value": value,
    }
