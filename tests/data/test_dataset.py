"""Views that stay aligned, invent no label and never depend on anything but seed, id and number."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from segqc.base.errors import BadInput
from segqc.data.dataset import AugmentConfig, PairDataset, augment, view_generator
from segqc.data.grid import image_to_grid, mask_to_grid
from segqc.data.labels import VOC_LABELS
from segqc.data.masks import write_mask
from segqc.data.pairs import Pair

PLAIN = AugmentConfig(scale=(1, 1), flip=False, jitter=0)


def pair_whose_image_shows_its_mask(height=40, width=60, seed=0):
    """Red is the label of a pixel times 10, green its column, blue its row: any misalignment shows."""
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.integers(0, 21, (height // 5, width // 5)), np.ones((5, 5))).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.dstack([mask * 10, columns, rows]).astype(np.uint8)), mask


@pytest.mark.parametrize("scale", [(0.3, 1.0), (0.6, 1.3), (1.2, 1.3)])
def test_image_and_mask_stay_aligned_to_the_pixel(scale):
    config = AugmentConfig(scale, flip=True, jitter=0)
    image, mask = pair_whose_image_shows_its_mask()
    flips = set()
    for seed in range(60):
        view, labels = augment(image, mask, np.random.default_rng(seed), config)
        assert view.size == labels.shape[::-1]
        pixels = np.asarray(view).astype(int)
        known = labels != 255
        np.testing.assert_array_equal(pixels[known][:, 0], labels[known].astype(int) * 10)
        assert len(np.unique(pixels[~known], axis=0)) <= 1  # the padding has one colour
        column = pixels[known][:, 1].reshape(np.count_nonzero(known.any(axis=1)), -1)[0]
        flips.add(bool(column[0] > column[-1]))
        steps = np.abs(np.diff(column))
        assert (steps == 1).all()  # whole pixels, none skipped
    assert flips == {True, False}


@pytest.mark.parametrize("scale", [(0.6, 1.0), (0.6, 1.3), (1.3, 1.3), (0.01, 0.01)])
def test_no_label_is_invented(scale):
    image, mask = pair_whose_image_shows_its_mask()
    mask[:10] = 255
    for seed in range(40):
        _, labels = augment(image, mask, np.random.default_rng(seed), AugmentConfig(scale))
        assert set(np.unique(labels)) <= set(np.unique(mask)) | {255}
        assert labels.dtype == np.uint8


def test_size_of_the_crop_and_colour_of_the_padding():
    image, mask = pair_whose_image_shows_its_mask()
    view, labels = augment(image, mask, np.random.default_rng(0), AugmentConfig((0.5, 0.5), False, 0))
    assert view.size == (30, 20)
    view, labels = augment(image, mask, np.random.default_rng(0), AugmentConfig((1.25, 1.25), False, 0))
    assert view.size == (75, 50)
    assert np.count_nonzero(labels != 255) == mask.size
    np.testing.assert_allclose(np.asarray(view)[labels == 255][0], np.asarray(image).mean(axis=(0, 1)), atol=0.5)


def test_without_scale_flip_and_jitter_nothing_changes():
    image, mask = pair_whose_image_shows_its_mask()
    view, labels = augment(image, mask, np.random.default_rng(0), PLAIN)
    np.testing.assert_array_equal(np.asarray(view), np.asarray(image))
    np.testing.assert_array_equal(labels, mask)


def test_flip_mirrors_half_of_the_views():
    image, mask = pair_whose_image_shows_its_mask()
    config = AugmentConfig((1, 1), True, 0)
    flipped = 0
    for seed in range(200):
        _, labels = augment(image, mask, np.random.default_rng(seed), config)
        if not np.array_equal(labels, mask):
            np.testing.assert_array_equal(labels, mask[:, ::-1])
            flipped += 1
    assert 70 <= flipped <= 130


def test_jitter_changes_the_image_within_its_range_and_leaves_the_mask():
    image = Image.new("RGB", (4, 4), (100, 100, 100))  # grey and flat: only brightness acts on it
    mask = np.ones((4, 4), np.uint8)
    values = []
    for seed in range(100):
        view, labels = augment(image, mask, np.random.default_rng(seed), AugmentConfig((1, 1), False, 0.2))
        np.testing.assert_array_equal(labels, mask)
        values.append(np.asarray(view)[0, 0, 0])
    assert 79 <= min(values) < 85
    assert 115 < max(values) <= 121
    colourful, mask = pair_whose_image_shows_its_mask()
    views = {
        augment(colourful, mask, np.random.default_rng(seed), AugmentConfig((1, 1), False, 0.2))[0].tobytes()
        for seed in range(5)
    }
    assert len(views) == 5


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2)])
def test_tiny_images(size):
    image, mask = Image.new("RGB", size), np.zeros(size[::-1], np.uint8)
    for seed in range(20):
        view, labels = augment(image, mask, np.random.default_rng(seed), AugmentConfig((0.1, 1.3)))
        assert view.size == labels.shape[::-1]
        assert min(view.size) >= 1


def test_wrong_arguments():
    image, mask = pair_whose_image_shows_its_mask()
    with pytest.raises(ValueError, match=r"\[40, 60\]"):
        augment(image, mask.T, np.random.default_rng(0), PLAIN)
    for arguments in ({"scale": (0, 1)}, {"scale": (1, 0.5)}, {"scale": (0.5,)}, {"jitter": 1}, {"jitter": -0.1}):
        with pytest.raises(ValueError, match="Expected"):
            AugmentConfig(**arguments)
    assert AugmentConfig(scale=[0.5, 1]) == AugmentConfig(scale=(0.5, 1))  # as JSON gives it back


@pytest.fixture
def pairs(tmp_path):
    result = []
    for i, (height, width) in enumerate([(40, 60), (75, 50), (30, 30)]):
        image, mask = pair_whose_image_shows_its_mask(height, width, seed=i)
        mask[:5] = 255
        image.save(tmp_path / f"{i}i.png")
        write_mask(tmp_path / f"{i}m.png", mask, VOC_LABELS)
        result.append(Pair(f"id{i}", tmp_path / f"{i}i.png", tmp_path / f"{i}m.png"))
    return result


def test_a_plain_sample_is_the_squashed_pair_with_void(pairs):
    dataset = PairDataset(pairs, VOC_LABELS, 32, 16, AugmentConfig(), seed=0)
    assert len(dataset) == 3
    for index in range(3):
        image, mask = pair_whose_image_shows_its_mask(*[(40, 60), (75, 50), (30, 30)][index], seed=index)
        mask[:5] = 255
        sample = dataset.sample(index, None)
        assert (sample["image"].dtype, sample["image"].shape) == (np.uint8, (3, 32, 32))
        assert (sample["mask"].dtype, sample["mask"].shape) == (np.uint8, (16, 16))
        np.testing.assert_array_equal(sample["image"], image_to_grid(image, 32))
        np.testing.assert_array_equal(sample["mask"], mask_to_grid(mask, 16, VOC_LABELS))
        assert (sample["mask"][0] == 255).all()


def same(a, b):
    return all(np.array_equal(a[key], b[key]) for key in ("image", "mask"))


def test_a_view_depends_on_seed_id_and_number_alone(pairs):
    dataset = PairDataset(pairs, VOC_LABELS, 32, 16, AugmentConfig(), seed=3)
    first = dataset.sample(1, 7)
    dataset.sample(0, 1)
    assert same(first, dataset.sample(1, 7))
    assert same(first, dataset[1, 7])
    assert same(first, PairDataset(pairs[1:][::-1], VOC_LABELS, 32, 16, AugmentConfig(), seed=3).sample(1, 7))
    assert not same(first, dataset.sample(1, 8))
    assert not same(first, PairDataset(pairs, VOC_LABELS, 32, 16, AugmentConfig(), seed=4).sample(1, 7))
    assert same(dataset[1], dataset.sample(1))
    assert same(PairDataset(pairs, VOC_LABELS, 32, 16, None, seed=3).sample(1, 7), dataset.sample(1))


def test_views_and_plain_samples_of_tiles_show_a_tile(pairs):
    """A tile of two along a side has 4/7 of the picture's side; a view has half of that at least."""
    whole, tiled = (
        PairDataset(pairs, VOC_LABELS, 32, 16),
        PairDataset(pairs, VOC_LABELS, 32, 16, AugmentConfig(), tiles=2),
    )
    assert tiled.augment.scale == pytest.approx((2 / 7, 4 / 7))
    image, mask = (tiled.sample(0)[name] for name in ("image", "mask"))
    assert np.array_equal(mask, tiled.mask(0))
    assert np.array_equal(image, tiled.sample(0)["image"])
    assert not np.array_equal(image, whole.sample(0)["image"])
    assert not np.array_equal(image, tiled.sample(0, 0)["image"])
    other = PairDataset(pairs, VOC_LABELS, 32, 16, seed=1, tiles=2).sample(0)
    assert not np.array_equal(image, other["image"]), "another seed shows another tile"


def test_the_generator_is_the_same_in_a_process_with_another_hash_seed():
    code = (
        "from segqc.data.dataset import view_generator; "
        "print(view_generator(1, 'a/b', 2).integers(2**62, size=3).tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{view_generator(1, 'a/b', 2).integers(2**62, size=3).tolist()}\n"}


def test_generators_of_different_views_differ():
    keys = [(seed, id_, view) for seed in (0, 1, 11) for id_ in ("a", "1/a", "") for view in (0, 1, 11)]
    assert len({view_generator(*key).random() for key in keys}) == len(keys)


def test_pairs_that_do_not_fit_are_bad_input(pairs, tmp_path):
    image, mask = pairs[0].image, pairs[0].mask
    wrong = [Pair("size", image, pairs[1].mask), Pair("none", image, None), Pair("gone", tmp_path / "x.jpg", mask)]
    for index, message in enumerate(("its image is 60x40", "has no mask", "does not exist")):
        with pytest.raises(BadInput, match=message):
            PairDataset(wrong, VOC_LABELS, 32, 16).sample(index)
