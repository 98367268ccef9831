"""LabelMe: one JSON file a picture (wkentaro's tool), or one XML file a picture (the web tool of MIT)."""

import base64
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region
from segqc.data.annotations.shapes import fill_polygon
from segqc.data.annotations.xml import number, read_xml, text
from segqc.data.decoding import decode

_CIRCLE_CORNERS = 64


def is_labelme(content: Any) -> bool:
    """Whether JSON content is one picture of LabelMe."""
    return isinstance(content, Mapping) and {"shapes", "imagePath"} <= set(content)


def read_labelme(folder: Path) -> Annotations:
    """Read a folder of LabelMe JSON files, one a picture; classes are sorted by name.

    Raises
    ------
    BadInput
        The folder holds none that can be read; a broken one is an error of its picture alone.
    """
    pictures, names, broken = list[AnnotatedPicture](), set[str](), list[AnnotatedPicture]()
    passed_over: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.json")):
        id_ = path.relative_to(folder).with_suffix("").as_posix()
        try:
            content = read_json(path)
            if not is_labelme(content):
                continue
            width, height = int(content["imageWidth"]), int(content["imageHeight"])
            shapes = [shape for shape in content["shapes"] if _has_area(shape)]
            passed_over.update(shape.get("shape_type", "shape") for shape in content["shapes"] if not _has_area(shape))
            names |= {str(shape["label"]) for shape in shapes}
        except (BadInput, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            reason = error.reason if isinstance(error, BadInput) else f"is no complete LabelMe file: {error!r}"
            wrong = BadInput(path, reason, "save it again with LabelMe")
            broken.append(AnnotatedPicture(id_, 0, 0, partial(_refuse, wrong)))
            continue
        draw = partial(_regions, path, shapes, width, height)
        pictures.append(AnnotatedPicture(id_, width, height, draw, not shapes))
    if not pictures:
        fix = "give the folder of the annotation files"
        raise BadInput(folder, "holds no LabelMe JSON" + (" that can be read" if broken else ""), fix)
    return Annotations(folder, tuple(sorted(names)), (*pictures, *broken), dict(passed_over))


def _refuse(error: BadInput) -> Iterator[Region]:
    """The regions of a file that cannot be read: its picture has no mask, and the others have theirs."""
    raise error


def _regions(path: Path, shapes: Sequence[Mapping[str, Any]], width: int, height: int) -> Iterator[Region]:
    """Shapes of one label and group are one object (the tool's "group id"); it is known by the place of its first."""
    first = dict[Any, int]()
    for place, shape in enumerate(shapes, 1):
        label, group = str(shape["label"]), shape.get("group_id")
        id_ = place if group is None else first.setdefault((label, str(group)), place)
        masked = shape.get("shape_type") == "mask"
        pixels = _mask(path, shape, width, height) if masked else fill_polygon(_corners(shape), width, height)
        yield Region(label, pixels, id_)


def _has_area(shape: Mapping[str, Any]) -> bool:
    return shape.get("shape_type") == "mask" or bool(_corners(shape))


def _mask(path: Path, shape: Mapping[str, Any], width: int, height: int) -> np.ndarray:
    """A shape that holds a PNG of its box, encoded as text."""
    region = np.zeros((height, width), bool)
    try:
        (left, top), _ = ((round(x), round(y)) for x, y in shape["points"])
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=("PNG",)) as image:
            if left < 0 or top < 0 or left + image.width > width or top + image.height > height:
                raise ValueError("its box leaves the picture")
            region[top : top + image.height, left : left + image.width] = np.asarray(image.convert("L")) > 0
    except Exception as error:  # any decoder's complaint
        raise BadInput(path, f"holds a mask that cannot be drawn: {error}", "save it again with LabelMe") from error
    return region


def _corners(shape: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Corners of a shape that has an area; of points and lines none."""
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type") or "polygon"
    if kind == "polygon" and len(points) >= 3:
        return points
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    if kind == "circle" and len(points) == 2:
        (x, y), edge = points[0], points[1]
        radius = math.dist(points[0], edge)
        angles = [2 * math.pi * corner / _CIRCLE_CORNERS for corner in range(_CIRCLE_CORNERS)]
        return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
    return []


def read_labelme_xml(root: Path) -> Annotations:
    """Read the web tool's folder: Annotations/, Images/ and Masks/.

    Raises
    ------
    BadInput
        There is no annotation, or one cannot be parsed.
    """
    pictures, names = [], set[str]()
    for path in sorted((root / "Annotations").rglob("*.xml")):
        tree = read_xml(path)
        objects = [found for found in tree.iter("object") if text(found, "deleted") != "1"]
        names |= {text(found, "name") for found in objects}
        size = tree.find("imagesize")
        if size is None:
            raise BadInput(path, "gives no imagesize", "export it again")
        width, height = int(number(path, size, "ncols")), int(number(path, size, "nrows"))
        folder = path.relative_to(root / "Annotations").parent
        id_ = (folder / PurePosixPath(text(tree, "filename")).stem).as_posix()
        masks = root / "Masks" / folder
        pictures.append(
            AnnotatedPicture(id_, width, height, partial(_xml_regions, path, objects, masks, width, height))
        )
    if not pictures:
        raise BadInput(root, "holds no LabelMe XML below Annotations", "give the folder above Annotations")
    return Annotations(root, tuple(sorted(names)), tuple(pictures))


def _xml_regions(path: Path, objects: Sequence[Element], masks: Path, width: int, height: int) -> Iterator[Region]:
    for found in objects:
        polygon, segment = found.find("polygon"), found.find("segm")
        if polygon is not None:
            points = [(number(path, point, "x"), number(path, point, "y")) for point in polygon.iter("pt")]
            yield Region(text(found, "name"), fill_polygon(points, width, height))
        elif segment is not None and text(segment, "mask"):
            name = PurePosixPath(text(segment, "mask")).name
            region = np.asarray(decode(masks / name, ("PNG",), "is not a PNG", "export it again").convert("L")) > 0
            if region.shape != (height, width):
                raise BadInput(masks / name, f"is {region.shape[1]}x{region.shape[0]} pixels, not {width}x{height}")
            yield Region(text(found, "name"), region)
