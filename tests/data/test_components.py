"""Connected objects against a flood fill."""

import numpy as np
import pytest

from segqc.data.components import mask_components
from segqc.data.labels import LabelSpace

LABELS = LabelSpace(("background", "cat", "dog", "cow"))
NO_BACKGROUND = LabelSpace(("sky", "road", "car"), background=None)


def flooded(mask: np.ndarray, classes: tuple[int, ...]) -> list[tuple[int, frozenset[tuple[int, int]]]]:
    """(class, pixels) of every object, by class, then by first pixel: a flood fill over the eight neighbours."""
    found = []
    for label in classes:
        left = {(int(y), int(x)) for y, x in np.argwhere(mask == label)}
        while left:
            todo, pixels = [min(left)], set()
            while todo:
                y, x = todo.pop()
                if (y, x) in left:
                    left.remove((y, x))
                    pixels.add((y, x))
                    todo += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            found.append((label, frozenset(pixels)))
    return found


@pytest.mark.parametrize("smallest", [1, 3, 10])
@pytest.mark.parametrize("labels", [LABELS, NO_BACKGROUND])
def test_objects_are_those_of_a_flood_fill(labels, smallest):
    rng = np.random.default_rng(smallest)
    mask = rng.choice([0, 0, 0, 1, 2, 255], size=(19, 31)).astype(np.uint8)
    expected = [item for item in flooded(mask, labels.foreground) if len(item[1]) >= smallest]
    found = mask_components(mask, labels, smallest)
    assert found.classes.tolist() == [label for label, _ in expected]
    assert found.sizes.tolist() == [len(pixels) for _, pixels in expected]
    for number, (_, pixels) in enumerate(expected, 1):
        assert {(int(y), int(x)) for y, x in np.argwhere(found.numbers == number)} == pixels
        ys, xs = zip(*pixels, strict=True)
        assert found.windows[number - 1] == (slice(min(ys), max(ys) + 1), slice(min(xs), max(xs) + 1))


def test_a_mask_without_foreground_has_no_objects():
    for mask in (np.zeros((4, 5), np.uint8), np.full((4, 5), 255, np.uint8)):
        found = mask_components(mask, LABELS)
        assert (len(found.classes), len(found.sizes), found.windows, found.numbers.any()) == (0, 0, [], False)
