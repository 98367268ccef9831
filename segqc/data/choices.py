"""What the options on data decide: names of files, reading of pictures, and changes to the label space."""

import dataclasses

from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.labels import VOID, LabelSpace
from segqc.data.options import DataOptions
from segqc.data.pairing import NamePattern
from segqc.data.pictures import PictureReading


def raise_limit(options: DataOptions) -> None:
    """Let Pillow, and all readers here, decode files of up to `max_pixels`, for the rest of the process."""
    if options.max_pixels is not None:
        Image.MAX_IMAGE_PIXELS = options.max_pixels


def patterns(options: DataOptions) -> tuple[NamePattern | None, NamePattern | None]:
    """Patterns of the names of images and masks that were given.

    Raises
    ------
    BadInput
        One is no pattern.
    """
    return _pattern("--image-suffix", options.image_suffix), _pattern("--mask-suffix", options.mask_suffix)


def picture_reading(options: DataOptions) -> PictureReading:
    """How pictures are read, as far as the options say.

    Raises
    ------
    BadInput
        The intensities are no range, or the bands neither one nor three.
    """
    try:
        if options.intensity is not None and len(options.intensity) != 2:
            raise ValueError(f"Expected intensity LOW,HIGH, but got {options.intensity}")
        low_high = None if options.intensity is None else (options.intensity[0], options.intensity[1])
        return PictureReading(low_high, options.bands, options.exif == "upright")
    except ValueError as error:
        raise BadInput("--intensity or --bands", str(error), "give --intensity 0,4095 or --bands 4,3,2") from error


def settled_kinds(options: DataOptions) -> frozenset[str]:
    """Kinds of suspicion that these options settle."""
    kinds = {"turned pictures": options.exif != "auto", "palette reordered": options.mask_values != "auto"}
    kinds["background that looks like none"] = options.background is not None
    return frozenset(kind for kind, given in kinds.items() if given)


def adjusted(labels: LabelSpace, options: DataOptions) -> LabelSpace:
    """A label space as these options change it.

    Raises
    ------
    BadInput
        There is no class of the background's name.
    """
    if options.background is not None:
        wanted = options.background
        if wanted.lower() != "none" and wanted not in labels.names:
            raise BadInput(
                "--background", f"{wanted!r} is no class", f"choose none or one of {', '.join(labels.names)}"
            )
        index = None if wanted.lower() == "none" else labels.names.index(wanted)
        labels = dataclasses.replace(labels, background=index)
    if options.reduce_zero_label:
        ids = {index + 1: index for index in range(labels.num_classes)} | {255: VOID}
        labels = dataclasses.replace(labels, void=0, ids=ids, void_stated=True)
    return dataclasses.replace(labels, by_colour=True) if options.mask_values == "colour" else labels


def _pattern(option: str, text: str | None) -> NamePattern | None:
    try:
        return None if text is None else NamePattern.parse(text)
    except ValueError as error:
        raise BadInput(
            option, str(error), 'give an ending such as "_mask", or a pattern such as "mask_{id}"'
        ) from error
