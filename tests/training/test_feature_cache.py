"""Cached rows against the encoder itself, and what a killed or changed run finds."""

import json

import numpy as np
import pytest
import torch
from tiny import LABELS, tiny_model, write_pairs

from segqc.data.dataset import AugmentConfig, PairDataset
from segqc.training.feature_cache import BLOCK, FeatureCache
from segqc.training.samples import Samples, collate
from segqc.training.schedule import Draw, cache_keys

KEYS = cache_keys(9, 4, 5)  # 41 rows: three blocks, the last of nine


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return PairDataset(write_pairs(tmp_path_factory.mktemp("pairs"), 14), LABELS, 64, 16, AugmentConfig(), seed=0)


@pytest.fixture(scope="module")
def shapes(model):
    return [tuple(m.shape[1:]) for m in model.image_features(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))]


@pytest.fixture
def make(tmp_path, shapes):
    def cache(fingerprint: str = "f", keys=KEYS, folder="cache", **changes) -> FeatureCache:
        return FeatureCache(
            tmp_path / folder, keys, changes.pop("shapes", shapes), changes.pop("grid_size", 16), fingerprint, **changes
        )

    return cache


def content(cache: FeatureCache) -> tuple[bytes, ...]:
    return tuple((cache.folder / name).read_bytes() for name in ("features.u8", "ranges.f32", "masks.u8", "done.u8"))


def test_rows_are_the_encoders_features_and_the_datasets_masks(make, model, dataset, shapes):
    cache, advanced = make(), []
    assert cache.missing == [0, 1, 2]
    cache.fill(cache.missing, model, dataset, advanced.append)
    assert cache.missing == []
    assert advanced == [BLOCK, BLOCK, len(KEYS) - 2 * BLOCK]
    for key in KEYS:
        sample, row = dataset.sample(*key), cache[key]
        np.testing.assert_array_equal(row["mask"], sample["mask"])
        with torch.no_grad():
            maps = model.image_features(torch.from_numpy(sample["image"])[None])
        assert [tuple(m.shape) for m in row["features"]] == shapes
        for stored, expected in zip(map(torch.from_numpy, row["features"]), maps, strict=True):
            assert stored.dtype == torch.float16
            # Half a step of the channel's range, half precision, and the encoder's rounding in another batch.
            step = (expected[0].amax((1, 2), keepdim=True) - expected[0].amin((1, 2), keepdim=True)) / 255
            off = (stored.float() - expected[0]).abs() - 0.5 * step - 2**-11 * expected[0].abs()
            assert off.max() < 1e-4
    views = [cache[0, view]["features"][0] for view in range(4)]
    assert all(not np.array_equal(views[i], views[j]) for i in range(4) for j in range(i))


def test_sixteen_bits_are_half_precision_and_nothing_else(make, model, dataset):
    cache = make(bits=16)
    cache.fill([2], model, dataset, lambda _: None)
    keys = KEYS[2 * BLOCK :]
    with torch.no_grad():
        maps = model.image_features(torch.from_numpy(np.stack([dataset.sample(*key)["image"] for key in keys])))
    for i, key in enumerate(keys):
        for stored, expected in zip(cache[key]["features"], maps, strict=True):
            assert torch.equal(torch.from_numpy(stored), expected[i].half())
    assert make().missing == [0, 1, 2], "eight bits are another cache"


def test_the_least_and_the_largest_value_of_a_channel_are_kept_and_a_constant_one_too(make, model, dataset):
    maps = [torch.randn(9, 3, 4, 4), torch.full((9, 2, 2, 2), 0.3)]
    maps[0][:, 1] *= 1e4  # a channel that must not cost the others their detail
    shapes = [tuple(map_.shape[1:]) for map_ in maps]

    keys = KEYS[2 * BLOCK :]
    number_of = {dataset.sample(*key)["image"].tobytes(): number for number, key in enumerate(keys)}

    class Fixed:
        device = torch.device("cpu")

        def image_features(self, images):
            numbers = [number_of[image.numpy().tobytes()] for image in images]
            return [map_[numbers] for map_ in maps]

    cache = make(keys=keys, shapes=shapes)
    cache.fill([0], Fixed(), dataset, lambda _: None)
    for n, key in enumerate(keys):
        varied, constant = (torch.from_numpy(stored) for stored in cache[key]["features"])
        expected = maps[0][n]
        for extreme in (torch.amin, torch.amax):
            torch.testing.assert_close(
                extreme(varied, (1, 2)).float(), extreme(expected, (1, 2)), rtol=2**-10, atol=2**-10
            )
        assert (varied.float() - expected).abs()[[0, 2]].max() < 0.03
        assert torch.equal(constant, torch.full((2, 2, 2), 0.3, dtype=torch.float16))


def test_a_killed_run_finds_its_missing_blocks_and_ends_with_the_same_bytes(make, model, dataset):
    whole = make(folder="whole")
    whole.fill(whole.missing, model, dataset, lambda _: None)

    class Killed(Exception):
        pass

    def dies(_: int) -> None:
        raise Killed

    cache = make()
    with pytest.raises(Killed):
        cache.fill(cache.missing, model, dataset, dies)
    del cache
    again = make()
    assert again.missing == [1, 2]
    again.fill([2], model, dataset, lambda _: None)
    last = make()
    assert last.missing == [1]
    for key in KEYS[:BLOCK] + KEYS[2 * BLOCK :]:
        for one, other in zip(last[key]["features"], whole[key]["features"], strict=True):
            assert np.array_equal(one, other)
    last.fill(last.missing, model, dataset, lambda _: None)
    assert content(last) == content(whole)


