"""Corruptions: each does what it says, no more, and nothing where there is nothing to corrupt."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from evaluation.corruption.context import VOID, Context, donor_of
from evaluation.corruption.corruptions import CORRUPTIONS, corrupt
from evaluation.metrics.classes import mean_dice

K = 6
EVERY = [(name, strength) for name, corruption in CORRUPTIONS.items() for strength in corruption.strengths]
IDS = [f"image {i}" for i in range(40)]


def disc(height: int, width: int, row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def scene(seed: int, height: int = 60, width: int = 80, void: bool = True) -> np.ndarray:
    """One to four discs of classes 1..4 (5 never occurs), each with a void rim."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 5)):
        region = disc(height, width, rng.integers(8, height - 8), rng.integers(8, width - 8), rng.integers(5, 13))
        mask[region] = rng.integers(1, 5)
        if void:
            mask[ndimage.binary_dilation(region) & ~region] = VOID
    return mask


def context_of(masks: dict[str, np.ndarray], background: int | None = 0) -> Context:
    return Context(K, background, tuple(donor_of(id_, mask, background) for id_, mask in masks.items()))


MASKS = {id_: scene(seed) for seed, id_ in enumerate(IDS)}
CONTEXT = context_of(MASKS)


def corrupted(name: str, strength: int, mask: np.ndarray, id_: str = "x", context: Context = CONTEXT, seed: int = 0):
    return corrupt(mask, id_, CORRUPTIONS[name], strength, seed, context)


def objects_of(mask: np.ndarray) -> list[np.ndarray]:
    found = []
    for label in set(np.unique(mask).tolist()) - {0, VOID}:
        numbers, count = ndimage.label(mask == label, np.ones((3, 3)))
        found += [numbers == number for number in range(1, count + 1)]
    return found


@pytest.mark.parametrize(("name", "strength"), EVERY)
def test_what_is_reported_is_what_happened(name: str, strength: int) -> None:
    applied = 0
    for id_, mask in MASKS.items():
        before = mask.copy()
        result = corrupted(name, strength, mask, id_)
        assert (mask == before).all(), "the original must stay as it is"
        if result is None:
            continue
        applied += 1
        assert result.mask.dtype == np.uint8
        assert result.mask.shape == mask.shape
        assert ((result.mask == VOID) == (mask == VOID)).all(), "void stays void, and nothing else becomes void"
        assert result.mask[mask != VOID].max() < K
        assert (
            result.changed
            == sum(a != b for a, b in zip(result.mask.ravel().tolist(), mask.ravel().tolist(), strict=True))
            > 0
        )
        assert result.dice == mean_dice(result.mask, mask, K)
    assert applied >= (15 if name == "other_mask" else 38)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_more_strength_costs_more_dice(name: str) -> None:
    means = []
    for strength in CORRUPTIONS[name].strengths:
        results = [corrupted(name, strength, mask, id_) for id_, mask in MASKS.items()]
        means.append(np.mean([result.dice for result in results if result is not None]))
    assert all(mild > strong + 0.02 for mild, strong in pairwise(means)), means


@pytest.mark.parametrize(("name", "strength"), EVERY)
def test_random_numbers_depend_on_seed_and_names_alone(name: str, strength: int) -> None:
    reverse = Context(K, 0, CONTEXT.donors[::-1])
    differ = 0
    for id_ in IDS[:12]:
        first, again = (corrupted(name, strength, MASKS[id_], id_, context) for context in (CONTEXT, reverse))
        assert (first is None) == (again is None)
        if first is None:
            continue
        assert (first.mask == again.mask).all(), "not on the order of the donors"
        for other in (
            corrupted(name, strength, MASKS[id_], id_, seed=1),
            corrupted(name, strength, MASKS[id_], "another id"),
        ):
            differ += other is None or (other.mask != first.mask).any()
    draws_nothing = name in ("dilation", "erosion") or (name, strength) == ("missing_object", 3)
    assert (differ == 0) == draws_nothing


@pytest.mark.parametrize("strength", [1, 2, 3])
@pytest.mark.parametrize("name", ["class_swap", "missing_object"])
def test_one_object_one_class_or_all_of_it(name: str, strength: int) -> None:
    for id_, mask in MASKS.items():
        result = corrupted(name, strength, mask, id_)
        changed = result.mask != mask
        if strength == 1:
            assert any((changed == region).all() for region in objects_of(mask))
        elif strength == 2:
            assert len(set(mask[changed].tolist())) == 1
            assert (changed == (mask == mask[changed][0])).all()
        else:
            assert (changed == ((mask > 0) & (mask != VOID))).all()
        if name == "missing_object":
            assert (result.mask[changed] == 0).all()
        else:
            for label in np.unique(mask[changed]):
                targets = set(result.mask[mask == label].tolist()) - {int(label)}
                assert len(targets) == 1, "an object gets one other class"
                assert targets <= {1, 2, 3, 4}, "a foreground class that the data has"


