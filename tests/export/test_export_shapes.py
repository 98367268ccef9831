"""Run lengths and polygons: hand-derived examples, and the tools that read them."""

import numpy as np
import pytest
from scipy import ndimage
from tiny import LABELS, blobs

from segqc.export.shapes import (
    bounding_box,
    class_masks,
    coco_rle,
    cvat_rle,
    label_studio_rle,
    outlines,
    polygons,
    ring_area,
    run_lengths,
)


def mask_from(text: str) -> np.ndarray:
    """bool [H, W] from rows of "#" and "."."""
    return np.array([[letter == "#" for letter in line] for line in text.split()])


def random_masks(count: int) -> list[np.ndarray]:
    """Grainy and smooth masks of many sizes, none empty."""
    rng = np.random.default_rng(0)
    masks = []
    for number in range(count):
        height, width = rng.integers(1, 40, 2)
        noise = rng.random((height, width))
        mask = (
            noise < rng.uniform(0.05, 0.95)
            if number % 2
            else ndimage.gaussian_filter(noise, 2) > np.median(ndimage.gaussian_filter(noise, 2))
        )
        mask[rng.integers(height), rng.integers(width)] = True
        masks.append(mask)
    return masks


def pixels_inside(rings: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels from whose centre a ray to the left crosses some ring an odd number of times."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for ring in rings:
        crossed = np.zeros(shape, bool)
        for (x0, y0), (x1, y1) in zip(ring.tolist(), np.roll(ring, -1, 0).tolist(), strict=True):
            if y0 != y1:
                crossed ^= ((y0 > y) != (y1 > y)) & (x > x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        inside |= crossed
    return inside


def test_run_lengths_begin_with_zeros() -> None:
    assert run_lengths(np.array([0, 0, 1, 1, 1, 0], bool)) == [2, 3, 1]
    assert run_lengths(np.array([1, 0, 1], bool)) == [0, 1, 1, 1]
    assert run_lengths(np.array([0], bool)) == [1]
    assert run_lengths(np.ones(4, bool)) == [0, 4]


def test_void_and_background_are_no_classes() -> None:
    mask = np.array([[0, 1, 255], [3, 3, 0]], np.uint8)
    found = {index: part.tolist() for index, part in class_masks(mask, LABELS)}
    assert found == {1: [[False, True, False], [False, False, False]], 3: [[False, False, False], [True, True, False]]}


def test_cvat_counts_rows_within_the_box() -> None:
    assert cvat_rle(mask_from(".... .##. ..#. ....")) == ([0, 2, 1, 1], (1, 1, 3, 3))


def test_label_studio_of_two_pixels_by_hand() -> None:
    # 8 channel values; word size 8; sizes 3, 4, 8, 16; then 4 zeros and 4 of 255, each a run whose length fits 3 bits.
    bits = (
        f"{8:032b}"
        + "00111"
        + "0010"
        + "0011"
        + "0111"
        + "1111"
        + "1"
        + "00"
        + "011"
        + "0" * 8
        + "1"
        + "00"
        + "011"
        + "1" * 8
    )
    bits += "0" * (-len(bits) % 8)
    assert label_studio_rle(np.array([[False, True]])) == [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_label_studio_reads_its_brush() -> None:
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="label-studio-sdk is not installed")
    # 90,000 pixels: runs longer than 16 bits hold
    for mask in [*random_masks(20), np.ones((300, 300), bool), np.zeros((1, 1), bool)]:
        assert (brush.decode_rle(label_studio_rle(mask)).reshape(*mask.shape, 4)[..., 3] == 255 * mask).all()


def test_cvat_reads_its_run_lengths() -> None:
    masks = pytest.importorskip("cvat_sdk.masks", reason="cvat-sdk is not installed")
    for mask in random_masks(20):
        lengths, (x0, y0, x1, y1) = cvat_rle(mask)
        assert (
            masks.decode_mask([*lengths, x0, y0, x1 - 1, y1 - 1], image_width=mask.shape[1], image_height=mask.shape[0])
            == mask
        ).all()


def test_pycocotools_writes_and_reads_the_same_run_lengths() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for mask in random_masks(100):
        ours, theirs = coco_rle(mask), coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert ours == {"size": list(theirs["size"]), "counts": theirs["counts"].decode()}
        assert coco.toBbox(ours).astype(int).tolist() == [
            *bounding_box(mask)[:2],
            *np.subtract(bounding_box(mask)[2:], bounding_box(mask)[:2]),
        ]


def test_pycocotools_fills_exact_polygons_to_the_same_mask() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for mask in random_masks(60):
        rings = [ring.ravel().astype(float).tolist() for ring in polygons(mask)]
        assert (coco.decode(coco.merge(coco.frPyObjects(rings, *mask.shape))).astype(bool) == mask).all()


def test_outline_of_one_pixel_and_of_a_hole() -> None:
    assert outlines(mask_from("... ..# ..."))[0].tolist() == [[2, 1], [3, 1], [3, 2], [2, 2]]
    outer, hole = outlines(mask_from("### #.# ###"))
    assert (ring_area(outer), ring_area(hole)) == (9, -1)
    assert sorted(hole.tolist()) == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_pixels_that_touch_by_a_corner_have_rings_of_their_own() -> None:
    rings = polygons(mask_from("#. .#"))
    assert [ring.tolist() for ring in rings] == [[[0, 0], [1, 0], [1, 1], [0, 1]], [[1, 1], [2, 1], [2, 2], [1, 2]]]


def test_exact_polygons_hold_the_mask_and_its_area() -> None:
    for mask in random_masks(60):
        rings = polygons(mask)
        assert (pixels_inside(rings, mask.shape) == mask).all()
        assert sum(map(ring_area, rings)) == mask.sum()
        assert len(rings) == ndimage.label(mask)[1]


def test_tolerance_saves_corners_and_stays_near_the_outline() -> None:
    y, x = np.mgrid[:120, :160]
    mask = (y - 60) ** 2 + (x - 80) ** 2 < 50**2
    mask &= (y - 60) ** 2 + (x - 90) ** 2 > 12**2
    exact, simple = polygons(mask), polygons(mask, 1.0)
    assert len(simple[0]) < len(exact[0]) / 4
    difference = pixels_inside(simple, mask.shape) != mask
    from_outline = np.maximum(ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask))
    assert 0 < from_outline[difference].max() <= 2  # pixels; 1 is a neighbour of the outline


def test_small_and_thin_parts_survive_any_tolerance() -> None:
    mask = np.zeros((30, 40), bool)
    mask[3, 5:25] = True  # a line one pixel wide
    mask[10:12, 10:15] = True  # ten pixels
    mask[20, 30] = True
    for tolerance in (0.5, 1.0, 2.0, 8.0):
        rings = polygons(mask, tolerance)
        assert len(rings) == 3
        assert all(len(ring) >= 3 for ring in rings)
        assert [round(ring_area(ring)) for ring in rings] == [20, 10, 1]


def test_small_holes_are_filled_and_large_ones_kept() -> None:
    mask = np.ones((20, 20), bool)
    mask[3, 3] = mask[8:14, 8:14] = False
    assert sum(map(ring_area, polygons(mask))) == 400 - 1 - 36
    assert sum(map(ring_area, polygons(mask, 1.0))) == 400 - 36
    assert not pixels_inside(polygons(mask, 1.0), mask.shape)[10, 10]


def test_every_class_of_a_mask_is_covered() -> None:
    mask = blobs(3, 60, 80)
    rebuilt = np.zeros_like(mask)
    for index, part in class_masks(mask, LABELS):
        rebuilt[pixels_inside(polygons(part), mask.shape)] = index
    assert (rebuilt == np.where(mask == 255, 0, mask)).all()
