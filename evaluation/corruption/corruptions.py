"""Known errors put into a ground-truth mask: what a QC score should notice, type by type and at three strengths.

    class_swap     one object, one class, or every class gets another label
    other_mask     the mask of another image: of the same classes and alike in size, of any image, of one without a class in common
    missing_object one object, one class, or all foreground is gone
    hole           a disc of 10, 25 or 50 % of an object is cut out of it
    shift          everything moves by 2, 5 or 10 % of the image diagonal
    dilation       the foreground grows by 15, 30 or 60 % of each component's depth (largest distance of its pixels to the outside)
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

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from evaluation.metrics.classes import mean_dice

VOID = 255

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
_BLOB_SHARE = 0.03  # of the labelled pixels
_ALIKE_DONORS = 5  # donors of like size among which "alike" draws


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


def corrupt(
    mask: np.ndarray, id_: str, corruption: Corruption, strength: int, seed: int, context: Context
) -> Corrupted | None:
    """`corruption.apply` with random numbers that depend on (seed, id, corruption, strength) alone: not on order,
    process or machine.
    """
    digest = hashlib.blake2b(repr((seed, id_, corruption.name, strength)).encode(), digest_size=16).digest()
    return corruption.apply(mask, strength, np.random.default_rng(int.from_bytes(digest, "big")), context.without(id_))


def _swap_class(mask: np.ndarray, scope: str, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    edited = mask.copy()
    for label, region in _choose(mask, scope, rng, context):
        other = context.draw_classes(rng, 1, exclude=(label,))
        if not other:
            return None
        edited[region] = other[0]
    return edited


def _other_mask(mask: np.ndarray, kind: str, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    own = donor_of("", mask, context.background)
    donors = sorted((donor for donor in context.donors if donor.classes), key=lambda donor: donor.id)
    if kind == "alike":
        donors = [donor for donor in donors if donor.classes == own.classes]
        donors = sorted(donors, key=lambda donor: abs(donor.share - own.share))[:_ALIKE_DONORS]
    elif kind == "no class in common":
        donors = [donor for donor in donors if not donor.classes & own.classes]
    if not donors:
        return None
    donor = _fill_void(donors[rng.integers(len(donors))].read())
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(mask.shape, donor.shape, strict=True)
    )
    return donor[np.ix_(rows, columns)]


def _remove(mask: np.ndarray, scope: str, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    return _without(mask, _choose(mask, scope, rng, context), context)


def _hole(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    chosen = _choose(mask, "one object", rng, context)
    if not chosen or np.count_nonzero(chosen[0][1]) < 2:
        return None
    [(label, region)] = chosen
    rows, columns = np.nonzero(region)
    # Padded, the frame is an edge: the centre lies well inside what is visible.
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[rows + 1, columns + 1]
    centre = rng.choice(np.flatnonzero(depth >= depth.max() / 2))
    distance = (rows - rows[centre]) ** 2 + (columns - columns[centre]) ** 2
    cut = _nearest(distance, min(max(1, round(share * rows.size)), rows.size - 1))
    gone = np.zeros(mask.shape, bool)
    gone[rows[cut], columns[cut]] = True
    return _without(mask, [(label, gone)], context)


def _shift(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray:
    length = max(1.0, share * float(np.hypot(*mask.shape)))
    angle = rng.uniform(0, 2 * np.pi)
    # At a length of 1 the longer component rounds to at least 1 (cos 45 degrees = 0.71).
    down, right = round(length * np.sin(angle)), round(length * np.cos(angle))
    rows, columns = (np.clip(np.arange(n) - step, 0, n - 1) for n, step in zip(mask.shape, (down, right), strict=True))
    return _fill_void(mask)[np.ix_(rows, columns)]


def _dilate(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    filled = _fill_void(mask)
    inside = _inside(filled, rng, context)
    if inside is None:
        return None
    _, deepest = _depths(inside)
    distance, (rows, columns) = ndimage.distance_transform_edt(~inside, return_indices=True)
    return np.where(distance <= np.maximum(1, share * deepest[rows, columns]), filled[rows, columns], filled)


def _erode(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    filled = _fill_void(mask)
    inside = _inside(filled, rng, context)
    if inside is None:
        return None
    depth, deepest = _depths(inside)
    # the core stays: an eroded object is not a missing one
    gone = inside & (depth <= np.maximum(1, share * deepest)) & (depth < deepest)
    if context.background is not None:
        return np.where(gone, np.uint8(context.background), filled)
    rows, columns = ndimage.distance_transform_edt(inside, return_distances=False, return_indices=True)
    return np.where(gone, filled[rows, columns], filled)


def _blobs(mask: np.ndarray, count: int, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    edited = mask.copy()
    size = max(1, round(_BLOB_SHARE * np.count_nonzero(mask != VOID)))
    for label in (context.draw_classes(rng, count) * count)[:count]:  # of different classes as far as there are any
        free = edited == context.background if context.background is not None else (edited != VOID) & (edited != label)
        rows, columns = np.nonzero(free)
        if not rows.size:
            break
        centre = rng.integers(rows.size)
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 2)  # an ellipse, up to 2:1
        down, right = rows - rows[centre], columns - columns[centre]
        along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
        blob = _nearest(along**2 / stretch + across**2 * stretch, min(size, rows.size))
        edited[rows[blob], columns[blob]] = label
    return edited


def _tear(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray:
    reach = max(1, round(share * float(np.hypot(*mask.shape))))
    # Each block takes its labels from up to `reach` pixels away along both axes; blocks of half that side leave teeth
    # instead of waves.
    block = max(1, reach // 2)
    blocks = [-(-n // block) for n in mask.shape]
    steps = (
        rng.integers(-reach, reach + 1, (2, *blocks))
        .repeat(block, 1)
        .repeat(block, 2)[:, : mask.shape[0], : mask.shape[1]]
    )
    rows = np.clip(np.arange(mask.shape[0])[:, None] + steps[0], 0, mask.shape[0] - 1)
    columns = np.clip(np.arange(mask.shape[1]) + steps[1], 0, mask.shape[1] - 1)
    return _fill_void(mask)[rows, columns]


_SCOPES = ("one object", "one class", "all")
_ALL = (
    Corruption("class_swap", _SCOPES, _swap_class),
    Corruption("other_mask", ("alike", "any", "no class in common"), _other_mask),
    Corruption("missing_object", _SCOPES, _remove),
    Corruption("hole", (0.1, 0.25, 0.5), _hole),
    Corruption("shift", (0.02, 0.05, 0.1), _shift),
    Corruption("dilation", (0.15, 0.3, 0.6), _dilate),
    Corruption("erosion", (0.15, 0.3, 0.6), _erode),
    Corruption("spurious_blob", (1, 2, 3), _blobs),
    Corruption("jagged_edge", (0.01, 0.02, 0.04), _tear),
)

CORRUPTIONS: dict[str, Corruption] = {corruption.name: corruption for corruption in _ALL}
"""All types by name; the module's docstring says what their settings mean."""


