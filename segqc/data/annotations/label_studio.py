"""Label Studio's brush export: one PNG per task and label, merged to one mask a picture.

Files are named `task-7-annotation-40-by-1-tag-LABEL-0.png`; the task's number is the picture's place in the project,
and the picture's name is in the JSON export. Without it pictures are taken by task id or order of their names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region
from segqc.data.decoding import decode

_NAME = re.compile(r"task-(\d+)-annotation-(\d+)-by-.*?-tag-(.+)-(\d+)\.png")


def is_label_studio(path: Path) -> bool:
    """Whether a file is one label of a brush export, by its name."""
    return _NAME.fullmatch(path.name) is not None


def read_label_studio(folder: Path, pictures: Mapping[int, str]) -> Annotations:
    """Read a folder of brush PNGs; of several annotations of a task the latest counts.

    Parameters
    ----------
    folder : Path
    pictures : mapping of int to str
        Id of the picture of each task.

    Raises
    ------
    BadInput
        The folder holds no such file, or a task has no picture.
    """
    tasks: dict[int, dict[int, list[tuple[str, Path]]]] = {}
    for path in sorted(folder.glob("*.png")):
        match = _NAME.fullmatch(path.name)
        if match:
            task, annotation, label = int(match[1]), int(match[2]), match[3]
            tasks.setdefault(task, {}).setdefault(annotation, []).append((label, path))
    if not tasks:
        raise BadInput(folder, "holds no brush masks of Label Studio (task-N-annotation-M-by-U-tag-LABEL-0.png)")
    found = []
    for task, annotations in sorted(tasks.items()):
        if task not in pictures:
            raise BadInput(folder, f"holds masks of task {task}, which has no picture", "name pictures by task id")
        layers = annotations[max(annotations)]
        with Image.open(layers[0][1]) as image:
            width, height = image.size
        found.append(AnnotatedPicture(pictures[task], width, height, partial(_regions, layers, width, height)))
    names = sorted({label for annotations in tasks.values() for layers in annotations.values() for label, _ in layers})
    return Annotations(folder, tuple(names), tuple(found))


def _regions(layers: Sequence[tuple[str, Path]], width: int, height: int) -> Iterator[Region]:
    for label, path in layers:
        region = np.asarray(decode(path, ("PNG",), "is not a PNG", "export it again").convert("L")) > 0
        if region.shape != (height, width):
            raise BadInput(path, f"is {region.shape[1]}x{region.shape[0]} pixels, not {width}x{height}")
        yield Region(label, region)
