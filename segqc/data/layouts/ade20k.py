"""ADE20K: the scene parsing benchmark (images/SPLIT and annotations/SPLIT, 0 = other, 1..150), and the full set of 2017
(SPLIT/.../x.jpg with x_seg.png and x_atr.txt, whose instances have names).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from segqc.base.errors import BadInput
from segqc.data.annotations.drawing import AnnotatedPicture, Annotations, Region
from segqc.data.decoding import decode
from segqc.data.label_lists import ADE20K
from segqc.data.layouts.dataset import Annotated, DataSet, choose_split, pair_folders

_SPLITS = ("training", "validation")


def find(root: Path, split: str | None, work: Path | None) -> Annotated | DataSet | None:
    """The data set, if `root` holds images/training and annotations/training, or training with *_seg.png."""
    images, masks = root / "images", root / "annotations"
    splits = [name for name in _SPLITS if (images / name).is_dir() and (masks / name).is_dir()]
    if splits:
        chosen = choose_split(root, splits, split)
        said = (f"part {chosen} of {', '.join(splits)}; 0 is void, 1 to 150 are classes",)
        return pair_folders("ade20k", images / chosen, masks / chosen, labels=ADE20K, said=said)
    splits = [name for name in _SPLITS if any((root / name).rglob("*_seg.png"))]
    if not splits:
        return None
    part = root / choose_split(root, splits, split)
    return Annotated("ade20k", _read_2017(part), part)


def _read_2017(part: Path) -> Annotations:
    """Whole objects of all pictures; their parts are passed over."""
    pictures, names, parts = [], set[str](), 0
    for path in sorted(part.rglob("*_seg.png")):
        stem = path.with_name(path.name.removesuffix("_seg.png"))
        objects, skipped = _objects(stem.with_name(f"{stem.name}_atr.txt"))
        names |= set(objects.values())
        parts += skipped
        pixels = np.asarray(decode(path, ("PNG",), "is not a PNG", "copy it again").convert("RGB"))
        draw = partial(_regions, path, objects)
        pictures.append(AnnotatedPicture(stem.relative_to(part).as_posix(), pixels.shape[1], pixels.shape[0], draw))
    return Annotations(part, tuple(sorted(names)), tuple(pictures), {"parts of objects": parts} if parts else {})


def _objects(path: Path) -> tuple[dict[int, str], int]:
    """Names of whole objects by instance number, and the number of parts: `001 # 0 # 1 # sky # sky # ""`."""
    objects, parts = {}, 0
    try:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            instance, level, _, synset, name, *_ = (piece.strip() for piece in line.split("#"))
            if int(level) == 0:
                objects[int(instance)] = name or synset
            else:
                parts += 1
    except (OSError, ValueError) as error:
        raise BadInput(path, f"does not list the objects of its picture: {error}", "copy it again") from error
    return objects, parts


def _regions(path: Path, objects: dict[int, str]) -> Iterator[Region]:
    """Instances are numbered in the order of the blue channel's values, 0 being no object."""
    blue = np.asarray(decode(path, ("PNG",), "is not a PNG", "copy it again").convert("RGB"))[..., 2]
    for place, value in enumerate(sorted(set(np.unique(blue).tolist()) - {0}), 1):
        if place in objects:
            yield Region(objects[place], blue == value)
