"""The edits behind the corruptions: each makes one error in a mask.

Every edit takes (mask uint8 [H, W], setting, rng, context) and returns new labels [H, W], or None where the error
cannot be made. It leaves its argument as it is, and need not look after void.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from evaluation.corruption.context import VOID, Context, donor_of

SCOPES = ("one object", "one class", "all")
DONORS = ("alike", "any", "no class in common")
_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
_BLOB_SHARE = 0.03  # of the labelled pixels
_ALIKE_DONORS = 5  # donors of like size among which "alike" draws


def swap_class(mask: np.ndarray, scope: str, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Give one object, one class, or every class another label."""
    edited = mask.copy()
    for label, region in _choose(mask, scope, rng, context):
        other = context.draw_classes(rng, 1, exclude=(label,))
        if not other:
            return None
        edited[region] = other[0]
    return edited


def other_mask(mask: np.ndarray, kind: str, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Replace the mask by that of another image, resized by nearest pixels."""
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


def remove(mask: np.ndarray, scope: str, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Remove one object, one class, or all foreground."""
    return _without(mask, _choose(mask, scope, rng, context), context)


def cut_hole(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Cut a disc out of an object: the pixels nearest to a point well inside it."""
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


def shift(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray:
    """Move everything by a share of the image diagonal in a random direction."""
    length = max(1.0, share * float(np.hypot(*mask.shape)))
    angle = rng.uniform(0, 2 * np.pi)
    # At a length of 1 the longer component rounds to at least 1 (cos 45 degrees = 0.71).
    down, right = round(length * np.sin(angle)), round(length * np.cos(angle))
    rows, columns = (np.clip(np.arange(n) - step, 0, n - 1) for n, step in zip(mask.shape, (down, right), strict=True))
    return _fill_void(mask)[np.ix_(rows, columns)]


def dilate(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Grow the foreground by a share of each component's depth, by at least one pixel."""
    filled = _fill_void(mask)
    inside = _inside(filled, rng, context)
    if inside is None:
        return None
    _, deepest = _depths(inside)
    distance, (rows, columns) = ndimage.distance_transform_edt(~inside, return_indices=True)
    return np.where(distance <= np.maximum(1, share * deepest[rows, columns]), filled[rows, columns], filled)


def erode(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Take the outer share of each component's depth away, at least one pixel, and leave its core."""
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


def add_blobs(mask: np.ndarray, count: int, rng: np.random.Generator, context: Context) -> np.ndarray | None:
    """Add ellipses of random foreground classes to the background."""
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


def tear_edges(mask: np.ndarray, share: float, rng: np.random.Generator, context: Context) -> np.ndarray:
    """Take the labels of each small block of pixels from a random place nearby."""
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


def _choose(mask: np.ndarray, scope: str, rng: np.random.Generator, context: Context) -> list[tuple[int, np.ndarray]]:
    """Where to make an error: (class, bool [H, W]) of one object, of one class, or of every class; empty without
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
    """The region that grows or shrinks, bool [H, W]: the foreground, or one class where there is no background; None
    when it is empty or the whole image.
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
