"""Known errors put into a ground-truth mask: what a QC score should notice, type by type and at three strengths.

    class_swap     one object, one class, or every class gets another label
    other_mask     the mask of another image: of the same classes and alike in size, of any image, of one without a
                   class in common
    missing_object one object, one class, or all foreground is gone
    hole           a disc of 10, 25 or 50 % of an object is cut out of it
    shift          everything moves by 2, 5 or 10 % of the image diagonal
    dilation       the foreground grows by 15, 30 or 60 % of each component's depth (largest distance of its pixels to
                   the outside)
    erosion        each component of the foreground loses the outer 15, 30 or 60 % of its depth
    spurious_blob  one, two or three blobs of 3 % of the image on the background
    jagged_edge    outlines are torn up to 1, 2 or 4 % of the image diagonal

A mask is uint8 [H, W] of class indices with 255 where void. Void stays void and nothing else becomes void; where labels
move, a void pixel of the source counts as its nearest label. An object is an 8-connected component of a foreground
class. Where something is removed, the background appears; in a label space without one, the nearest label of another
class.

New labels are drawn by how many masks of the data have them, not uniformly: a class nobody expects could be found
without a look at the image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.corruption import edits
from evaluation.corruption.context import VOID, Context
from evaluation.metrics.classes import mean_dice
from segqc.base.fingerprints import wide_seed


@dataclass(frozen=True)
class Corrupted:
    """A mask uint8 [H, W], how many pixels differ from the original (at least 1), and its mean foreground Dice to it,
    in [0, 1].
    """

    mask: np.ndarray
    changed: int
    dice: float


Edit = Callable[[np.ndarray, Any, np.random.Generator, Context], "np.ndarray | None"]


@dataclass(frozen=True)
class Corruption:
    """One type of error.

    Attributes
    ----------
    name : str
    settings : tuple
        What strength 1, 2, ... means.
    edit : callable
        (mask, setting, rng, context) -> new labels [H, W], or None where the error cannot be made. It need not look
        after void.
    """

    name: str
    settings: tuple[float | int | str, ...]
    edit: Edit

    @property
    def strengths(self) -> range:
        """1 (mild) to the number of settings."""
        return range(1, len(self.settings) + 1)

    def apply(self, mask: np.ndarray, strength: int, rng: np.random.Generator, context: Context) -> Corrupted | None:
        """Corrupt a mask.

        Parameters
        ----------
        mask : uint8 [H, W]
            Left as it is.
        strength : int
            One of `strengths`.
        rng : Generator
            All that is random; `corrupt` gives one that depends on names alone.
        context : Context

        Returns
        -------
        Corrupted, or None where there is nothing to corrupt: no object, no donor, no pixel that would change.

        Raises
        ------
        ValueError
            Not a mask, labels out of range, or an unknown strength.
        """
        if mask.ndim != 2 or mask.dtype != np.uint8:
            raise ValueError(f"Expected `mask` to be uint8 [H, W], but got {mask.dtype} {list(mask.shape)}")
        if strength not in self.strengths:
            raise ValueError(f"Expected `strength` of {self.name} to be 1 to {len(self.settings)}, but got {strength}")
        labelled = mask != VOID
        if not labelled.any():
            return None
        edited = self.edit(mask, self.settings[strength - 1], rng, context)
        result = mask if edited is None else np.where(labelled, edited, np.uint8(VOID))
        changed = int(np.count_nonzero(result != mask))
        return (
            Corrupted(result, changed, mean_dice(result, mask, context.num_classes, VOID, context.background))
            if changed
            else None
        )


def corrupt(
    mask: np.ndarray, id_: str, corruption: Corruption, strength: int, seed: int, context: Context
) -> Corrupted | None:
    """`corruption.apply` with random numbers that depend on (seed, id, corruption, strength) alone: not on order,
    process or machine.
    """
    rng = np.random.default_rng(wide_seed(repr((seed, id_, corruption.name, strength))))
    return corruption.apply(mask, strength, rng, context.without(id_))


_ALL = (
    Corruption("class_swap", edits.SCOPES, edits.swap_class),
    Corruption("other_mask", edits.DONORS, edits.other_mask),
    Corruption("missing_object", edits.SCOPES, edits.remove),
    Corruption("hole", (0.1, 0.25, 0.5), edits.cut_hole),
    Corruption("shift", (0.02, 0.05, 0.1), edits.shift),
    Corruption("dilation", (0.15, 0.3, 0.6), edits.dilate),
    Corruption("erosion", (0.15, 0.3, 0.6), edits.erode),
    Corruption("spurious_blob", (1, 2, 3), edits.add_blobs),
    Corruption("jagged_edge", (0.01, 0.02, 0.04), edits.tear_edges),
)

CORRUPTIONS: dict[str, Corruption] = {corruption.name: corruption for corruption in _ALL}
"""All types by name; the module's docstring says what their settings mean."""
