"""Masks as annotation tools store them: run lengths in three dialects, and polygons along the edges of pixels.

A mask of one class is ``bool [H, W]``. Coordinates are ``(x, y)`` in pixels with (0, 0) at the outer corner of the
first pixel, so that the polygon of pixel (3, 2) alone runs through (3, 2), (4, 2), (4, 3) and (3, 3).
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from segqc.data.labels import LabelSpace
from segqc.data.runs import class_counts
from segqc.gallery.overlay import Box


def class_masks(mask: np.ndarray, labels: LabelSpace) -> Iterator[tuple[int, np.ndarray]]:
    """Each foreground class that a label map ``uint8 [H, W]`` contains, with its mask. Void is no class."""
    present = class_counts(mask)
    for index in labels.foreground:
        if present[index]:
            yield index, mask == index


def bounding_box(mask: np.ndarray) -> Box:
    """Half-open box of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# Run lengths
# ----------------------------------------------------------------------------------------------------------------------


def run_lengths(bits: np.ndarray) -> list[int]:
    """Lengths of the runs of a flat, non-empty ``bool [n]``, by turns of zeros and of ones; the first is 0 where it
    begins with a one.
    """
    changes = np.flatnonzero(bits[1:] != bits[:-1]) + 1
    lengths = np.diff(changes, prepend=0, append=bits.size).tolist()
    return [0, *lengths] if bits[0] else lengths


def coco_rle(mask: np.ndarray) -> dict[str, object]:
    """COCO's compressed run lengths, ``{"size": [H, W], "counts": text}``, as `pycocotools.mask` reads them: column by
    column.
    """
    counts = run_lengths(mask.ravel(order="F"))
    text = bytearray()
    for place, count in enumerate(counts):
        # From the fourth on a count is stored as its difference from the one two before, in groups of 5 bits with the
        # lowest first; bit 5 says that another group follows, bit 4 of the last one is the sign.
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            text.append(48 + group + (32 if more else 0))
    return {"size": list(mask.shape), "counts": text.decode("ascii")}


def cvat_rle(mask: np.ndarray) -> tuple[list[int], Box]:
    """CVAT's run lengths, row by row within the bounding box, and that box (half-open)."""
    x0, y0, x1, y1 = box = bounding_box(mask)
    return run_lengths(mask[y0:y1, x0:x1].ravel()), box


_LABEL_STUDIO_SIZES = (3, 4, 8, 16)  # bits in which a run's length may be stored


