"""CVAT: annotations in "CVAT for images 1.1", the labels of the task, and the pictures in the order of the queue.

Make a task with the labels of `labels.json` (its "Raw" editor takes the file) and the pictures of `images.txt`, then
upload `annotations.xml`. Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree

import numpy as np

from segqc.base.files import atomic_path, write_json
from segqc.data.labels import LabelSpace
from segqc.data.palette import display_palette
from segqc.export.config import ExportConfig
from segqc.export.queue import Item
from segqc.export.shapes import class_masks, cvat_rle, polygons
from segqc.export.xml_files import xml_string, xml_text
from segqc.gallery.overlay import BOX_RGB

DETAILS = (
    "reason",
    "score",
    "rank",
    "worst_class",
    "expected_class",
    "p_value",
    "expected_dice",
    "decision",
    "verdict",
    "tags",
    "note",
)
"""Attributes of the suspect label. CVAT knows only those that a label declares."""

LONGEST_VALUE = 4096  # letters in a value of CVAT's attributes

_COMMON = {"source": "auto", "occluded": "0", "z_order": "0"}  # of every shape


def write(out: Path, items: Iterable[Item], labels: LabelSpace, config: ExportConfig) -> list[Path]:
    """Write `annotations.xml`, `labels.json` and `images.txt`."""
    suspect = suspect_label(labels)
    names = []
    with (
        atomic_path(out / "annotations.xml") as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        stream.write(xml_string(_meta(task_labels(labels, suspect))))
        for number, item in enumerate(items):
            names.append(item.location)
            _write_image(stream, number, item, labels, suspect, config)
        stream.write("</annotations>\n")
    write_json(out / "labels.json", task_labels(labels, suspect))
    with atomic_path(out / "images.txt") as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
    return [out / "annotations.xml", out / "labels.json", out / "images.txt"]


def suspect_label(labels: LabelSpace) -> str:
    """Name of the label for suspect regions and their reason: one that no class has."""
    name = "suspect"
    while name in labels.names:
        name += " region"
    return name


def task_labels(labels: LabelSpace, suspect: str) -> list[dict[str, Any]]:
    """The labels of the task in CVAT's raw form."""
    attributes = [
        {"name": name, "input_type": "text", "mutable": False, "default_value": "", "values": [""]} for name in DETAILS
    ]
    colours = {index: f"#{bytes(display_palette(labels)[index]).hex()}" for index in labels.foreground}
    # Names as XML holds them: the annotations refer to these.
    classes = [
        {"name": xml_text(labels.name(index)), "color": colour, "attributes": []} for index, colour in colours.items()
    ]
    return [*classes, {"name": suspect, "color": f"#{bytes(BOX_RGB).hex()}", "attributes": attributes}]


def _meta(task: list[dict[str, Any]]) -> ElementTree.Element:
    """The labels again, as CVAT's own files name them; CVAT passes over it, other readers of the format ask for it."""
    meta = ElementTree.Element("meta")
    listed = ElementTree.SubElement(ElementTree.SubElement(meta, "task"), "labels")
    for label in task:
        entry = ElementTree.SubElement(listed, "label")
        ElementTree.SubElement(entry, "name").text = label["name"]
        ElementTree.SubElement(entry, "color").text = label["color"]
        attributes = ElementTree.SubElement(entry, "attributes")
        for attribute in label["attributes"]:
            described = ElementTree.SubElement(attributes, "attribute")
            for tag in ("name", "input_type", "default_value"):
                ElementTree.SubElement(described, tag).text = attribute[tag]
            ElementTree.SubElement(described, "mutable").text = str(attribute["mutable"])
            ElementTree.SubElement(described, "values").text = "\n".join(attribute["values"])
    return meta


def _write_image(
    stream: TextIO, number: int, item: Item, labels: LabelSpace, suspect: str, config: ExportConfig
) -> None:
    """One picture: its masks or polygons, a tag with the reason and, where there is one, the suspect box with the
    same.
    """
    image = ElementTree.Element(
        "image", id=str(number), name=item.location, width=str(item.width), height=str(item.height)
    )
    for index, mask in class_masks(item.mask, labels):
        if config.shapes == "polygon":
            _add_polygons(image, mask, labels.name(index), config.tolerance)
        else:
            _add_run_lengths(image, mask, labels.name(index))
    marks = [ElementTree.SubElement(image, "tag", label=suspect, source="auto")]
    if item.box is not None:
        corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(str, item.box), strict=True))
        marks.append(ElementTree.SubElement(image, "box", {"label": suspect} | corners | _COMMON | {"z_order": "1"}))
    details = item.details
    for mark in marks:
        for name in DETAILS:
            if name in details:
                ElementTree.SubElement(mark, "attribute", name=name).text = str(details[name])[:LONGEST_VALUE]
    stream.write(xml_string(image))


def _add_polygons(image: ElementTree.Element, mask: np.ndarray, label: str, tolerance: float) -> None:
    for ring in polygons(mask, tolerance):
        points = ";".join(f"{x},{y}" for x, y in ring.tolist())
        ElementTree.SubElement(image, "polygon", {"label": label, "points": points} | _COMMON)


def _add_run_lengths(image: ElementTree.Element, mask: np.ndarray, label: str) -> None:
    lengths, (x0, y0, x1, y1) = cvat_rle(mask)
    place = {"left": str(x0), "top": str(y0), "width": str(x1 - x0), "height": str(y1 - y0)}
    rle = ", ".join(map(str, lengths))
    ElementTree.SubElement(image, "mask", {"label": label, "rle": rle} | place | _COMMON)
