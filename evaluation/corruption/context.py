"""The context of an error in a mask: the label space, and the other masks of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

VOID = 255


@dataclass(frozen=True)
class Donor:
    """Another image's mask: what it is chosen by, and how to get it.

    `classes` are its foreground classes, `share` is that of the foreground in its labelled pixels, in [0, 1]; `read`
    returns it, uint8 [h, w].
    """

    id: str
    classes: frozenset[int]
    share: float
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Context:
    """The label space (labels are 0..num_classes-1; without a background every class is foreground), and the masks of
    the data.

    The classes of the donors also say how frequent a class is. Their order does not matter.
    """

    num_classes: int
    background: int | None = 0
    donors: tuple[Donor, ...] = ()

    def without(self, id_: str) -> Context:
        """The context for an image: it is no donor to itself."""
        return replace(self, donors=tuple(donor for donor in self.donors if donor.id != id_))

    def draw_classes(self, rng: np.random.Generator, count: int, exclude: Iterable[int] = ()) -> list[int]:
        """Up to `count` different foreground classes, drawn by the number of donors that have them (all alike when no
        donor has any).
        """
        allowed = [c for c in range(self.num_classes) if c != self.background and c not in set(exclude)]
        if not allowed:
            return []
        present = np.bincount([c for donor in self.donors for c in donor.classes], minlength=self.num_classes)[
            allowed
        ].astype(float)
        weights = present if present.any() else np.ones(len(allowed))
        size = min(count, int(np.count_nonzero(weights)))
        return [allowed[i] for i in rng.choice(len(allowed), size, replace=False, p=weights / weights.sum())]


def donor_of(
    id_: str, mask: np.ndarray, background: int | None = 0, read: Callable[[], np.ndarray] | None = None
) -> Donor:
    """Describe a mask as a donor; `read` gets it again where it should not stay in memory."""
    counts = np.bincount(mask.ravel(), minlength=256)[:VOID]
    foreground = counts.copy()
    if background is not None:
        foreground[background] = 0
    share = float(foreground.sum() / max(1, counts.sum()))
    return Donor(id_, frozenset(np.flatnonzero(foreground).tolist()), share, read or (lambda: mask))
