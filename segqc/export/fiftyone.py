"""FiftyOne: a dataset on disk with the predicted masks, heat maps, suspect boxes and all that is known as fields of its
samples.

    fiftyone.Dataset.from_dir("queue", dataset_type=fiftyone.types.FiftyOneDataset)

This is the layout that FiftyOne wrote before version 0.8 and has read ever since; unlike the current one it names no
version and no internals.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.base.files import atomic_path, write_json
from segqc.base.version import __version__
from segqc.data.labels import LabelSpace
from segqc.export.config import ExportConfig
from segqc.export.queue import Item
from segqc.export.shapes import class_masks, polygons
from segqc.export.streams import write_object
from segqc.gallery.overlay import read_heat


def write(out: Path, items: Iterable[Item], labels: LabelSpace, config: ExportConfig) -> list[Path]:
    """Write `metadata.json`, `samples.json` and the pictures of masks and heat maps under `fields`."""
    info = {
        "description": f"Predictions to review, the most suspect first (segqc {__version__})",
        "default_classes": [labels.name(index) for index in labels.foreground],
        "default_mask_targets": {str(index): labels.name(index) for index in (*labels.foreground, 255)},
    }

    def samples() -> Iterator[dict[str, Any]]:
        for number, item in enumerate(items, start=1):
            yield sample(item, number, out, labels, config)

    write_object(out / "samples.json", {"samples": samples()})
    write_json(out / "metadata.json", {"media_type": "image", "info": info})
    return [out / "metadata.json", out / "samples.json", out / "fields"]


def sample(item: Item, number: int, out: Path, labels: LabelSpace, config: ExportConfig) -> dict[str, Any]:
    """A sample, its mask and heat map written to disk under its number: an id may be no file name elsewhere."""
    details = item.details
    decision = [details["decision"]] if "decision" in details else []
    found: dict[str, Any] = {"filepath": item.location, "tags": [*decision, *item.tags]}
    # "id" and "rank" are taken or vague among fields of other origins.
    found |= {f"qc_{name}": value for name, value in details.items() if name not in ("worst_box", "tags")}
    if config.shapes == "polygon":
        found["prediction"] = {"_cls": "Polylines", "polylines": _polylines(item, labels, config.tolerance)}
    else:
        found["prediction"] = {"_cls": "Segmentation", "mask_path": _write_grey(out, "prediction", number, item.mask)}
    if item.heatmap is not None:
        try:
            heat = np.asarray(read_heat(item.heatmap))
            found["heatmap"] = {"_cls": "Heatmap", "map_path": _write_grey(out, "heatmap", number, heat)}
        except BadInput as error:  # the rest of the sample is none the worse for it
            found["qc_problem"] = str(error)
    if item.box is not None:
        x0, y0, x1, y1 = item.box
        place = [x0 / item.width, y0 / item.height, (x1 - x0) / item.width, (y1 - y0) / item.height]
        box = {
            "_cls": "Detection",
            "label": details.get("worst_class", "suspect"),
            "bounding_box": place,
            "reason": details["reason"],
        }
        if "expected_class" in details:
            box["expected"] = details["expected_class"]
        found["suspect"] = {"_cls": "Detections", "detections": [box]}
    return found


def _polylines(item: Item, labels: LabelSpace, tolerance: float) -> list[dict[str, Any]]:
    scale = np.array([1 / item.width, 1 / item.height])
    return [
        {
            "_cls": "Polyline",
            "label": labels.name(index),
            "points": [(ring * scale).round(6).tolist()],
            "closed": True,
            "filled": True,
        }
        for index, mask in class_masks(item.mask, labels)
        for ring in polygons(mask, tolerance)
    ]


def _write_grey(out: Path, field: str, number: int, values: np.ndarray) -> str:
    """Write an 8-bit grey PNG under `fields` (FiftyOne would read a palette PNG by its colours); returns its path from
    `out`.
    """
    path = f"fields/{field}/{number:06d}.png"
    with atomic_path(out / path) as temporary:
        Image.fromarray(values).save(temporary, "PNG")
    return path
