"""Classes of two label spaces that go by the same name."""

import dataclasses

import numpy as np

from segqc.data.labels import VOID, LabelSpace, palette_of

_IGNORED = str.maketrans("", "", " _-")


def class_of(name: str, labels: LabelSpace) -> int | None:
    """Index of the class of this name, or of the only one that differs in case, spaces, hyphens and underscores alone.

    None where there is no such class.
    """
    if name in labels.names:
        return labels.names.index(name)
    alike = [index for index, known in enumerate(labels.names) if _plain(known) == _plain(name)]
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return name.casefold().translate(_IGNORED)


def in_files_of(labels: LabelSpace, files: LabelSpace) -> LabelSpace:
    """The classes of `labels` with the values and colours that files of another label space, `files`, have for them.

    A class of the files that `labels` does not have is background, as for whoever trains on fewer classes; void where
    there is none.
    """
    if files.names == labels.names:
        return dataclasses.replace(files, background=labels.background)
    other = VOID if labels.background is None else labels.background
    meant = [other if (index := class_of(name, labels)) is None else index for name in files.names]
    ids = {value: VOID if index == VOID else meant[index] for value, index in files.value_classes.items()}
    return dataclasses.replace(
        labels, void=files.void, ids=ids, void_stated=files.void_stated, palette=_colours(labels, files, meant)
    )


def _colours(labels: LabelSpace, files: LabelSpace, meant: list[int]) -> np.ndarray:
    """The palette of `labels` with the files' colours."""
    own = [tuple(colour) for colour in labels.palette[: labels.num_classes].tolist()]
    for place, index in enumerate(meant):
        if index != VOID:
            own[index] = tuple(files.palette[place].tolist())
    return palette_of(own) if len(set(own)) == len(own) else labels.palette
