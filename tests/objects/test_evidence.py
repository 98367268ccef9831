"""What is believed of each object, against loops over its pixels."""

import numpy as np
import pytest

from segqc.data.cells import cell_of_pixel
from segqc.data.components import mask_components
from segqc.data.labels import LabelSpace
from segqc.data.runs import find_runs
from segqc.objects.evidence import CellCounts, read_evidence

LABELS = LabelSpace(("background", "cat", "dog", "cow"))


def counted(mask: np.ndarray, side: int) -> CellCounts:
    found = mask_components(mask, LABELS)
    return CellCounts.count(found, side, find_runs(found.numbers, side=side))


def random_belief(rng: np.random.Generator, side: int) -> np.ndarray:
    belief = rng.random((4, side, side)) ** 3
    return belief / belief.sum(0)


def by_pixels(belief: np.ndarray, mask: np.ndarray) -> list[tuple[float, float, int]]:
    """(expected IoU, P(none right), likeliest class) of each object, pixel by pixel; a pixel that the grown box cuts
    counts by its share inside.
    """
    found, side = mask_components(mask, LABELS), belief.shape[1]
    (height, width), results = mask.shape, []
    row, column = cell_of_pixel(height, side), cell_of_pixel(width, side)
    for i, (ys, xs) in enumerate(found.windows):
        own, inside, around, doubt, votes = int(found.classes[i]), 0.0, 0.0, 1.0, np.zeros(4)
        grown_y, grown_x = (ys.stop - ys.start) / 2, (xs.stop - xs.start) / 2
        for y in range(height):
            for x in range(width):
                q = belief[:, row[y], column[x]]
                if found.numbers[y, x] == i + 1:
                    inside += q[own]
                    doubt *= (1 - q[own]) ** (side**2 / mask.size)
                    votes += q
                elif mask[y, x] != own:
                    rows = min(y + 1, ys.stop + grown_y) - max(y, ys.start - grown_y)
                    columns = min(x + 1, xs.stop + grown_x) - max(x, xs.start - grown_x)
                    around += q[own] * max(rows, 0) * max(columns, 0)
        results.append((inside / (found.sizes[i] + around), doubt, int(votes.argmax())))
    return results


@pytest.mark.parametrize(("shape", "side"), [((24, 36), 12), ((12, 12), 12)])
def test_evidence_is_that_of_a_loop_over_pixels(shape, side):
    rng = np.random.default_rng(side + shape[0])
    mask = np.kron(rng.choice([0, 0, 1, 1, 2, 255], size=(6, 6)), np.ones((shape[0] // 6, shape[1] // 6)))
    belief = random_belief(rng, side)
    # a cell's pixels lie evenly in it here, so that whole cells and single pixels give the same sums
    evidence = read_evidence(belief, counted(mask.astype(np.uint8), side))
    iou, doubt, likeliest = zip(*by_pixels(belief, mask.astype(np.uint8)), strict=True)
    np.testing.assert_allclose(evidence.expected_iou, iou, rtol=1e-9)
    np.testing.assert_allclose(evidence.none_right, doubt, rtol=1e-6)
    assert evidence.likeliest.tolist() == list(likeliest)


def test_a_certain_belief_expects_the_true_iou():
    """The belief is the truth itself: the object's IoU with it is expected."""
    mask, belief = np.zeros((16, 16), np.uint8), np.zeros((4, 16, 16))
    mask[4:10, 4:10] = 1
    belief[0], belief[1] = 1, 0
    belief[1, 4:10, 7:12], belief[0, 4:10, 7:12] = 1, 0  # 18 pixels in common, 12 more beside
    evidence = read_evidence(belief, counted(mask, 16))
    assert evidence.expected_iou[0] == pytest.approx(18 / 48)
    assert evidence.none_right[0] < 1e-9
    assert evidence.likeliest.tolist() == [0]


def test_pixels_finer_than_the_grid_are_counted_once():
    """A mask of fewer pixels than cells: each pixel is one draw."""
    mask, belief = np.zeros((4, 4), np.uint8), np.full((4, 16, 16), 0.0)
    mask[1, 1:3] = 2
    belief[2], belief[0] = 0.5, 0.5
    evidence = read_evidence(belief, counted(mask, 16))
    assert evidence.none_right[0] == pytest.approx(0.25)
