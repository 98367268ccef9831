"""Classes of a segmenter as those of the quality model, by name or index."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from segqc.data.labels import VOID, LabelSpace

_BACKGROUND = "background"


class ClassTable:
    """Which of the quality model's classes each class of a segmenter is.

    Parameters
    ----------
    labels : LabelSpace
        Classes of the quality model.
    classes : sequence of str, int or None, optional
        For each class of the segmenter the quality model's, by name or index; None, or a name that it does not know:
        not judged (void). By default both have the same classes.

    Attributes
    ----------
    count : int
        Classes of the segmenter.
    not_judged : list of str
        Names in `classes` that the quality model does not know.
    lacks_background : bool
        None of the segmenter's classes is the quality model's background.

    Raises
    ------
    ValueError
        `classes` is a text, or has an index that the quality model does not have.
    """

    def __init__(self, labels: LabelSpace, classes: Sequence[Any] | None = None) -> None:
        if isinstance(classes, str | bytes):
            raise ValueError(
                f"Expected `classes` to be a list with a name for each class, but got the text {classes!r}"
            )
        self.labels = labels
        self._by_name = {_plain(name): index for index, name in enumerate(labels.names)}
        if labels.background is not None:
            self._by_name.setdefault(_BACKGROUND, labels.background)  # torchvision's __background__, too
        self.count = labels.num_classes if classes is None else len(classes)
        indices = range(labels.num_classes) if classes is None else [self._index(item) for item in classes]
        self.not_judged = [name for name in classes or () if isinstance(name, str) and self.named(name) == VOID]
        self.lacks_background = labels.background is not None and labels.background not in indices
        self._same = classes is None
        self._table = np.full(256, VOID, np.uint8)
        self._table[: self.count] = list(indices)

    def named(self, name: str) -> int:
        """The quality model's class of this name, whatever its case, underscores and spaces; 255 for unknown ones."""
        if name in self.labels.names:
            return self.labels.names.index(name)
        return self._by_name.get(_plain(name), VOID)

    def translate(self, mask: np.ndarray) -> np.ndarray:
        """The quality model's classes for the segmenter's, both uint8 `[H, W]` with 255 where void; the index `count`
        is the quality model's background.
        """
        if self._same:
            return mask
        table = self._table.copy()
        if self.count < VOID and self.labels.background is not None:
            table[self.count] = self.labels.background
        return table[mask]

    def _index(self, item: Any) -> int:
        if item is None:
            return VOID
        if isinstance(item, str):
            return self.named(item)
        index = int(item)
        if not (0 <= index < self.labels.num_classes or index == VOID):
            raise ValueError(
                f"Expected classes of the quality model, 0 to {self.labels.num_classes - 1}, but got {index}"
            )
        return index


def _plain(name: str) -> str:
    """A name without what spellings differ in: `dining table`, `Dining_Table` and `diningtable` are one."""
    return "".join(letter for letter in name.casefold() if letter.isalnum()) or name
