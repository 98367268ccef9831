"""COCO: instances and stuff (polygons, runs), panoptic (a PNG of segment ids), and results lists of runs.

Polygons and compressed runs are decoded by pycocotools, the reference, which is an extra.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segqc.base.errors import BadInput
from segqc.base.files import read_json
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region, are_instances
from segqc.data.annotations.matching import picture_id
from segqc.data.annotations.shapes import decode_runs
from segqc.data.decoding import decode

_BOXES = "boxes without a segmentation"
_FAR = 16  # sides of a picture that a polygon may reach beyond it


def is_coco(content: Any) -> bool:
    """Whether JSON content is a COCO data set."""
    return isinstance(content, Mapping) and {"images", "annotations", "categories"} <= set(content)


def coco_results(content: Any) -> Sequence[Mapping[str, Any]] | None:
    """The results in JSON content that has no images: a list of them, or a panoptic prediction's; else None."""
    if isinstance(content, Mapping) and "images" not in content:
        content = content.get("annotations")
    if isinstance(content, list) and all(isinstance(item, Mapping) and "image_id" in item for item in content):
        return content
    return None


def read_coco(path: Path, results_of: Path | None = None, min_score: float | None = None) -> Annotations:
    """Read a COCO annotation file.

    Parameters
    ----------
    path : Path
        Instances, stuff or panoptic annotations; or, with `results_of`, results.
    results_of : Path, optional
        The COCO file whose images and categories results refer to.
    min_score : float, optional
        Annotations with a lower score are left out and counted.

    Raises
    ------
    BadInput
        The file is no COCO data set, an annotation of it is incomplete, or its results are boxes alone.
    """
    content = read_json(path)
    results = coco_results(content)
    if results and all(not item.get("segmentation") and "segments_info" not in item for item in results):
        raise BadInput(path, "holds boxes alone", "give the file of segmentations, whose name often has segm in it")
    if results is not None:
        if results_of is None:
            fix = "give the data set's own COCO file with --results-of (or as --ground-truth)"
            raise BadInput(path, "is a list of COCO results, which names neither pictures nor categories", fix)
        of = read_json(results_of)
        if not (isinstance(of, Mapping) and {"images", "categories"} <= set(of)):
            raise BadInput(results_of, "lacks images or categories", "give the COCO file of the data set")
        content = {"images": of["images"], "categories": of["categories"], "annotations": results}
    if not is_coco(content):
        raise BadInput(path, "is no COCO data set: it lacks images, annotations or categories", "give another file")
    try:
        return _annotations(path, content, min_score)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise BadInput(path, f"is no complete COCO data set: {error!r}", "export it again") from error


def _annotations(path: Path, content: Mapping[str, Any], min_score: float | None) -> Annotations:
    names = {int(category["id"]): str(category["name"]) for category in content["categories"]}
    images = {str(image["id"]): image for image in content["images"]}
    kept, passed_over = _kept(_numbered(content["annotations"]), names, set(images), min_score)
    scored = [annotation for annotation in kept if "score" in annotation]
    notes: tuple[str, ...] = ()
    if not kept and passed_over[_BOXES]:
        notes = ("no annotation has a segmentation: every mask is empty",)
    if scored:
        kept = sorted(kept, key=lambda annotation: float(annotation.get("score", 0)))
        notes = (f"annotations with a score: {len(scored):,}; where they overlap, the highest wins",)
    by_image: dict[str, list[Mapping[str, Any]]] = {}
    for annotation in kept:
        by_image.setdefault(str(annotation["image_id"]), []).append(annotation)
    pictures = []
    for number, image in images.items():
        own = by_image.get(number, [])
        width, height = int(image["width"]), int(image["height"])
        panoptic = [annotation for annotation in own if "segments_info" in annotation]
        if panoptic:
            draw = partial(_panoptic_regions, path, panoptic[0], names)
        else:
            draw = partial(_regions, path, own, names, width, height)
        pictures.append(AnnotatedPicture(picture_id(str(image["file_name"])), width, height, draw, not own))
    return Annotations(path, tuple(dict.fromkeys(names.values())), tuple(pictures), dict(passed_over), notes)


