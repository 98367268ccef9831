"""evaluation.metrics.nearest against all pairs: each way of finding the nearest pixel, in one to three dimensions, near
and far.
"""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from evaluation.metrics import nearest
from evaluation.metrics.nearest import NearestPixels

SHAPES = [(700,), (1, 60), (60, 1), (23, 31), (7, 9, 8)]


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of two clusters and some strays; which of them ask, and which are the targets: a target may ask too."""
    size = int(np.prod(shape))
    middle = rng.integers(0, size, 2)
    near = np.clip(np.rint(rng.normal(middle[rng.integers(0, 2, 120)], size / 30)), 0, size - 1).astype(int)
    pixels = np.unique(np.concatenate([near, rng.integers(0, size, 9)]))
    chosen = [np.flatnonzero(rng.random(len(pixels)) < rng.uniform(0.1, 0.9)) for _ in range(2)]
    return pixels, chosen[0], chosen[1] if len(chosen[1]) else np.array([0])


def all_pairs(
    pixels: np.ndarray, sources: np.ndarray, targets: np.ndarray, shape: tuple[int, ...], spacing: np.ndarray
) -> np.ndarray:
    places = np.stack(np.unravel_index(pixels, shape), axis=1) * spacing
    return cdist(places[sources], places[targets]).min(axis=1) if len(sources) else np.zeros(0)


@pytest.mark.parametrize("way", ["one look", "two looks", "tree"])
def test_equal_to_all_pairs(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "FEW", 10**9 if way == "one look" else 0)
    monkeypatch.setattr(nearest, "SOURCES_AT_ONCE", 5)
    if way == "tree":
        monkeypatch.setattr(nearest, "PAIRS_PER_SOURCE", 0)
        monkeypatch.setattr(nearest, "PAIRS_PER_TARGET", 0)
    rng = np.random.default_rng(0)
    for _ in range(40):
        for shape in SHAPES:
            spacing = np.full(len(shape), rng.choice([1.0, 0.3]))
            pixels, sources, targets = draw(rng, shape)
            found = NearestPixels(pixels, shape, spacing).distances(sources, targets)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, all_pairs(pixels, sources, targets, shape, spacing), rtol=0, atol=1e-9)


def test_spacing_along_each_axis() -> None:
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        spacing = rng.uniform(0.3, 3.0, len(shape))
        pixels, sources, targets = draw(rng, shape)
        found = NearestPixels(pixels, shape, spacing).distances(sources, targets)
        np.testing.assert_allclose(found, all_pairs(pixels, sources, targets, shape, spacing), rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(375, 500), (3000, 4000)], ids=["exact in float32", "too large for it"])
def test_thousands_of_pixels_at_their_own_sizes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    pixels = np.unique(rng.integers(0, shape[0] * shape[1], 3000))
    pixels = np.union1d(pixels, np.arange(3) + shape[0] * shape[1] - 3)  # the far corner, where squares are largest
    targets = np.arange(0, 300)  # in the first lines: most others are far
    sources = np.arange(0, len(pixels), 2)
    found = NearestPixels(pixels, shape, np.ones(2)).distances(sources, targets)
    np.testing.assert_allclose(found, all_pairs(pixels, sources, targets, shape, np.ones(2)), rtol=0, atol=1e-9)


def test_only_a_slice_of_the_targets_is_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    original = nearest._row_minima
    monkeypatch.setattr(nearest, "_row_minima", lambda table: looked.append(table.shape[1]) or original(table))
    line = np.arange(0, 4000 * 50, 50)  # one pixel in each of 4,000 lines of 50
    pixels = np.sort(np.concatenate([line, line + 3]))
    sources, targets = np.arange(1, len(pixels), 2), np.arange(0, len(pixels), 2)
    monkeypatch.setattr(nearest, "EXACT", 10**9)
    assert set(NearestPixels(pixels, (4000, 50), np.ones(2)).distances(sources, targets)) == {3.0}
    assert max(looked) < nearest.SOURCES_AT_ONCE + 4 * nearest.FIRST_LOOK


def test_nothing_asked_nothing_answered() -> None:
    found = NearestPixels(np.array([3, 7]), (3, 3), np.ones(2)).distances(np.zeros(0, int), np.array([1]))
    assert found.shape == (0,)