def test_new_classes_are_drawn_as_often_as_masks_have_them() -> None:
    common, rare = (np.full((4, 4), label, np.uint8) for label in (1, 2))
    context = context_of({f"common {i}": common for i in range(9)} | {"rare": rare})
    target = np.full((4, 4), 3, np.uint8)
    drawn = [corrupted("class_swap", 3, target, f"{i}", context).mask[0, 0] for i in range(400)]
    assert set(drawn) == {1, 2}
    assert 0.06 < np.mean(np.array(drawn) == 2) < 0.14


def test_another_mask_is_that_of_a_donor_resized_without_its_void() -> None:
    alone = scene(3, 31, 44)
    target = scene(5)
    result = corrupted("other_mask", 2, target, context=context_of({"donor": alone}))
    rows, columns = (
        np.floor((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip((60, 80), (31, 44), strict=True)
    )
    expected = alone[rows][:, columns]
    known = (expected != VOID) & (target != VOID)
    assert (result.mask[known] == expected[known]).all()
    assert set(result.mask[(target != VOID) & ~known].tolist()) <= set(expected.ravel().tolist()) - {VOID}


def test_the_three_kinds_of_donors() -> None:
    def square(label: int, side: int) -> np.ndarray:
        mask = np.zeros((20, 20), np.uint8)
        mask[:side, :side] = label
        return mask

    donors = {f"{label} {side}": square(label, side) for label in (1, 2) for side in range(4, 20)} | {
        "empty": square(0, 0)
    }
    context, own = context_of(donors), np.rot90(square(1, 10), 2).copy()
    areas, labels, disjoint = set(), set(), set()
    for i in range(60):
        alike = corrupted("other_mask", 1, own, f"{i}", context).mask
        areas.add(int((alike == 1).sum()))
        labels |= set(np.unique(corrupted("other_mask", 2, own, f"{i}", context).mask).tolist())
        disjoint |= set(np.unique(corrupted("other_mask", 3, own, f"{i}", context).mask).tolist())
    assert areas == {64, 81, 100, 121, 144}, "the five of the same class that come nearest in area"
    assert labels == {0, 1, 2}
    assert disjoint == {0, 2}


def test_an_image_is_no_donor_to_itself() -> None:
    context = context_of({"a": scene(1), "b": scene(2)})
    for strength in (1, 2, 3):
        assert corrupt(scene(3), "a", CORRUPTIONS["other_mask"], strength, 0, context_of({"a": scene(1)})) is None
    for seed in range(20):
        result = corrupt(scene(3, void=False), "a", CORRUPTIONS["other_mask"], 2, seed, context)
        assert set(np.unique(result.mask).tolist()) == set(np.unique(scene(2)).tolist()) - {VOID}


@pytest.mark.parametrize(("strength", "share"), [(1, 0.1), (2, 0.25), (3, 0.5)])
def test_a_hole_takes_its_share_of_one_object(strength: int, share: float) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[disc(60, 80, 30, 40, 22)] = 2
    for seed in range(5):
        result = corrupted("hole", strength, mask, seed=seed)
        gone = result.mask != mask
        assert gone.sum() == round(share * (mask == 2).sum())
        assert (result.mask[gone] == 0).all()
        assert ndimage.label(gone)[1] == 1
        row, column = np.mean(np.nonzero(gone), axis=1)
        assert disc(60, 80, 30, 40, 22)[round(row), round(column)]
        if strength == 1:
            assert (ndimage.binary_fill_holes(result.mask) == (mask > 0)).all(), "enclosed by the object"


@pytest.mark.parametrize(("strength", "share"), [(1, 0.02), (2, 0.05), (3, 0.1)])
def test_a_shift_moves_everything_by_one_vector(strength: int, share: float) -> None:
    mask = scene(7, void=False)
    for seed in range(5):
        moved = corrupted("shift", strength, mask, seed=seed).mask
        reach = 12
        padded = np.pad(mask, reach, mode="edge")
        fits = [
            (down, right)
            for down in range(-reach, reach + 1)
            for right in range(-reach, reach + 1)
            if (padded[reach - down : reach - down + 60, reach - right : reach - right + 80] == moved).all()
        ]
        assert fits
        assert min(abs(np.hypot(*fit) - share * 100) for fit in fits) < 0.71, "the diagonal is 100 pixels"


def test_a_shift_moves_labels_hidden_under_void_too() -> None:
    mask = np.array([[0, 0, 0, 1, VOID, 1, 1, 0, 0, 0, 0, 0]], np.uint8)
    results = [corrupted("shift", 1, mask, seed=seed) for seed in range(20)]
    assert None in results, "a single row cannot move up or down"
    seen = {tuple(result.mask[0].tolist()) for result in results if result is not None}
    assert seen == {(0, 0, 0, 0, VOID, 1, 1, 1, 0, 0, 0, 0), (0, 0, 1, 1, VOID, 1, 0, 0, 0, 0, 0, 0)}


@pytest.mark.parametrize(("strength", "share"), [(1, 0.15), (2, 0.3), (3, 0.6)])
def test_growing_and_shrinking_by_a_share_of_the_depth(strength: int, share: float) -> None:
    mask = np.zeros((70, 90), np.uint8)
    mask[10:25, 10:31] = 3  # depth 8: from the middle row, 7 pixels lie between it and the outside
    mask[45:66, 50:85] = 1  # depth 11
    for box, depth, label in (((10, 25, 10, 31), 8, 3), ((45, 66, 50, 85), 11, 1)):
        region = disc_distance(mask.shape, box)
        grown, shrunk = corrupted("dilation", strength, mask).mask, corrupted("erosion", strength, mask).mask
        inner = ndimage.distance_transform_edt(mask == label)
        assert inner.max() == depth
        near = region <= 12
        assert ((grown == label) == (region <= max(1, share * depth)))[near].all()
        assert ((shrunk == label) == (inner > max(1, share * depth)))[near].all()
        assert (shrunk[near & (inner <= share * depth)] == 0).all()


def disc_distance(shape: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """Distance of each pixel to the nearest pixel of a rectangle."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    down = np.maximum(0, np.maximum(box[0] - rows, rows - box[1] + 1))
    right = np.maximum(0, np.maximum(box[2] - columns, columns - box[3] + 1))
    return np.hypot(down, right)


def test_what_touches_the_frame_is_not_eroded_from_there() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :20] = 1
    for strength, share in ((1, 0.15), (2, 0.3), (3, 0.6)):
        shrunk, grown = corrupted("erosion", strength, mask).mask, corrupted("dilation", strength, mask).mask
        assert (shrunk == 1).sum() == 30 * (20 - int(share * 20))
        assert (grown == 1).sum() == 30 * (20 + int(share * 20))


def test_erosion_leaves_a_core_of_every_object() -> None:
    for id_, mask in MASKS.items():
        result = corrupted("erosion", 3, mask, id_)
        filled = mask.copy()
        rows, columns = ndimage.distance_transform_edt(mask == VOID, return_distances=False, return_indices=True)
        filled[:] = mask[rows, columns]
        numbers, count = ndimage.label(filled > 0, np.ones((3, 3)))
        left = set(np.unique(numbers[(result.mask > 0) & (result.mask != VOID)]).tolist())
        assert {*left, 0} == set(range(count + 1)) | {0}


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_blobs_lie_on_the_background_and_have_their_size(strength: int) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:50] = 4
    mask[40:42, 30:50] = VOID
    size = round(0.03 * (60 * 80 - 40))
    for seed in range(5):
        result = corrupted("spurious_blob", strength, mask, seed=seed)
        new = result.mask != mask
        assert new.sum() == strength * size == result.changed
        assert (mask[new] == 0).all()
        labels, counts = np.unique(result.mask[new], return_counts=True)
        assert counts.tolist() == [size] * strength, "of different classes"
        assert set(labels.tolist()) <= {1, 2, 3, 4}


def test_blobs_of_the_only_class_there_is() -> None:
    context = Context(2, 0, ())
    result = corrupted("spurious_blob", 3, np.zeros((50, 50), np.uint8), context=context)
    assert result.changed == 3 * 75
    small = np.ones((5, 5), np.uint8)
    small[0, 0] = 0
    assert corrupted("spurious_blob", 3, small, context=context).changed == 1, "no more than there is background"


@pytest.mark.parametrize(("strength", "reach"), [(1, 1), (2, 2), (3, 4)])
def test_a_torn_edge_stays_near_the_edge_and_is_longer(strength: int, reach: int) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[disc(60, 80, 30, 40, 20)] = 2
    result = corrupted("jagged_edge", strength, mask)
    changed = result.mask != mask
    distance = np.where(mask == 2, ndimage.distance_transform_edt(mask == 2), ndimage.distance_transform_edt(mask != 2))
    assert distance[changed].max() <= reach * np.sqrt(2)
    length = {
        name: np.count_nonzero(m[1:] != m[:-1]) + np.count_nonzero(m[:, 1:] != m[:, :-1])
        for name, m in (("new", result.mask), ("old", mask))
    }
    assert length["new"] > 1.2 * length["old"]
    assert abs((result.mask == 2).sum() / (mask == 2).sum() - 1) < 0.15


@pytest.mark.parametrize(("name", "strength"), EVERY)
def test_nothing_to_corrupt_is_none(name: str, strength: int) -> None:
    empty = np.zeros((20, 30), np.uint8)
    assert corrupted(name, strength, np.full((20, 30), VOID, np.uint8)) is None, "all void"
    on_empty = corrupted(name, strength, empty)
    assert (on_empty is not None) == (name == "spurious_blob" or (name == "other_mask" and strength > 1))
    full = corrupted(name, strength, np.full((20, 30), 2, np.uint8))
    if name != "other_mask":
        assert (full is None) == (name in ("shift", "dilation", "erosion", "spurious_blob", "jagged_edge"))


@pytest.mark.parametrize(("name", "strength"), EVERY)
def test_an_object_of_one_pixel_in_a_corner(name: str, strength: int) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[0, 0] = 1
    results = [corrupted(name, strength, mask, seed=seed) for seed in range(8)]
    if name in ("hole", "erosion"):
        assert results == [None] * 8, "an object of one pixel has no inside and no outer part"
    if name == "missing_object":
        assert all((result.mask == 0).all() and result.changed == 1 for result in results)
    if name == "class_swap":
        assert all(result.changed == 1 and result.mask[0, 0] in (2, 3, 4) for result in results)
    if name == "dilation":
        assert all((result.mask == 1).sum() == 3 and result.mask[1, 1] == 0 for result in results), (
            "at least one pixel, to four neighbours"
        )


@pytest.mark.parametrize(("name", "strength"), EVERY)
def test_label_spaces_without_background(name: str, strength: int) -> None:
    masks = {id_: scene(seed, void=seed % 2 == 0) for seed, id_ in enumerate(IDS[:12])}
    context = context_of(masks, background=None)
    applied = 0
    for id_, mask in masks.items():
        result = corrupted(name, strength, mask, id_, context)
        if result is not None:
            applied += 1
            assert ((result.mask == VOID) == (mask == VOID)).all()
            assert result.dice == mean_dice(result.mask, mask, K, background=None)
            if name in ("missing_object", "hole"):
                assert len(set(mask[result.mask != mask].tolist())) == 1
                assert set(result.mask.ravel().tolist()) <= set(mask.ravel().tolist()), (
                    "what takes the place was there before"
                )
    # Where every class is foreground, all of it cannot go missing, and every mask here has class 0.
    impossible = (name, strength) in (("missing_object", 3), ("other_mask", 3))
    assert (applied == 0) == impossible


def test_a_single_class_without_background_cannot_be_removed_or_swapped() -> None:
    mask = np.zeros((10, 10), np.uint8)
    context = Context(1, None, ())
    for name, strength in EVERY:
        assert corrupted(name, strength, mask, context=context) is None, name


def test_misuse_is_named() -> None:
    mask = scene(0)
    with pytest.raises(ValueError, match="uint8"):
        corrupted("shift", 1, mask.astype(np.int64))
    with pytest.raises(ValueError, match=r"hole.*1 to 3"):
        corrupted("hole", 4, mask)
    mask[5, 5] = K
    with pytest.raises(ValueError, match="labels"):
        corrupted("shift", 3, mask)


def test_a_donor_is_described_by_its_labelled_pixels() -> None:
    mask = np.array([[0, 0, 1, VOID], [2, 0, 0, VOID]], np.uint8)
    donor = donor_of("a", mask)
    assert (donor.classes, donor.share) == (frozenset({1, 2}), pytest.approx(2 / 6))
    assert donor.read() is mask
    assert donor_of("a", mask, background=None).classes == {0, 1, 2}
    assert donor_of("a", np.full((2, 2), VOID, np.uint8)).share == 0
