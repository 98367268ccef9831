"""The schedule as a pure function, and what is done to the files before the first step."""

import dataclasses
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_train_config
from PIL import Image
from tiny import LABELS, blobs, train_config, write_pairs

from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.data.dataset import AugmentConfig, PairDataset
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import write_mask
from segqc.data.pairs import dataset_fingerprint
from segqc.data.voc import voc_pairs
from segqc.demo.scenes import DEMO_LABELS
from segqc.gumbel import NoiseLadder
from segqc.training.config import TrainConfig
from segqc.training.design import new_model
from segqc.training.pairs import check_pairs, training_labels, training_source
from segqc.training.samples import Batch, Samples, collate, make_loader
from segqc.training.schedule import Draw, Schedule, cache_keys, validation_draws
from segqc.training.statistics import class_looks, class_pictures, repeat_factors

SCHEDULE = Schedule(items=23, levels=8, batch_size=6, views=3, seed=0)


def draws_of(schedule: Schedule, steps: int) -> list[Draw]:
    return [draw for step in range(steps) for draw in schedule.batch(step)]


# Schedule


def test_a_batch_is_a_function_of_its_step():
    forwards = [SCHEDULE.batch(step) for step in range(12)]
    np.random.seed(5)  # noqa: NPY002 (the global generator must not matter)
    torch.manual_seed(5)
    same = dataclasses.replace(SCHEDULE)
    order = np.random.default_rng(0).permutation(12)
    assert {step: same.batch(int(step)) for step in order} == dict(enumerate(forwards))
    assert all(len(batch) == 6 for batch in forwards)
    assert dataclasses.replace(SCHEDULE, seed=1).batch(0) != forwards[0]


