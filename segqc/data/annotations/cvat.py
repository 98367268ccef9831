"""CVAT for images 1.1: one XML file with polygons and run-length masks of many pictures."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region, are_instances
from segqc.data.annotations.matching import picture_id
from segqc.data.annotations.shapes import decode_runs, fill_outline
from segqc.data.annotations.xml import read_xml, text

_REGIONS = ("polygon", "mask", "ellipse")
_NO_REGIONS = ("box", "polyline", "points", "cuboid", "skeleton")


def is_cvat(path: Path) -> bool:
    """Whether an XML file is CVAT's, by its first bytes."""
    try:
        with path.open("rb") as file:
            return b"<annotations>" in file.read(2048)
    except OSError:
        return False


def read_cvat(path: Path) -> Annotations:
    """Read a CVAT XML file.

    Raises
    ------
    BadInput
        The file is no CVAT XML, or an image in it is incomplete.
    """
    tree = read_xml(path)
    if tree.tag != "annotations":
        raise BadInput(path, f"is no CVAT XML: its root is <{tree.tag}>", "export as CVAT for images 1.1")
    names = [text(label, "name") for label in tree.findall("meta//labels/label")]
    pictures = []
    passed_over: Counter[str] = Counter()
    images = tree.findall("image")
    numbered = are_instances(
        [child.attrib.get("label", "") for child in image if child.tag in _REGIONS] for image in images
    )
    for image in images:
        try:
            width, height = int(image.attrib["width"]), int(image.attrib["height"])
            name = image.attrib["name"]
        except (KeyError, ValueError, OverflowError) as error:
            raise BadInput(path, f"holds an image without name or size: {error!r}", "export it again") from error
        passed_over.update(child.tag for child in image if child.tag in _NO_REGIONS)
        shapes = sorted((child for child in image if child.tag in _REGIONS), key=_depth)
        names += [shape.attrib["label"] for shape in shapes if shape.attrib.get("label") not in (*names, None, "")]
        draw = partial(_regions, path, shapes, width, height, numbered)
        pictures.append(AnnotatedPicture(picture_id(name), width, height, draw, not shapes))
    return Annotations(path, tuple(dict.fromkeys(filter(None, names))), tuple(pictures), dict(passed_over))


def _depth(shape: Element) -> int:
    """CVAT's own order from below to above."""
    return int(shape.attrib.get("z_order", "0"))


def _regions(path: Path, shapes: Sequence[Element], width: int, height: int, numbered: bool) -> Iterator[Region]:
    """`numbered`: whether shapes are single objects, which are known by their place from below."""
    for place, shape in enumerate(shapes, 1):
        try:
            yield Region(shape.attrib["label"], _region(shape, width, height), place if numbered else None)
        except (KeyError, ValueError, OverflowError) as error:
            raise BadInput(path, f"holds a {shape.tag} that cannot be drawn: {error!r}", "export it again") from error


def _region(shape: Element, width: int, height: int) -> np.ndarray:
    if shape.tag == "polygon":
        points = [tuple(map(float, point.split(","))) for point in shape.attrib["points"].split(";")]
        return fill_outline(points, width, height)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (float(shape.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        y, x = np.mgrid[:height, :width]
        return ((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 <= 1
    left, top, across, down = (int(shape.attrib[key]) for key in ("left", "top", "width", "height"))
    inside = decode_runs([int(count) for count in shape.attrib["rle"].split(",")], across, down, columns_first=False)
    region = np.zeros((height, width), bool)
    if left < 0 or top < 0 or left + across > width or top + down > height:
        raise ValueError("Expected a mask inside its picture")
    region[top : top + down, left : left + across] = inside
    return region
