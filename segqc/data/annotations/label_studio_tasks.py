"""Label Studio's JSON: a list of tasks, whose annotations and predictions hold brush strokes, polygons and ellipses."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region
from segqc.data.annotations.matching import address_id
from segqc.data.annotations.shapes import decode_brush, fill_outline

_KINDS = ("brushlabels", "polygonlabels", "ellipselabels")
_ELLIPSE_CORNERS = 128


def is_tasks(content: Any) -> bool:
    """Whether JSON content is an export of tasks with what was drawn on them."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, Mapping) and isinstance(task.get("data"), Mapping) for task in content)
        and any(task.get("annotations") or task.get("predictions") for task in content)
    )


def task_pictures(path: Path) -> dict[int, str]:
    """Id of the picture of each task of an export.

    Raises
    ------
    BadInput
        The file is no export of tasks with pictures.
    """
    try:
        return {int(task["id"]): _picture(task) for task in read_json(path)}
    except (KeyError, TypeError, ValueError, OverflowError, StopIteration, AttributeError) as error:
        raise BadInput(path, f"is no export of tasks with pictures: {error!r}", "export the project as JSON") from error


def read_tasks(path: Path, predicted: bool = False) -> Annotations:
    """Read an export of tasks.

    Parameters
    ----------
    path : Path
    predicted : bool
        Whether a task's prediction counts before its annotations; else people's annotations do, of which the latest.

    Raises
    ------
    BadInput
        The file is no export of tasks, or one of them is incomplete.
    """
    content = read_json(path)
    if not is_tasks(content):
        raise BadInput(path, "holds no tasks with annotations", "export the project as JSON (not JSON-MIN)")
    pictures, names = [], dict[str, None]()
    passed_over: Counter[str] = Counter()
    for task in content:
        try:
            results = _results(task, predicted)
            regions = [result for result in results if result.get("type") in _KINDS]
            passed_over.update(str(result.get("type")) for result in results if result not in regions)
            names |= {_label(region): None for region in regions}
            width, height = _size(results)
            draw = partial(_regions, path, regions, width, height)
            pictures.append(AnnotatedPicture(_picture(task), width, height, draw, not regions))
        except (KeyError, TypeError, ValueError, OverflowError, StopIteration, AttributeError, IndexError) as error:
            raise BadInput(path, f"holds an incomplete task: {error!r}", "export the project again") from error
    return Annotations(path, tuple(names), tuple(pictures), dict(passed_over))


def _picture(task: Mapping[str, Any]) -> str:
    """The task's picture: the first address among its data, the one called image before others."""
    data = task["data"]
    return address_id(next(value for value in (data.get("image"), *data.values()) if isinstance(value, str)))


def _results(task: Mapping[str, Any], predicted: bool) -> list[Mapping[str, Any]]:
    """What was drawn on a task, by the latest annotation that was not cancelled, or by the latest prediction."""
    annotations = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
    predictions = [one for one in task.get("predictions") or [] if isinstance(one, Mapping)]
    first, second = (predictions, annotations) if predicted else (annotations, predictions)
    drawn = first or second
    return list(drawn[-1]["result"]) if drawn else []


def _size(results: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Width and height of the picture, px; 0 where nothing on it says."""
    sized = next((result for result in results if "original_width" in result), None)
    return (0, 0) if sized is None else (int(sized["original_width"]), int(sized["original_height"]))


def _label(region: Mapping[str, Any]) -> str:
    return str(region["value"][region["type"]][0])


def _regions(path: Path, regions: Sequence[Mapping[str, Any]], width: int, height: int) -> Iterator[Region]:
    for region in regions:
        try:
            if region.get("image_rotation"):
                raise ValueError("its picture was rotated in Label Studio")
            yield Region(_label(region), _region(region["type"], region["value"], width, height))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, IndexError) as error:
            raise BadInput(path, f"holds a region that cannot be drawn: {error}", "export the project again") from error


def _region(kind: str, value: Mapping[str, Any], width: int, height: int) -> np.ndarray:
    """Coordinates are per cent of the picture's sides."""
    if kind == "brushlabels":
        return decode_brush(value["rle"], width, height)
    if kind == "polygonlabels":
        return fill_outline([(x * width / 100, y * height / 100) for x, y in value["points"]], width, height)
    angle = math.radians(value.get("rotation", 0))
    corners = []
    for corner in range(_ELLIPSE_CORNERS):
        turn = 2 * math.pi * corner / _ELLIPSE_CORNERS
        across = value["radiusX"] * width / 100 * math.cos(turn)
        down = value["radiusY"] * height / 100 * math.sin(turn)
        x = value["x"] * width / 100 + across * math.cos(angle) - down * math.sin(angle)
        y = value["y"] * height / 100 + across * math.sin(angle) + down * math.cos(angle)
        corners.append((x, y))
    return fill_outline(corners, width, height)
