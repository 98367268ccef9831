"""Segment noise: a function of its arguments, errors by the segment, and what each kind leaves as it was."""

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage
from tiny import blobs

from segqc.data.labels import VOID
from segqc.model.segment_noise import KIND_ENDS, KINDS, SegmentNoise, bend, class_swaps, draw_guess, fill_void

NOISE = SegmentNoise(class_swaps(np.eye(4), (1, 2, 3)), background=0)


def seed_of(kind: str, start: int = 0) -> int:
    return next(seed for seed in range(start, start + 1000) if NOISE.kind(seed) == kind)


def seeds_of(kind: str, count: int) -> list[int]:
    seeds, start = [], 0
    while len(seeds) < count:
        seeds.append(seed_of(kind, start))
        start = seeds[-1] + 1
    return seeds


def sure(mask: np.ndarray) -> np.ndarray:
    return np.log(np.where(np.arange(4)[:, None, None] == mask, 0.97, 0.01)).astype(np.float32)


def test_kinds_come_as_often_as_they_should() -> None:
    counts = Counter(NOISE.kind(seed) for seed in range(4000))
    shares = np.diff((0, *KIND_ENDS))
    assert [counts[kind] / 4000 for kind in KINDS] == pytest.approx(shares, abs=0.03)
    assert {kind for seed in range(200) if NOISE.needs_guess(seed) for kind in [NOISE.kind(seed)]} == {
        "guess",
        "partial",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_a_function_of_its_arguments_and_leaves_no_void(kind: str) -> None:
    truth, other = blobs(0), blobs(1)
    assert (truth == VOID).any()
    for seed in seeds_of(kind, 20):
        kept = truth.copy(), other.copy()
        first, second = (NOISE.draw(truth, other, sure(blobs(2, void=False)), seed) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert first.dtype == np.uint8
        assert first.shape == truth.shape
        assert first.max() < 4
        np.testing.assert_array_equal(truth, kept[0])
        np.testing.assert_array_equal(other, kept[1])


def test_without_error_half_of_the_masks_are_the_truth_itself() -> None:
    truth = blobs(0, void=False).repeat(4, 0).repeat(4, 1)  # large enough for a bend to show
    same = [bool((NOISE.draw(truth, truth, None, seed) == truth).all()) for seed in seeds_of("none", 60)]
    assert 0.3 < np.mean(same) < 0.75


def test_a_foreign_mask_is_the_other_picture_s() -> None:
    truth, other = blobs(0, void=False), blobs(1, void=False)
    drawn = [NOISE.draw(truth, other, None, seed) for seed in seeds_of("foreign", 20)]
    assert any((mask == other).all() for mask in drawn)
    assert all((mask == other).mean() > (mask == truth).mean() for mask in drawn)


def test_a_partial_guess_is_truth_or_guess_in_every_cell_unless_it_is_bent() -> None:
    truth, guess = blobs(0, void=False), blobs(2, void=False)
    belief = np.where(np.arange(4)[:, None, None] == guess, 0.0, -1e9).astype(np.float32)  # no noise can change it
    whole = [
        ((m := NOISE.draw(truth, blobs(1), belief, seed)) == truth) | (m == guess) for seed in seeds_of("partial", 40)
    ]
    assert np.mean([cells.all() for cells in whole]) > 0.3


def test_edits_change_whole_segments_and_only_into_other_foreground_classes() -> None:
    truth = np.zeros((64, 64), np.uint8)
    truth[10:30, 10:30], truth[40:60, 35:60] = 1, 2
    changed = 0
    for seed in seeds_of("edit", 60):
        mask = NOISE.draw(truth, np.zeros_like(truth), None, seed)
        changed += bool((mask != truth).any())
        pieces = sum(ndimage.label(mask == c)[1] for c in range(1, 4))
        assert pieces <= 12  # segments, not cells
    assert changed > 30


def test_a_guess_needs_a_belief() -> None:
    with pytest.raises(ValueError, match="belief"):
        NOISE.draw(blobs(0), blobs(1), None, seed_of("guess"))


def test_a_mask_that_is_void_throughout_stays_void() -> None:
    void = np.full((16, 16), VOID, np.uint8)
    assert (NOISE.draw(void, void, None, seed_of("none")) == VOID).all()
    NOISE.draw(void, void, None, seed_of("edit"))


def test_without_background_nothing_is_missed() -> None:
    noise = SegmentNoise(class_swaps(np.eye(4), (0, 1, 2, 3)), background=None)
    truth = np.ones((16, 16), np.uint8)
    seen = Counter(int(c) for seed in seeds_of("edit", 200) for c in np.unique(noise.draw(truth, truth, None, seed)))
    assert set(seen) == {0, 1, 2, 3}


def test_swaps_prefer_classes_that_look_alike() -> None:
    looks = np.array([[9.0, 9, 9], [1, 0, 0], [1, 0.1, 0], [-1, 1, 3], [0, 0, 0]])
    swaps = class_swaps(looks, (1, 2, 3, 4))
    np.testing.assert_allclose(swaps.sum(1), [0, 1, 1, 1, 1])
    assert not np.diagonal(swaps).any()
    assert not swaps[:, 0].any()
    assert swaps[1, 2] > 0.5 > swaps[1, 3]
    np.testing.assert_allclose(swaps[4, 1:4], 1 / 3)  # nothing is known of class 4: uniform


def test_swaps_by_hand() -> None:
    swaps = class_swaps(np.array([[1.0, 0], [0, 1], [-1, -1]]), (0, 1, 2), alike=1.0, sharpness=1.0)
    vectors = np.array([[1.0, 0], [0, 1], [-1, -1]])
    vectors -= vectors.mean(0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.exp([vectors[0] @ vectors[1], vectors[0] @ vectors[2]])
    np.testing.assert_allclose(swaps[0], [0, *(weights / weights.sum())])


def test_a_single_class_keeps_its_name() -> None:
    np.testing.assert_array_equal(class_swaps(np.eye(2), (1,)), [[0, 0], [0, 1]])


def test_void_takes_the_nearest_label_or_becomes_background() -> None:
    mask = np.array([[1, VOID, 2], [1, VOID, VOID]], np.uint8)
    filled = {tuple(fill_void(mask, 0, np.random.default_rng(seed)).ravel().tolist()) for seed in range(20)}
    assert (1, 0, 2, 1, 0, 0) in filled
    assert any(0 not in cells for cells in filled)
    assert all(0 not in fill_void(mask, None, np.random.default_rng(seed)) for seed in range(20))


def test_a_guess_without_noise_is_the_most_probable_class_and_with_it_a_sample() -> None:
    belief = np.log(np.full((2, 8, 8), 0.5, np.float32))
    belief[:, :4] = np.log([[[0.999]], [[0.001]]])
    drawn = np.stack([draw_guess(belief, np.random.default_rng(seed)) for seed in range(300)])
    assert drawn[:, :4].mean() < 0.02
    assert 0.2 < drawn[:, 4:].mean() < 0.5  # a third of the draws has no noise, and then class 0 wins the tie


def test_bending_moves_the_outline_and_makes_no_new_label() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44, 20:44] = 3
    for seed in range(20):
        bent = bend(mask, 1.0, np.random.default_rng(seed))
        assert set(np.unique(bent)) <= {0, 3}
        overlap = 2 * ((bent == 3) & (mask == 3)).sum() / ((bent == 3).sum() + (mask == 3).sum())
        assert overlap > 0.7