@pytest.mark.parametrize(("items", "batch_size"), [(23, 6), (1, 4), (5, 16), (7, 7), (12, 1)])
def test_each_epoch_is_a_permutation(items, batch_size):
    schedule = dataclasses.replace(SCHEDULE, items=items, batch_size=batch_size)
    epochs = 4
    indices = [draw.index for draw in draws_of(schedule, -(-items * epochs // batch_size))][: items * epochs]
    parts = [indices[i : i + items] for i in range(0, len(indices), items)]
    assert all(sorted(part) == list(range(items)) for part in parts)
    if items > 10:
        assert len({tuple(part) for part in parts}) == epochs


def test_pairs_are_drawn_as_often_as_their_repeats_say():
    weights = (1.0,) * 18 + (2.0, 2.0, 3.0, 1.0, 1.0)
    schedule, epochs = dataclasses.replace(SCHEDULE, repeats=weights), 60
    counts = Counter(draw.index for draw in draws_of(schedule, 23 * epochs // 6))
    expected = np.array(weights) * 23 / sum(weights) * epochs
    assert np.abs(np.array([counts[i] for i in range(23)]) - expected).max() < epochs / 3
    alike = dataclasses.replace(SCHEDULE, repeats=(1.5,) * 23)
    assert Counter(draw.index for draw in draws_of(alike, 23)) == Counter(list(range(23)) * 6)


def test_repeats_are_those_of_the_rarest_class_in_a_picture():
    class Masks:
        """Twenty pictures: class 1 in all, class 2 in five, class 3 in the last alone, with void beside it."""

        def mask(self, index, view=None):
            return np.array([[0, 1], [2 if index < 5 else 0, 3 if index == 19 else 255]], np.uint8)

        def first_view(self, index):
            return None

    labels = LabelSpace(("none", "a", "b", "c"))
    factors = repeat_factors(Masks(), range(20), labels, share=0.5)
    np.testing.assert_allclose(factors, [2**0.5] * 5 + [1] * 14 + [10**0.5])
    np.testing.assert_array_equal(repeat_factors(Masks(), range(20), labels, share=0.05), 1)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_slices_of_the_ranks_are_the_whole_batch(world):
    for step in range(5):
        whole = SCHEDULE.batch(step)
        slices = [SCHEDULE.batch(step)[rank::world] for rank in range(world)]
        assert {len(part) for part in slices} == {6 // world}
        assert Counter(draw for part in slices for draw in part) == Counter(whole)


@pytest.mark.parametrize(("levels", "batch_size"), [(8, 16), (8, 6), (20, 16), (3, 32), (1, 4)])
def test_levels_are_spread_evenly_in_each_batch_and_over_time(levels, batch_size):
    schedule = dataclasses.replace(SCHEDULE, levels=levels, batch_size=batch_size)
    total = Counter()
    for step in range(200):
        counts = Counter(draw.level for draw in schedule.batch(step))
        assert set(counts) <= set(range(levels))
        assert max(counts.values()) - min(counts[level] for level in range(levels)) <= 1
        total += counts
    expected = 200 * batch_size / levels
    assert all(abs(total[level] - expected) < 6 * np.sqrt(expected) for level in range(levels))


def test_the_level_of_a_pair_changes_from_epoch_to_epoch():
    seen: dict[int, set[int]] = {}
    for draw in draws_of(SCHEDULE, 200):
        seen.setdefault(draw.index, set()).add(draw.level)
    assert all(levels == set(range(8)) for levels in seen.values())


def test_views_are_among_the_fixed_ones_or_always_new():
    assert {draw.view for draw in draws_of(SCHEDULE, 30)} == {0, 1, 2}
    fresh = [draw.view for draw in draws_of(dataclasses.replace(SCHEDULE, views=0), 30)]
    assert len(set(fresh)) == len(fresh) == 180


def test_every_sample_has_noise_of_its_own():
    seeds = [draw.noise_seed for draw in draws_of(SCHEDULE, 50)]
    assert len(set(seeds)) == len(seeds) == 300
    assert not set(seeds) & {draw.noise_seed for draw in validation_draws(300, 8, 0)}


def test_validation_draws_are_fixed():
    draws = validation_draws(10, 4, seed=0)
    assert draws == validation_draws(10, 4, seed=0)
    assert draws[:7] == validation_draws(7, 4, seed=0)
    assert [draw.index for draw in draws] == list(range(10))
    assert [draw.level for draw in draws] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert {draw.view for draw in draws} == {None}
    assert len({draw.noise_seed for draw in draws}) == 10
    assert [draw.noise_seed for draw in draws] != [draw.noise_seed for draw in validation_draws(10, 4, seed=1)]
    assert validation_draws(0, 4, 0) == []


def test_cache_keys_list_all_views_of_training_pairs_then_the_validation_pairs_as_they_are():
    assert cache_keys(2, 3, 2) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, None), (3, None)]
    assert cache_keys(0, 3, 1) == [(0, None)]
    scheduled = {(draw.index, draw.view) for draw in draws_of(SCHEDULE, 100)}
    assert scheduled == set(cache_keys(23, 3, 0))


# Noise and batches


LADDER = NoiseLadder((0.2, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9), (1.0,) * 8)


def batch_of(draws: list[Draw], size: int = 4) -> Batch:
    return Batch(None, [], torch.zeros(len(draws), size, size, dtype=torch.uint8), draws, list(range(len(draws))))


def test_noise_depends_on_its_draw_alone():
    draws = SCHEDULE.batch(0)
    noise = batch_of(draws).noise(5, LADDER, torch.device("cpu"))
    assert noise.shape == (6, 5, 4, 4)
    assert noise.dtype == torch.float32
    assert (noise > 0).all()
    assert torch.equal(batch_of(draws[::-1]).noise(5, LADDER, torch.device("cpu")), noise.flip(0))
    assert torch.equal(batch_of(draws[2:3]).noise(5, LADDER, torch.device("cpu"))[0], noise[2])
    for rank in range(3):
        assert torch.equal(batch_of(draws[rank::3]).noise(5, LADDER, torch.device("cpu")), noise[rank::3])
    state = torch.get_rng_state()
    torch.manual_seed(9)
    assert torch.equal(batch_of(draws).noise(5, LADDER, torch.device("cpu")), noise)
    torch.set_rng_state(state)
    other = dataclasses.replace(draws[0], noise_seed=draws[0].noise_seed + 1)
    assert not torch.equal(batch_of([other]).noise(5, LADDER, torch.device("cpu"))[0], noise[0])
    elsewhere = dataclasses.replace(draws[0], index=99, level=0, view=7)
    assert torch.equal(batch_of([elsewhere]).noise(5, LADDER, torch.device("cpu"))[0], noise[0])


def test_no_noise_is_drawn_where_the_network_sees_nothing_of_the_mask():
    draws = SCHEDULE.batch(0)
    draws[0] = dataclasses.replace(draws[0], level=0)
    noisy = batch_of(draws).noise(5, LADDER, torch.device("cpu"))
    blind = batch_of(draws).noise(5, NoiseLadder((0.0, *LADDER.keep[1:]), LADDER.temperature), torch.device("cpu"))
    for draw, with_noise, found in zip(draws, noisy, blind, strict=True):
        assert torch.equal(found, torch.ones_like(found) if draw.level == 0 else with_noise)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_samples_of_the_draws_in_their_order(tmp_path, workers):
    dataset = PairDataset(write_pairs(tmp_path, 5), LABELS, 32, 16, AugmentConfig(), seed=3)
    draws = [[Draw(0, 0, 1, 11, 1), Draw(2, 5, 0, 12, 0)], [Draw(1, None, 2, 13, 2)]]
    batches = list(make_loader(Samples(dataset, [2, 3, 4, 5]), iter(draws), workers))
    assert [batch.draws for batch in batches] == draws
    for batch, own in zip(batches, draws, strict=True):
        assert batch.features == []
        assert batch.images.dtype == batch.masks.dtype == torch.uint8
        for i, draw in enumerate(own):
            expected = dataset.sample(draw.index + 2, draw.view)
            np.testing.assert_array_equal(batch.images[i], expected["image"])
            np.testing.assert_array_equal(batch.masks[i], expected["mask"])


def test_features_are_collated_map_by_map():
    def sample(i: int) -> dict:
        return {
            "features": [torch.full((2, 3, 3), float(i)), torch.full((4, 1, 1), -float(i))],
            "mask": torch.full((2, 2), i),
            "draw": i,
            "row": 7 * i,
        }

    batch = collate([sample(1), sample(2)])
    assert batch.images is None
    assert [tuple(m.shape) for m in batch.features] == [(2, 2, 3, 3), (2, 4, 1, 1)]
    assert batch.features[1].flatten(1)[:, 0].tolist() == [-1, -2]
    assert batch.masks[:, 0, 0].tolist() == [1, 2]
    assert batch.draws == [1, 2]
    assert batch.rows == [7, 14]


# Files


def checked(pairs, path, labels=LABELS):
    advanced = []
    with Journal(path, {"data": 1}) as journal:
        usable, problems = check_pairs(pairs, labels, journal, advanced.append)
    return usable, problems, sum(advanced)


def test_pairs_that_cannot_be_read_are_problems_with_reasons(tmp_path):
    pairs = write_pairs(tmp_path, 6)
    content = pairs[1].image.read_bytes()
    pairs[1].image.write_bytes(content[: len(content) // 2])
    pairs[2].mask.unlink()
    write_mask(pairs[3].mask, blobs(0, 10, 10), LABELS)
    Image.fromarray(np.full((30, 40), 77, np.uint8)).save(pairs[4].mask)
    usable, problems, advanced = checked(pairs, tmp_path / "j.jsonl")
    assert usable == [pairs[0], pairs[5]]
    assert [problem.id for problem in problems] == ["p1", "p2", "p3", "p4"]
    for problem, word in zip(problems, ("truncated", "does not exist", "10x10", "77"), strict=True):
        assert word in problem.reason
    assert problems[0].path == pairs[1].image
    assert advanced == 6


def test_checked_pairs_are_not_read_again(tmp_path):
    pairs = write_pairs(tmp_path, 4)
    pairs[1].image.write_bytes(b"")
    first = checked(pairs[:3], tmp_path / "j.jsonl")
    assert first[2] == 3
    for pair in pairs[:3]:
        pair.image.unlink()  # were they read again, all would be problems now
    usable, problems, advanced = checked(pairs, tmp_path / "j.jsonl")
    assert usable == [pairs[0], pairs[2], pairs[3]]
    assert problems == first[1]
    assert advanced == 1


def test_a_check_killed_half_way_continues(tmp_path):
    pairs = write_pairs(tmp_path, 6)

    def killed(_: int) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    calls: list[int] = []
    with Journal(tmp_path / "j.jsonl", {"data": 1}) as journal, pytest.raises(KeyboardInterrupt):
        check_pairs(pairs, LABELS, journal, killed)
    usable, problems, advanced = checked(pairs, tmp_path / "j.jsonl")
    assert (usable, problems, advanced) == (pairs, [], 3)


def test_no_pairs_no_problems(tmp_path):
    assert checked([], tmp_path / "j.jsonl") == ([], [], 0)


def test_fingerprint_of_a_dataset_changes_with_any_of_its_files(tmp_path):
    pairs = write_pairs(tmp_path, 3)
    seen = {dataset_fingerprint(pairs)}
    assert dataset_fingerprint(list(pairs)) in seen
    status = pairs[1].image.stat()
    os.utime(pairs[1].image, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    seen.add(dataset_fingerprint(pairs))
    with pairs[2].mask.open("ab") as file:
        file.write(b"x")
    os.utime(pairs[2].mask, ns=(status.st_atime_ns, status.st_mtime_ns))
    seen.add(dataset_fingerprint(pairs))
    pairs[0].mask.unlink()
    seen.add(dataset_fingerprint(pairs))
    seen.add(dataset_fingerprint(pairs[:2]))
    seen.add(dataset_fingerprint([dataclasses.replace(pairs[0], id="other"), *pairs[1:]]))
    assert len(seen) == 6


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"images": "i"},
        {"masks": "m"},
        {"voc_root": "v", "images": "i", "masks": "m"},
        {"voc_root": "v", "images": "i"},
        {"voc_root": "v", "masks": "m"},
    ],
    ids=str,
)
def test_neither_or_both_sources_are_refused(tmp_path, given):
    config = train_config(tmp_path, **{name: tmp_path / folder for name, folder in given.items()})
    with pytest.raises(BadInput, match=r"expected one of --voc-root, --data, or --images together with --masks"):
        training_source(config)


def test_pairs_of_two_folders(tmp_path):
    pairs = write_pairs(tmp_path, 3)
    pairs[2].mask.unlink()
    source = training_source(train_config(tmp_path, images=tmp_path / "images", masks=tmp_path / "masks"))
    found, problems = source.pairs, source.problems
    assert [(pair.id, pair.image, pair.mask) for pair in found] == [
        (pair.id, pair.image, pair.mask) for pair in pairs[:2]
    ]
    assert [problem.id for problem in problems] == ["p2"]


def test_labels_are_those_of_voc_unless_classes_are_given(tmp_path):
    assert training_labels(train_config(tmp_path)) == VOC_LABELS
    assert training_labels(train_config(tmp_path, classes="background,cat,dog,cow")) == LABELS


def test_download_finds_what_is_there_and_says_clearly_when_offline(
    tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--download` through the same function as training: nothing is fetched when VOC is there, and offline is an error
    with a fix.
    """
    monkeypatch.setattr(
        "segqc.data.download.VOCSegmentation", lambda *_, **__: (_ for _ in ()).throw(OSError("no network"))
    )
    there = TrainConfig(voc_root=tiny_voc, image_set="train", download=True, out=tmp_path)
    assert len(training_source(there).pairs) == 28
    with pytest.raises(BadInput, match="could not be downloaded"):
        training_source(TrainConfig(voc_root=tmp_path / "empty", download=True, out=tmp_path))


def test_the_mask_of_another_pair_comes_with_a_sample_where_it_is_wanted(tiny_voc):
    pairs = voc_pairs(tiny_voc, "train")[0][:4]
    dataset = PairDataset(pairs, DEMO_LABELS, 32, 16, AugmentConfig())
    draw = Draw(1, 3, 0, 11, 2)
    assert "other" not in Samples(dataset, range(4))[draw]
    np.testing.assert_array_equal(
        Samples(dataset, range(4), others=True)[draw]["other"].numpy(), dataset.sample(2, None)["mask"]
    )
    np.testing.assert_array_equal(
        Samples(dataset, [1, 2, 3], others=True)[draw]["other"].numpy(), dataset.sample(3, None)["mask"]
    )
    batch = collate([Samples(dataset, range(4), others=True)[draw], Samples(dataset, range(4), others=True)[draw]])
    assert batch.others.shape == batch.masks.shape == (2, 16, 16)
    assert collate([Samples(dataset, range(4))[draw]]).others is None


def test_pictures_of_a_class_are_counted(tiny_voc):
    pairs = voc_pairs(tiny_voc, "train")[0]
    dataset = PairDataset(pairs, DEMO_LABELS, 32, 16)
    counts, empty = class_pictures(dataset, range(len(pairs)), DEMO_LABELS)
    masks = [dataset.sample(i, None)["mask"] for i in range(len(pairs))]
    assert counts == [sum(bool((mask == c).any()) for mask in masks) for c in range(DEMO_LABELS.num_classes)]
    assert empty == sum(not np.isin(mask, DEMO_LABELS.foreground).any() for mask in masks)


def test_looks_of_a_class_are_the_mean_features_under_it(tiny_voc):
    pairs = voc_pairs(tiny_voc, "train")[0][:6]
    dataset = PairDataset(pairs, DEMO_LABELS, 64, 16)
    model = new_model(tiny_train_config(tiny_voc, tiny_voc / "unused"), DEMO_LABELS)
    looks = class_looks(model, dataset, range(len(pairs)))
    total, weight = np.zeros_like(looks), np.zeros(len(looks))
    for i in range(len(pairs)):
        sample = dataset.sample(i, None)
        with torch.no_grad():
            coarse = model.image_features(torch.from_numpy(sample["image"])[None])[-1][0].numpy()
        for (y, x), label in np.ndenumerate(sample["mask"]):
            if label != 255:
                total[label] += coarse[:, y * coarse.shape[1] // 16, x * coarse.shape[2] // 16]
                weight[label] += 1
    seen = weight > 0
    np.testing.assert_allclose(looks[seen], total[seen] / weight[seen, None], rtol=1e-4, atol=1e-5)
    assert not looks[~seen].any()