def _numbered(annotations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The annotations with an id each, where they are single objects, else with None: their own, or, as pycocotools
    numbers results, which have none, the place in the file from 1.
    """
    by_image: dict[str, list[str]] = {}
    for annotation in annotations:
        by_image.setdefault(str(annotation["image_id"]), []).append(str(annotation.get("category_id")))
    if not are_instances(by_image.values()):
        return [{**annotation, "id": None} for annotation in annotations]
    own = [annotation.get("id") for annotation in annotations]
    known = all(isinstance(number, int) and number > 0 for number in own) and len(set(own)) == len(own)
    numbers = own if known else range(1, len(own) + 1)
    return [{**annotation, "id": number} for annotation, number in zip(annotations, numbers, strict=True)]


def _kept(
    annotations: Sequence[Mapping[str, Any]], names: Mapping[int, str], images: set[str], min_score: float | None
) -> tuple[list[Mapping[str, Any]], Counter[str]]:
    """Annotations that can be drawn, and how many are left out for each reason."""
    kept, passed_over = list[Mapping[str, Any]](), Counter[str]()
    for annotation in annotations:
        panoptic = "segments_info" in annotation
        if str(annotation["image_id"]) not in images:
            passed_over["of pictures that the COCO file does not list"] += 1
        elif not panoptic and not annotation.get("segmentation"):
            passed_over[_BOXES] += 1
        elif not panoptic and int(annotation["category_id"]) not in names:
            passed_over[f"of category {annotation['category_id']}, which the COCO file does not list"] += 1
        elif min_score is not None and float(annotation.get("score", min_score)) < min_score:
            passed_over[f"with a score below {min_score:g} (--min-score)"] += 1
        else:
            kept.append(annotation)
    return kept, passed_over


def _regions(
    path: Path, annotations: list[Mapping[str, Any]], names: Mapping[int, str], width: int, height: int
) -> Iterator[Region]:
    for annotation in annotations:
        try:
            pixels = _decode(annotation["segmentation"], width, height)
            yield Region(names[int(annotation["category_id"])], pixels, annotation["id"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise BadInput(path, f"holds an annotation that cannot be drawn: {error!r}", "export it again") from error


def _decode(segmentation: Any, width: int, height: int) -> np.ndarray:
    """A polygon list, or runs that are plain or compressed, as bool `[H, W]`."""
    if isinstance(segmentation, Mapping):
        if list(map(int, segmentation.get("size", (height, width)))) != [height, width]:
            raise ValueError(f"Expected runs of size {[height, width]}, but got {segmentation['size']}")
        if isinstance(segmentation["counts"], list):
            return decode_runs(segmentation["counts"], width, height, columns_first=True)
    try:
        from pycocotools import mask as coco_mask
    except ImportError as error:
        raise BadInput(
            "pycocotools",
            "is not installed, and reads COCO's polygons and compressed runs",
            "pip install 'segqc[formats]'",
        ) from error
    if isinstance(segmentation, Mapping):
        counts = segmentation["counts"]
        runs = {"size": [height, width], "counts": counts.encode() if isinstance(counts, str) else counts}
        return coco_mask.decode(runs).astype(bool)
    polygons = [list(map(float, polygon)) for polygon in segmentation if len(polygon) >= 6]
    if not polygons:
        return np.zeros((height, width), bool)
    reach = _FAR * (width + height)  # pycocotools walks along every edge, and trusts that it can
    if not all(abs(value) <= reach for polygon in polygons for value in polygon):
        raise ValueError("Expected points of a polygon in or near the picture")
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))).astype(bool)


def _panoptic_regions(path: Path, annotation: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[Region]:
    """Segment ids are R + 256 G + 256^2 B of a PNG in a folder that is named after the file, or beside it."""
    name = str(annotation.get("file_name", ""))
    beside = [folder / name for folder in sorted(path.parent.iterdir()) if folder.is_dir()]
    places = [path.with_suffix("") / name, path.parent / name, *beside]
    file = next((place for place in places if place.is_file()), places[0])
    image = decode(file, ("PNG",), "is not a PNG", "panoptic segments are PNGs")
    pixels = np.asarray(image.convert("RGB") if image.mode != "RGB" else image).astype(np.int64)
    ids = pixels @ np.array([1, 256, 65536])
    for segment in annotation["segments_info"]:
        try:
            yield Region(names[int(segment["category_id"])], ids == int(segment["id"]), int(segment["id"]))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise BadInput(path, f"holds a segment that cannot be drawn: {error!r}", "export it again") from error
