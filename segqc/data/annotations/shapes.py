"""The pixels of polygons and run lengths, bool `[H, W]`."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

_FAR = 1e9  # px, beyond which arithmetic with coordinates means nothing


def fill_polygon(points: Sequence[Sequence[float]], width: int, height: int) -> np.ndarray:
    """The pixels of a polygon through the centres of its outermost pixels, which belong to it: bool `[H, W]`.

    Points are (x, y) in px, also beyond the picture. LabelMe and YOLO mean their polygons so.
    """
    canvas = Image.new("1", (width, height), 0)
    corners = [(float(x), float(y)) for x, y in points]
    if len(corners) >= 3:
        ImageDraw.Draw(canvas).polygon(corners, fill=1, outline=1)
    return np.asarray(canvas, bool)


def fill_outline(points: Sequence[Sequence[float]], width: int, height: int) -> np.ndarray:
    """The pixels whose centres lie in a polygon along the edges of pixels: bool `[H, W]`.

    Points are (x, y) in px, (0, 0) being the outer corner of the first pixel. What is run round twice lies outside, so
    that a hole may hang on its outline by a cut. CVAT and Label Studio mean their polygons so.

    Raises
    ------
    ValueError
        A point is not finite, or more than a billion px away.
    """
    corners = np.asarray(points, np.float64).reshape(-1, 2)
    if not (np.abs(corners) <= _FAR).all():
        raise ValueError("Expected points in or near the picture")
    crossings = np.zeros((height, width + 1), np.int64)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, last = np.clip(np.ceil(np.sort([y0, y1]) - 0.5), 0, height).astype(int)
        rows = np.arange(first, last)  # their centres lie between the edge's ends
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] += 1
    return crossings.cumsum(axis=1)[:, :-1] % 2 == 1


def decode_runs(counts: Sequence[int], width: int, height: int, columns_first: bool) -> np.ndarray:
    """Alternating runs of background and region, bool `[H, W]`.

    Parameters
    ----------
    counts : sequence of int
        Lengths, background first.
    columns_first : bool
        Whether runs go down the columns (COCO) or along the rows (CVAT).

    Raises
    ------
    ValueError
        The runs do not add up to the picture, or one is negative.
    """
    lengths = np.asarray(counts, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != width * height:
        raise ValueError(f"Expected runs of {width * height} pixels, but got {int(lengths.sum())}")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(width, height).T if columns_first else flat.reshape(height, width)


def decode_brush(packed: Sequence[int], width: int, height: int) -> np.ndarray:
    """Label Studio's brush, bool `[H, W]`: an RGBA picture packed by thi.ng's rle-pack, of which alpha counts.

    The stream is 32 bits of length, 5 of word size - 1, four times 4 of the sizes of a run's length - 1. Then follow
    blocks: a bit that says whether one value is repeated, two that name the size, the length - 1 in so many bits, and
    the value, or the values.

    Raises
    ------
    ValueError
        The stream is of another size, or breaks off.
    """
    bits = "".join(f"{byte:08b}" for byte in np.asarray(packed, np.uint8).tolist())
    place = 0

    def take(count: int) -> int:
        nonlocal place
        if place + count > len(bits):
            raise ValueError("Expected a whole brush mask, but it breaks off")
        place += count
        return int(bits[place - count : place], 2)

    length, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    if length != 4 * width * height:
        raise ValueError(f"Expected a brush mask of {width}x{height} pixels, but it has {length // 4}")
    values = np.zeros(length, np.uint8)
    done = 0
    while done < length:
        repeated, count = take(1), take(sizes[take(2)]) + 1
        if done + count > length:
            raise ValueError(f"Expected a brush mask of {width}x{height} pixels, but it has more")
        values[done : done + count] = take(word) if repeated else [take(word) for _ in range(count)]
        done += count
    return values.reshape(height, width, 4)[..., 3] > 0
