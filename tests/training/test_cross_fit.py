"""Guesses at training pictures come from networks that have not seen them."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from tiny import ENCODER, LABELS, picture, tiny_model, train_config, write_pairs

from segqc.base.devices import make_accelerator
from segqc.data.dataset import AugmentConfig, PairDataset
from segqc.training.design import new_model
from segqc.training.guessers import FOLDS, CrossFitted, fold_of
from segqc.training.samples import Samples, TrainingData


def test_folds_are_a_fair_and_fixed_toss() -> None:
    folds = [fold_of(row, seed=3) for row in range(4000)]
    assert set(folds) == set(range(FOLDS))
    assert np.mean(folds) == pytest.approx((FOLDS - 1) / 2, abs=0.05)
    assert folds == [fold_of(row, seed=3) for row in range(4000)]
    assert folds != [fold_of(row, seed=4) for row in range(4000)]


def test_groups_are_dealt_whole_and_evenly() -> None:
    groups = ["a"] * 10 + ["b"] * 4 + ["c"] * 5 + ["d"]
    dealt = {name: {fold_of(row, 0, groups) for row in range(20) if groups[row] == name} for name in "abcd"}
    assert all(len(folds) == 1 for folds in dealt.values())
    assert sorted(Counter(fold_of(row, 0, groups) for row in range(20)).values()) == [10, 10]
    one = ["a"] * 20
    assert [fold_of(row, 0, one) for row in range(20)] == [fold_of(row, 0) for row in range(20)], "nothing to deal"


def test_each_picture_is_guessed_at_by_the_model_of_its_own_fold_alone() -> None:
    models = [tiny_model("segmenter", seed=seed) for seed in range(FOLDS)]
    guessers = CrossFitted(models, seed=0)
    rows = [5, 0, 11, 3, 8]
    assert {fold_of(row, 0) for row in rows} == set(range(FOLDS))
    features = models[0].image_features(torch.from_numpy(np.stack([picture(row) for row in rows])))
    beliefs = guessers.belief(features, [(row, None) for row in rows])
    np.testing.assert_allclose(np.exp(beliefs).sum(1), 1, rtol=1e-4)
    for n, row in enumerate(rows):
        alone = models[fold_of(row, 0)].belief([maps[n : n + 1] for maps in features])[0].numpy()
        other = models[1 - fold_of(row, 0)].belief([maps[n : n + 1] for maps in features])[0].numpy()
        np.testing.assert_allclose(beliefs[n], alone, rtol=1e-4, atol=1e-5)
        assert np.abs(beliefs[n] - other).max() > 1e-2
    with pytest.raises(ValueError, match="at least one picture"):
        guessers.belief(features, [])


def test_a_guesser_trains_on_the_pairs_of_the_other_folds_and_is_not_trained_twice(tmp_path, monkeypatch) -> None:
    config = train_config(
        tmp_path / "run", steps=20, guess_steps=4, validate_every=2, checkpoint_every=2, device="cpu", precision="fp32"
    )
    pairs = write_pairs(tmp_path, 12)
    dataset = PairDataset(pairs, LABELS, config.image_size, config.grid_size, AugmentConfig(), 0)
    seen: list[tuple[int, ...]] = []
    fetch = Samples.__getitem__

    def spy(self: Samples, draw):
        seen.append(tuple(self.rows))
        return fetch(self, draw)

    monkeypatch.setattr(Samples, "__getitem__", spy)

    def build(own):
        assert (own.method, own.steps) == ("segmenter", 4)
        assert own.encoder == ENCODER
        return new_model(own, LABELS)

    monkeypatch.setattr("ncsnpp.encoder.make_model", lambda name, options, *_: _fresh(name, options))
    arguments = (
        dataclasses.replace(config, views=0, workers=0),
        build,
        TrainingData(dataset, range(10), range(10, 12)),
        make_accelerator("cpu"),
        None,
    )
    first = CrossFitted.train(*arguments)
    trained_on = {rows for rows in seen if max(rows) < 10}
    assert trained_on == {tuple(row for row in range(10) if fold_of(row, config.seed) != fold) for fold in range(FOLDS)}
    assert {rows for rows in seen if max(rows) >= 10} == {(10, 11)}
    seen.clear()
    again = CrossFitted.train(*arguments)
    assert not seen  # both were found finished
    for one, other in zip(first.models, again.models, strict=True):
        assert all(
            torch.equal(a, b)
            for a, b in zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
        )
        assert not one.training
        assert not any(parameter.requires_grad for parameter in one.parameters())


def _fresh(name: str, options: dict):
    """timm's test backbone without its weights, which are on a hub."""
    import timm

    return timm.create_model(name, pretrained=False, **options)
