"""YOLO segmentation: a text file a picture, a line a polygon: class index, then x y in fractions of the picture.

A prediction's line may end in a confidence.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region
from segqc.data.annotations.shapes import fill_polygon
from segqc.data.pictures import stored_size


class _Polygon(NamedTuple):
    name: str
    points: list[tuple[float, float]]
    score: float | None
    line: int


def read_yolo(
    labels: Path, pictures: Mapping[str, Path], names: Sequence[str], min_score: float | None = None
) -> Annotations:
    """Read a folder of YOLO label files; one that holds what is no polygon is an error of its picture alone.

    Parameters
    ----------
    labels : Path
        Folder of the .txt files.
    pictures : mapping of str to Path
        Picture files by id: YOLO stores no sizes. A picture without a label file holds nothing.
    names : sequence of str
        Classes in the order of their indices.
    min_score : float, optional
        Polygons with a lower confidence are left out and counted.
    """
    found = []
    passed_over, scored = Counter[str](), 0
    for id_, picture in pictures.items():
        path = labels / f"{id_}.txt"
        error, polygons = None, list[_Polygon]()
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
            for place, line in enumerate(lines, 1):
                parts = line.split()
                if len(parts) in (5, 6):
                    passed_over["box"] += 1  # class, centre, size, perhaps a confidence
                elif parts:
                    polygons.append(_polygon(path, place, parts, names))
        except BadInput as wrong:
            error = wrong
        scored += sum(polygon.score is not None for polygon in polygons)
        kept = [polygon for polygon in polygons if min_score is None or (polygon.score or min_score) >= min_score]
        if len(kept) < len(polygons):
            passed_over[f"with a score below {min_score:g} (--min-score)"] += len(polygons) - len(kept)
        kept.sort(key=lambda polygon: polygon.score or 0)
        draw = partial(_regions, kept, picture, error)
        found.append(AnnotatedPicture(id_, 0, 0, draw, not kept and error is None))
    notes = (f"annotations with a score: {scored:,}; where they overlap, the highest wins",) if scored else ()
    return Annotations(labels, tuple(names), tuple(found), dict(passed_over), notes)


def _polygon(path: Path, place: int, parts: list[str], names: Sequence[str]) -> _Polygon:
    try:
        index, values = int(float(parts[0])), [float(part) for part in parts[1:]]
        score = values.pop() if len(values) % 2 else None
        if len(values) < 6 or not 0 <= index < len(names) or not np.isfinite(values).all():
            raise ValueError("not a class index and at least three points")
    except (ValueError, OverflowError) as error:
        raise BadInput(path, f"line {place} is no polygon: {error}", "export YOLO segmentation labels again") from error
    return _Polygon(names[index], list(zip(values[::2], values[1::2], strict=True)), score, place)


def _regions(polygons: Sequence[_Polygon], picture: Path, error: BadInput | None) -> Iterator[Region]:
    if error is not None:
        raise error
    width, height = stored_size(picture)
    for polygon in polygons:
        points = [(x * width, y * height) for x, y in polygon.points]
        yield Region(polygon.name, fill_polygon(points, width, height), polygon.line)


def yaml_names(path: Path) -> list[str]:
    """Class names of a YOLO data file, a list or a mapping from index to name.

    Raises
    ------
    BadInput
        The file is no YAML, or names no classes.
    """
    try:
        names = yaml.safe_load(path.read_text("utf-8", "replace")).get("names")
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise BadInput(path, f"is no YOLO data file: {error}", "list the classes under names") from error
    listed = [names[index] for index in sorted(names)] if isinstance(names, dict) else names
    if not isinstance(listed, list) or not listed:
        raise BadInput(path, "names no classes", "list them under names")
    return [str(name) for name in listed]
