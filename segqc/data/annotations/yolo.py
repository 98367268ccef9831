"""YOLO segmentation: a text file a picture, a line a polygon: class index, then x y in fractions of the picture."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, fill_polygon

Polygon = tuple[str, list[tuple[float, float]]]


def read_yolo(labels: Path, pictures: Mapping[str, Path], names: Sequence[str]) -> Annotations:
    """Read a folder of YOLO label files.

    Parameters
    ----------
    labels : Path
        Folder of the .txt files.
    pictures : mapping of str to Path
        Picture files by id: YOLO stores no sizes. A picture without a label file holds nothing.
    names : sequence of str
        Classes in the order of their indices.

    Raises
    ------
    BadInput
        A line is no polygon of a known class.
    """
    found, boxes = [], 0
    for id_, picture in pictures.items():
        path = labels / f"{id_}.txt"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        polygons: list[Polygon] = []
        for place, line in enumerate(lines, 1):
            parts = line.split()
            if len(parts) == 5:
                boxes += 1  # a box: class, centre, size
            elif parts:
                polygons.append(_polygon(path, place, parts, names))
        try:
            with Image.open(picture) as image:
                width, height = image.size
        except Exception as error:  # any decoder's complaint
            raise BadInput(picture, f"cannot be opened: {error}", "write or copy it again") from error
        found.append(AnnotatedPicture(id_, width, height, partial(_regions, polygons, width, height)))
    return Annotations(labels, tuple(names), tuple(found), {"box": boxes} if boxes else {})


def _polygon(path: Path, place: int, parts: list[str], names: Sequence[str]) -> Polygon:
    try:
        index, values = int(parts[0]), [float(part) for part in parts[1:]]
        if len(values) < 6 or len(values) % 2 or not 0 <= index < len(names) or not np.isfinite(values).all():
            raise ValueError("not a class index and at least three points")
    except ValueError as error:
        raise BadInput(path, f"line {place} is no polygon: {error}", "export YOLO segmentation labels again") from error
    return names[index], list(zip(values[::2], values[1::2], strict=True))


def _regions(polygons: Sequence[Polygon], width: int, height: int) -> Iterator[tuple[str, np.ndarray]]:
    for name, points in polygons:
        yield name, fill_polygon([(x * width, y * height) for x, y in points], width, height)
