"""The context of corruptions for a dataset: its own masks as donors."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from evaluation.corruption.context import Context, Donor, donor_of
from segqc.base.errors import BadInput
from segqc.base.parallel import ordered_map
from segqc.data.labels import LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair


def mask_path(pair: Pair) -> Path:
    """The mask of a pair.

    Raises
    ------
    BadInput
        When it has none.
    """
    if pair.mask is None:
        raise BadInput(pair.image, "has no mask", "give pairs with ground truth")
    return pair.mask


def mask_context(pairs: Sequence[Pair], labels: LabelSpace) -> Context:
    """Label space and donors of a dataset; each mask is read now, and again when an error copies from it.

    Raises
    ------
    BadInput
        When a pair has no mask, or one that cannot be read.
    """

    def describe(pair: Pair) -> Donor:
        read = partial(read_mask, mask_path(pair), labels)
        return donor_of(pair.id, read(), labels.background, read)

    for pair in pairs:
        mask_path(pair)  # before any mask is read
    return Context(labels.num_classes, labels.background, tuple(ordered_map(describe, pairs)))