def _choose(mask: np.ndarray, scope: str, rng: np.random.Generator, context: Context) -> list[tuple[int, np.ndarray]]:
    """What an error befalls: (class, bool [H, W]) of one object, of one class, or of every class; empty without
    foreground.

    An object is drawn by the square root of its area, so that the specks that void rims leave are rarely the ones.
    """
    counts = np.bincount(mask.ravel(), minlength=256)[:VOID]
    present = [c for c in np.flatnonzero(counts).tolist() if c != context.background]
    if scope == "all" or not present:
        return [(c, mask == c) for c in present]
    parts = {c: ndimage.label(mask == c, _EIGHT_NEIGHBOURS)[0] for c in present}
    objects = [
        (c, number, size) for c in present for number, size in enumerate(np.bincount(parts[c].ravel())) if number
    ]
    sizes = np.sqrt([size for *_, size in objects])
    label, number, _ = objects[rng.choice(len(objects), p=sizes / sizes.sum())]
    return [(label, parts[label] == number if scope == "one object" else mask == label)]


def _without(mask: np.ndarray, regions: Sequence[tuple[int, np.ndarray]], context: Context) -> np.ndarray | None:
    """The mask with (class, region) removed; None when there is no label to take their place."""
    edited = mask.copy()
    for label, region in regions:
        if context.background is not None:
            edited[region] = context.background
            continue
        left = (mask != VOID) & (mask != label)
        for _, gone in regions:
            left &= ~gone
        if not left.any():
            return None
        rows, columns = ndimage.distance_transform_edt(~left, return_distances=False, return_indices=True)
        edited[region] = mask[rows, columns][region]
    return edited


def _fill_void(mask: np.ndarray) -> np.ndarray:
    """The mask with each void pixel given its nearest label; at least one pixel has a label."""
    void = mask == VOID
    if not void.any():
        return mask
    rows, columns = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
    return mask[rows, columns]


def _inside(filled: np.ndarray, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """What grows or shrinks, bool [H, W]: the foreground, or one class where there is no background; None unless there
    is an outside too.
    """
    inside = filled != context.background if context.background is not None else filled == rng.choice(np.unique(filled))
    return inside if inside.any() and not inside.all() else None


def _depths(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each pixel to the outside, and the largest such distance in its component (0 outside), both float64
    [H, W], pixels.
    """
    # The nearest outside pixel lies within the bounding box grown by one.
    box = tuple(
        slice(max(0, part.start - 1), part.stop + 1) for part in ndimage.find_objects(inside.astype(np.uint8))[0]
    )
    depth, deepest = np.zeros((2, *inside.shape))
    depth[box] = ndimage.distance_transform_edt(inside[box])
    numbers, count = ndimage.label(inside[box], _EIGHT_NEIGHBOURS)
    largest = np.zeros(count + 1)
    np.maximum.at(largest, numbers, depth[box])
    deepest[box] = largest[numbers]
    return depth, deepest


def _nearest(distance: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` smallest values, 1 <= count <= size."""
    return np.argpartition(distance, count - 1)[:count]
