"""How a data set's files are found and read: the options that train, audit and inspect share.

What they decide is in `segqc.data.choices`; this module is light enough for the command line's help.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from segqc.base.settings import Setting

MOST_TILES = 8
"""Tiles along a side, at most: 64 of a picture, which is what scoring keeps in memory of it."""


LayoutName = Literal[
    "auto",
    "table",
    "huggingface",
    "voc",
    "cityscapes",
    "camvid",
    "ade20k",
    "coco",
    "nnunet",
    "mvtec",
    "labelme",
    "cvat",
    "labelstudio",
    "yolo",
    "folders",
]


MaskValues = Literal["auto", "index", "colour"]
Exif = Literal["auto", "stored", "upright"]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Fields of a command's configuration that say how its data is found and read."""

    image_suffix: Annotated[
        str | None,
        Setting('What follows the id in an image\'s name ("_leftImg8bit"), or a pattern with {id} (default: found).'),
    ] = None
    mask_suffix: Annotated[
        str | None,
        Setting('What follows the id in a mask\'s name ("_mask"), or a pattern with {id} (default: found).'),
    ] = None
    background: Annotated[
        str | None,
        Setting('Name of the background class, or "none" (default: as --classes says, else its first class).'),
    ] = None
    reduce_zero_label: Annotated[bool, Setting("Read 0 in masks as void and 1 as the first class, as in ADE20K.")] = (
        False
    )
    mask_values: Annotated[
        MaskValues,
        Setting(
            "What counts in masks with a colour table: index, colour or auto "
            "(the index, where both name the same class)."
        ),
    ] = "auto"
    exif: Annotated[
        Exif,
        Setting(
            "How images with an EXIF orientation are read: stored, upright or auto (stored, where that is unambiguous)."
        ),
    ] = "auto"
    intensity: Annotated[
        tuple[float, ...] | None,
        Setting(
            "LOW,HIGH: stored intensities that become black and white (default: found for 16-bit images and volumes)."
        ),
    ] = None
    bands: Annotated[
        tuple[int, ...] | None,
        Setting(
            "Bands that become red, green and blue, counted from 1, such as 4,3,2 (default: the first three).", low=1
        ),
    ] = None
    max_pixels: Annotated[
        int | None, Setting("Largest image or mask that is decoded, in pixels (default: 89478485).", low=1)
    ] = None


Data = Annotated[
    Path | None,
    Setting(
        "Data set in a known layout, its annotation file, or a table of paths (.csv, .parquet): see --layout; names "
        "the images and the ground truth."
    ),
]
Split = Annotated[str | None, Setting('With --data: part of the data set, such as "val" (default: the training part).')]
Layout = Annotated[
    LayoutName,
    Setting(
        "With --data: the data set's layout: table, huggingface, voc, cityscapes, camvid, ade20k, coco, nnunet, "
        "mvtec, labelme, cvat, labelstudio, yolo, folders or auto (recognised)."
    ),
]

ResultsOf = Annotated[
    Path | None,
    Setting(
        "With COCO results or YOLO labels as --predictions: the data set's COCO JSON or data.yaml, which names images "
        "and classes (default: that of --ground-truth or --data)."
    ),
]
MinScore = Annotated[
    float,
    Setting("With annotations that have a score as --predictions: leave out those with a lower one.", low=0, high=1),
]
MIN_SCORE = 0.5


DATA_OPTIONS = tuple(field.name for field in dataclasses.fields(DataOptions))
"""Names of the fields that all commands on data share."""
