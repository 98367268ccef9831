"""COCO: instances and stuff (polygons, runs), panoptic (a PNG of segment ids), and results lists of runs.

Polygons and compressed runs are decoded by pycocotools, the reference, which is an extra.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, decode_runs
from segqc.data.decoding import decode


def is_coco(content: Any) -> bool:
    """Whether JSON content is a COCO data set."""
    return isinstance(content, Mapping) and {"images", "annotations", "categories"} <= set(content)


def read_coco(path: Path, results_of: Path | None = None) -> Annotations:
    """Read a COCO annotation file.

    Parameters
    ----------
    path : Path
        Instances, stuff or panoptic annotations; or, with `results_of`, a results list.
    results_of : Path, optional
        Annotation file whose images and categories a results list refers to.

    Raises
    ------
    BadInput
        The file is no COCO data set, or an annotation of it is incomplete.
    """
    content = read_json(path)
    if isinstance(content, list):
        if results_of is None:
            raise BadInput(
                path, "is a list of COCO results, without images", "give the annotation file it belongs to, too"
            )
        content = {**read_json(results_of), "annotations": content}
    if not is_coco(content):
        raise BadInput(path, "is no COCO data set: it lacks images, annotations or categories", "give another file")
    try:
        return _annotations(path, content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(path, f"is no complete COCO data set: {error!r}", "export it again") from error


def _annotations(path: Path, content: Mapping[str, Any]) -> Annotations:
    names = {int(category["id"]): str(category["name"]) for category in content["categories"]}
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    passed_over: Counter[str] = Counter()
    for annotation in content["annotations"]:
        if not annotation.get("segmentation") and "segments_info" not in annotation:
            passed_over["boxes without a segmentation"] += 1
            continue
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    pictures = []
    for image in content["images"]:
        own = by_image.get(image["id"], [])
        width, height = int(image["width"]), int(image["height"])
        panoptic = [annotation for annotation in own if "segments_info" in annotation]
        if panoptic:
            draw = partial(_panoptic_regions, path, panoptic[0], names)
        else:
            draw = partial(_regions, path, own, names, width, height)
        id_ = PurePosixPath(str(image["file_name"]).replace("\\", "/")).with_suffix("").as_posix()
        pictures.append(AnnotatedPicture(id_, width, height, draw))
    return Annotations(path, tuple(dict.fromkeys(names.values())), tuple(pictures), dict(passed_over))


def _regions(
    path: Path, annotations: list[Mapping[str, Any]], names: Mapping[int, str], width: int, height: int
) -> Iterator[tuple[str, np.ndarray]]:
    for annotation in annotations:
        try:
            yield names[int(annotation["category_id"])], _decode(annotation["segmentation"], width, height)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(path, f"holds an annotation that cannot be drawn: {error!r}", "export it again") from error


def _decode(segmentation: Any, width: int, height: int) -> np.ndarray:
    """A polygon list, or runs that are plain or compressed, as bool `[H, W]`."""
    if isinstance(segmentation, Mapping) and isinstance(segmentation["counts"], list):
        return decode_runs(segmentation["counts"], width, height, columns_first=True)
    try:
        from pycocotools import mask as coco_mask
    except ImportError as error:
        raise BadInput(
            "pycocotools", "is not installed, and reads COCO polygons", "pip install 'segqc[formats]'"
        ) from error
    if isinstance(segmentation, Mapping):
        runs: Any = dict(segmentation)
        if list(map(int, runs["size"])) != [height, width]:
            raise ValueError(f"Expected runs of size {[height, width]}, but got {runs['size']}")
        runs["counts"] = runs["counts"].encode() if isinstance(runs["counts"], str) else runs["counts"]
        return coco_mask.decode(runs).astype(bool)
    polygons = [list(map(float, polygon)) for polygon in segmentation if len(polygon) >= 6]
    if not polygons:
        return np.zeros((height, width), bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))).astype(bool)


def _panoptic_regions(
    path: Path, annotation: Mapping[str, Any], names: Mapping[int, str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Segment ids are R + 256 G + 256^2 B of a PNG in a folder that is named after the file, or beside it."""
    name = str(annotation["file_name"])
    places = [path.with_suffix("") / name, path.parent / name]
    file = next((place for place in places if place.is_file()), places[0])
    image = decode(file, ("PNG",), "is not a PNG", "panoptic segments are PNGs")
    pixels = np.asarray(image.convert("RGB") if image.mode != "RGB" else image).astype(np.int64)
    ids = pixels @ np.array([1, 256, 65536])
    for segment in annotation["segments_info"]:
        yield names[int(segment["category_id"])], ids == int(segment["id"])
