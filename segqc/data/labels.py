"""Label spaces: which index means what, which is background, which is void, and which colour each has.

Inside the package a mask is a uint8 array of class indices in which `VOID` (255) marks pixels of unknown label,
whatever value the files use for it. `LabelSpace.void` is the value in the files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VOID = 255
"""The label of unknown pixels in every mask in memory."""

MAX_CLASSES = 255
"""Indices 0..254; 255 is void."""


def voc_palette() -> np.ndarray:
    """The colours of the Pascal VOC devkit (VOClabelcolormap), uint8 [256, 3], all distinct.

    Bit j of red, green and blue, counted from the top, is bit 3j, 3j + 1 and 3j + 2 of the index.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for channel in range(3):
        for j in range(8):
            colours[:, channel] |= (((index >> (3 * j + channel)) & 1) << (7 - j)).astype(np.uint8)
    return colours


def palette_of(
    colours: Sequence[Sequence[int]], void_colour: Sequence[int] | None = None, void: int = VOID
) -> np.ndarray:
    """A palette, uint8 [256, 3], that begins with the given colours; the rest are VOC's, moved aside where they repeat.

    Parameters
    ----------
    colours : sequence of (red, green, blue)
        Colours of the classes, in the order of their indices.
    void_colour : (red, green, blue), optional
        Colour of void.
    void : int
        Index of void in the palette.

    Raises
    ------
    ValueError
        A colour is not three numbers from 0 to 255.
    """
    for colour in (*colours, *([] if void_colour is None else [void_colour])):
        if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
            raise ValueError(f"Expected colours of red, green and blue from 0 to 255, but got {tuple(colour)}")
    given = dict(enumerate(colours)) | ({} if void_colour is None else {void: void_colour})
    taken = {tuple(colour) for colour in given.values()}
    spare = ((r, g, b) for r in range(1, 255, 2) for g in range(1, 255, 2) for b in range(1, 255, 2))
    palette = voc_palette()
    for place, colour in enumerate(palette.tolist()):
        if place in given:
            palette[place] = given[place]
        elif tuple(colour) in taken:
            palette[place] = next(free for free in spare if free not in taken)
            taken.add(tuple(palette[place].tolist()))
    return palette


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a segmentation task.

    Two spaces are equal when names, void and background are; colours don't count.

    Parameters
    ----------
    names : tuple of str
        Class names in the order of their indices, 2 to 255 of them, all different.
    void : int, optional
        Value of unknown pixels in mask files: not a class index, at most 255. None: the files have no void.
    background : int, optional
        Index of the background class. None: every class is foreground.
    palette : np.ndarray
        uint8 [256, 3], RGB colour of each index; colours of the classes and of void are all different.
    ids : mapping of int to int, optional
        What mask files hold, where that is not the class indices: class index of each file value, several values may
        share one; `VOID` (255) for further void values. Files are then decoded by it alone, and by `void`.
    void_stated : bool
        Whether somebody said what void is; False where 255 was assumed. Masks of 0 and 255 may then be binary ones.
    by_colour : bool
        Whether masks with a colour table are decoded by their colours and not by their numbers.

    Raises
    ------
    ValueError
        When any of that does not hold.
    """

    names: tuple[str, ...]
    void: int | None = 255
    background: int | None = 0
    palette: np.ndarray = field(default_factory=voc_palette, repr=False, compare=False)
    ids: Mapping[int, int] | None = field(default=None, compare=False)
    void_stated: bool = field(default=True, compare=False)
    by_colour: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not 2 <= len(self.names) <= MAX_CLASSES:
            raise ValueError(f"Expected 2 to {MAX_CLASSES} class names, but got {len(self.names)}")
        if not all(isinstance(name, str) and name.strip() for name in self.names):
            raise ValueError("Expected every class name to be a text that is not blank")
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ValueError(f"Expected different class names, but got more than once: {', '.join(repeated)}")
        if self.ids is not None:
            object.__setattr__(self, "ids", dict(self.ids))
            self._check_ids()
        elif self.void is not None and not (_is_index(self.void) and self.num_classes <= self.void <= 255):
            raise ValueError(
                f"Expected `void` to be None or from {self.num_classes} (the number of classes) to 255, "
                f"but got {self.void!r}"
            )
        if self.background is not None and not (_is_index(self.background) and 0 <= self.background < self.num_classes):
            raise ValueError(
                f"Expected `background` to be None or a class index below {self.num_classes}, "
                f"but got {self.background!r}"
            )
        if self.palette.shape != (256, 3) or self.palette.dtype != np.uint8:
            raise ValueError(
                f"Expected `palette` to be uint8 [256, 3], but got {self.palette.dtype} {list(self.palette.shape)}"
            )
        values = list(self.colour_indices.values())
        if len(np.unique(self.palette[values], axis=0)) < len(values):
            raise ValueError("Expected different colours for all classes and void, but the palette repeats one")

    def _check_ids(self) -> None:
        assert self.ids is not None
        for value, index in self.ids.items():
            if not (_is_index(value) and _is_index(index) and (0 <= index < self.num_classes or index == VOID)):
                raise ValueError(
                    f"Expected `ids` to map whole numbers to class indices below {self.num_classes} or to {VOID}, "
                    f"but got {value!r}: {index!r}"
                )
        if self.void is not None and not _is_index(self.void):
            raise ValueError(f"Expected `void` to be None or a whole number, but got {self.void!r}")
        if self.void is not None and self.ids.get(self.void, VOID) != VOID:
            raise ValueError(f"Expected `void` not to be a class, but {self.void} is {self.names[self.ids[self.void]]}")

    @property
    def num_classes(self) -> int:
        """Number of classes K, void not among them."""
        return len(self.names)

    @property
    def foreground(self) -> tuple[int, ...]:
        """Indices of all classes but the background."""
        return tuple(index for index in range(self.num_classes) if index != self.background)

    @property
    def file_values(self) -> list[int]:
        """The values that a mask file may hold: class indices, then void."""
        return sorted(self.value_classes)

    @property
    def value_classes(self) -> dict[int, int]:
        """Class index of each value that a mask file may hold, `VOID` for void ones."""
        known = dict(self.ids) if self.ids is not None else {index: index for index in range(self.num_classes)}
        return known if self.void is None else known | {self.void: VOID}

    @property
    def colour_indices(self) -> dict[int, int]:
        """Where `palette` holds the colour of each class index, and of `VOID`: void keeps its file value's colour."""
        void = self.void if self.void is not None and self.num_classes <= self.void <= 255 else VOID
        return {index: index for index in range(self.num_classes)} | ({} if self.void is None else {VOID: void})

    def file_value(self, index: int) -> int:
        """The value that stands for a class index, or for `VOID`, in a mask file that is written."""
        if index == VOID and self.void is not None:
            return self.void
        return next((value for value, known in self.value_classes.items() if known == index), index)

    def name(self, index: int) -> str:
        """Name of a class index, ``"void"`` for 255.

        Raises
        ------
        IndexError
            For any other index.
        """
        if 0 <= index < self.num_classes:
            return self.names[index]
        if index == VOID:
            return "void"
        raise IndexError(f"Expected a class index below {self.num_classes} or {VOID}, but got {index}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; the palette only when it is not VOC's."""
        values: dict[str, Any] = {"names": list(self.names), "void": self.void, "background": self.background}
        if not np.array_equal(self.palette, voc_palette()):
            values["palette"] = self.palette.tolist()
        if not self.void_stated:
            values["void_stated"] = False
        if self.by_colour:
            values["by_colour"] = True
        if self.ids is not None:
            values["ids"] = {str(value): index for value, index in self.ids.items()}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LabelSpace":
        """Inverse of `to_dict`. ``palette`` may be shorter than 256 colours; the rest are VOC's.

        Raises
        ------
        ValueError
            For missing or unknown keys and for values that make no label space.
        """
        unknown = sorted(set(values) - {"names", "void", "background", "palette", "ids", "void_stated", "by_colour"})
        if unknown:
            listed = ", ".join(map(str, unknown))
            raise ValueError(f"Expected the keys names, void, background, palette and ids, but got also {listed}")
        if not isinstance(values.get("names"), list | tuple):
            raise ValueError("Expected `names` to be a list of class names")
        arguments = {key: values[key] for key in ("void", "background") if key in values}
        if "palette" in values:
            arguments["palette"] = _palette(values["palette"], len(values["names"]))
        arguments["by_colour"] = bool(values.get("by_colour", False))
        arguments["void_stated"] = bool(values.get("void_stated", "void" in values))
        if values.get("ids") is not None:
            arguments["ids"] = {int(value): index for value, index in values["ids"].items()}
        return cls(tuple(values["names"]), **arguments)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _palette(colours: Any, num_classes: int) -> np.ndarray:
    try:
        array = np.asarray(colours)
    except ValueError:  # rows of different lengths
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1] != 3 or not num_classes <= len(array) <= 256 or array.dtype.kind not in "iu":
        raise ValueError(
            "Expected `palette` to be a list of [red, green, blue], at least one for each class and at most 256"
        )
    if array.min() < 0 or array.max() > 255:
        raise ValueError("Expected the palette's values to lie in 0..255")
    palette = voc_palette()
    palette[: len(array)] = array
    return palette


VOC_LABELS = LabelSpace(
    (
        "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
    )
)  # fmt: skip
"""Pascal VOC 2012: background and 20 classes, 255 void."""