def label_studio_rle(mask: np.ndarray) -> list[int]:
    """Label Studio's brush: an RGBA picture, 255 where the mask is, packed by thi.ng's rle-pack; its bytes as integers.

    The stream is 32 bits of length, 5 of word size - 1, four times 4 of the sizes - 1; then for each run a one, two
    bits that name the size, the length - 1 in that many bits, and the value in 8.
    """
    bits = [f"{4 * mask.size:032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in _LABEL_STUDIO_SIZES)]
    longest = 1 << _LABEL_STUDIO_SIZES[-1]
    for place, pixels in enumerate(run_lengths(mask.ravel())):
        value = "1" * 8 if place % 2 else "0" * 8
        left = 4 * pixels  # channels of a pixel are equal, so that a run of pixels is one four times as long
        while left:
            length = min(left, longest)
            size = next(index for index, width in enumerate(_LABEL_STUDIO_SIZES) if length <= 1 << width)
            bits.append(f"1{size:02b}{length - 1:0{_LABEL_STUDIO_SIZES[size]}b}{value}")
            left -= length
    text = "".join(bits)
    return np.packbits(np.frombuffer(text.encode("ascii"), np.uint8) - ord("0")).tolist()


# Polygons
# ----------------------------------------------------------------------------------------------------------------------


def polygons(mask: np.ndarray, tolerance: float = 0.0) -> list[np.ndarray]:
    """One polygon for each part of a mask (pixels that touch along an edge).

    Parameters
    ----------
    mask : bool [H, W]
    tolerance : float
        Distance in pixels by which the outline may leave the pixels' edges to save corners; 0 keeps it exact. A part
        whose area that would change by more than a tenth is kept closer.

    Returns
    -------
    list of int64 [n, 2]
        Corners (x, y), clockwise on the screen. Annotation tools know no holes: a hole hangs on its outline by a cut of
        no width, and one of an area below ``4 tolerance^2`` is filled.
    """
    parts, _ = ndimage.label(mask)
    found = []
    for index, place in enumerate(ndimage.find_objects(parts), start=1):
        corner = np.array([place[1].start, place[0].start])
        rings = outlines(parts[place] == index)
        outer = max(rings, key=ring_area)
        holes = [ring for ring in rings if ring_area(ring) < 0 and -ring_area(ring) >= 4 * tolerance**2]
        polygon = _simplify(outer, tolerance)
        for hole in holes:
            polygon = _join(polygon, _simplify(hole, tolerance))
        found.append(polygon + corner)
    return found


def ring_area(ring: np.ndarray) -> float:
    """Signed area of a closed ring ``[n, 2]``: positive when it runs clockwise on the screen (y points down)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # east, south, west, north; the next in the list is a turn to the right


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Closed rings of corners ``int64 [n, 2]`` along the pixels' edges, the mask on their right: outer ones clockwise,
    holes the other way.

    Where two pixels touch by a corner alone, the rings keep them apart.
    """
    padded = np.pad(mask, 1)
    # what lies above, right, below, left
    sides = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    leaving: dict[tuple[int, int], list[int]] = {}  # corner of pixels -> directions of the edges that leave it
    for direction, ((dx, dy), beside) in enumerate(zip(((0, 0), (1, 0), (1, 1), (0, 1)), sides, strict=True)):
        rows, columns = np.nonzero(mask & ~beside)
        for corner in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            leaving.setdefault(corner, []).append(direction)
    rings = []
    while leaving:
        # a corner: the edge before it is not its continuation, or would stand here itself
        start, (first, *_) = next(iter(leaving.items()))
        corner, direction, turned, ring = start, first, True, []
        while True:
            if turned:
                ring.append(corner)
            corner = corner[0] + _STEPS[direction][0], corner[1] + _STEPS[direction][1]
            options = leaving[corner]
            before, direction = (
                direction,
                next(turn % 4 for turn in (direction + 1, direction, direction + 3) if turn % 4 in options),
            )
            turned = direction != before
            options.remove(direction)
            if not options:
                del leaving[corner]
            if corner == start and direction == first:
                break
        rings.append(np.array(ring))
    return rings


def _simplify(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """Ramer, Douglas and Peucker's simplification of a closed ring, as strong as its area allows."""
    area = ring_area(ring)
    while tolerance >= 0.1:
        simple = ring[_corners_to_keep(ring, tolerance)]
        if abs(ring_area(simple) - area) <= 0.1 * abs(area):
            return simple
        tolerance /= 2
    return ring


def _corners_to_keep(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """``bool [n]``: the corners without which some corner would be further than `tolerance` from the outline."""
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(1)))
    keep = np.zeros(len(ring) + 1, bool)
    keep[[0, far]] = True
    closed = np.vstack([ring, ring[:1]]).astype(float)
    stack = [(0, far), (far, len(ring))]
    while stack:
        begin, end = stack.pop()
        between = closed[begin + 1 : end] - closed[begin]
        if not len(between):
            continue
        dx, dy = closed[end] - closed[begin]
        distance = np.abs(dx * between[:, 1] - dy * between[:, 0]) / np.hypot(dx, dy)
        furthest = int(np.argmax(distance))
        if distance[furthest] > tolerance:
            keep[begin + 1 + furthest] = True
            stack += [(begin, begin + 1 + furthest), (begin + 1 + furthest, end)]
    return keep[:-1]


def _join(outer: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One ring that runs round `outer`, crosses to `hole` where they are nearest, runs round it and comes back the same
    way.
    """
    distance = ((outer[:, None] - hole[None]) ** 2).sum(2)
    at, into = np.unravel_index(int(np.argmin(distance)), distance.shape)
    return np.vstack([outer[: at + 1], hole[into:], hole[: into + 1], outer[at:]])