def test_a_block_is_not_marked_when_its_features_fail(make, model, dataset, monkeypatch):
    cache = make()
    monkeypatch.setattr(model, "image_features", lambda images: (_ for _ in ()).throw(RuntimeError("out of memory")))
    with pytest.raises(RuntimeError, match="out of memory"):
        cache.fill([1], model, dataset, lambda _: None)
    assert make().missing == [0, 1, 2]


def test_an_unreadable_picture_stops_before_its_block_is_marked(make, model, dataset, tmp_path):
    pairs = write_pairs(tmp_path / "pairs", 14)
    pairs[5].image.write_bytes(b"")  # rows 20 to 23, in the second block
    cache = make()
    with pytest.raises(Exception, match="empty"):
        cache.fill(cache.missing, model, PairDataset(pairs, LABELS, 64, 16, AugmentConfig()), lambda _: None)
    assert make().missing == [1, 2]


@pytest.mark.parametrize("change", ["fingerprint", "rows", "shapes", "grid"])
def test_another_fingerprint_or_size_starts_afresh(make, model, dataset, shapes, change):
    cache = make()
    cache.fill([0, 1], model, dataset, lambda _: None)
    assert make().missing == [2]
    changed = {
        "fingerprint": lambda: make("g"),
        "rows": lambda: make(keys=KEYS[:-1]),
        "shapes": lambda: make(shapes=shapes[:-1]),
        "grid": lambda: make(grid_size=8),
    }[change]()
    assert changed.missing == [0, 1, 2]
    assert not np.any(changed._features)
    assert make().missing == [0, 1, 2]  # the old rows are gone for good


def test_a_cache_whose_creation_was_interrupted_starts_afresh(make, model, dataset):
    cache = make()
    cache.fill([0], model, dataset, lambda _: None)
    (cache.folder / "cache.json").unlink()
    assert make().missing == [0, 1, 2]


def test_a_start_afresh_that_is_killed_leaves_no_rows_marked_done(make, model, dataset, monkeypatch):
    make().fill([0, 1, 2], model, dataset, lambda _: None)
    memmap = np.memmap

    def killed(path, **options):
        if path.name == "done.u8":  # by now the features are zeros, while the old marks are still there
            raise KeyboardInterrupt
        return memmap(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(np, "memmap", killed)
        with pytest.raises(KeyboardInterrupt):
            make("g")
    assert make("f").missing == [0, 1, 2]


def test_a_process_that_only_opens_creates_nothing(make, model, dataset, tmp_path):
    with pytest.raises(FileNotFoundError):
        make(create=False)
    assert not (tmp_path / "cache").exists()
    make().fill([1], model, dataset, lambda _: None)
    follower = make("whatever", create=False)
    assert follower.missing == [0, 2]
    follower.fill([0], model, dataset, lambda _: None)  # processes share the files
    assert make().missing == [2]


def test_files_are_flat_and_say_what_they_are(make, shapes):
    cache = make()
    width = sum(np.prod(shape) for shape in shapes)
    assert (cache.folder / "features.u8").stat().st_size == len(KEYS) * width
    assert (cache.folder / "ranges.f32").stat().st_size == 8 * len(KEYS) * sum(shape[0] for shape in shapes)
    assert (cache.folder / "masks.u8").stat().st_size == len(KEYS) * 16 * 16
    header = json.loads((cache.folder / "cache.json").read_text())
    assert header == {
        "fingerprint": "f",
        "bits": 8,
        "rows": len(KEYS),
        "shapes": [list(shape) for shape in shapes],
        "grid_size": 16,
    }
    assert sorted(path.name for path in cache.folder.iterdir()) == [
        "cache.json", "done.u8", "features.u8", "masks.u8", "ranges.f32",
    ]  # fmt: skip


def test_an_unknown_key_is_an_error(make):
    cache = make()
    with pytest.raises(KeyError):
        cache[0, None]
    with pytest.raises(KeyError):
        cache[9, 0]


def test_samples_of_a_batch_come_from_the_cache_with_the_offset_of_the_validation_pairs(make, model, dataset):
    cache = make()
    cache.fill(cache.missing, model, dataset, lambda _: None)
    draws = [Draw(0, None, 0, 1, 3), Draw(4, None, 0, 2, 5)]
    batch = collate([Samples(cache, range(9, 14))[draw] for draw in draws])
    assert batch.draws == draws
    for i, index in enumerate((9, 13)):
        np.testing.assert_array_equal(batch.masks[i], dataset.sample(index, None)["mask"])
        for one, other in zip(batch.features, cache[index, None]["features"], strict=True):
            assert torch.equal(one[i], torch.from_numpy(other))


def test_rows_handed_out_are_copies(make, model, dataset):
    cache = make()
    cache.fill([0], model, dataset, lambda _: None)
    before = content(cache)
    row = cache[0, 0]
    row["mask"].fill(9)
    row["features"][0].fill(9)
    assert content(cache) == before
