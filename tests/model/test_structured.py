"""Method `structured`: what is seen is the wrong mask, what is learnt is the true one, and what is read by default."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny import blobs, picture, tiny_model

from segqc import gumbel
from segqc.model.quality_model import QualityModel


@pytest.fixture(scope="module")
def model() -> QualityModel:
    return tiny_model("structured")


def features_of(model: QualityModel, count: int) -> list[torch.Tensor]:
    return model.image_features(torch.from_numpy(np.stack([picture(i) for i in range(count)])))


def test_the_target_is_the_truth_and_the_input_what_is_observed(model: QualityModel) -> None:
    truth, wrong = (torch.from_numpy(np.stack([blobs(seed), blobs(seed + 1)])) for seed in (0, 5))
    features, levels = features_of(model, 2), model.config.ladder.at([1, 2])
    exponential = gumbel.sample_exponential((2, 4, 16, 16), torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = model(features, truth, levels, exponential, wrong)
        seen, visible = model.one_hot(wrong)
        x_tilde = gumbel.sample_expconcrete(gumbel.log_location(seen, levels), levels, exponential)
        log_p = model.log_prediction(x_tilde, levels, model.context(features), visible)
        onehot, valid = model.one_hot(truth)
        expected = torch.stack([-(log_p[n] * onehot[n]).sum(0)[valid[n]].mean() for n in range(2)]).mean()
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        assert float(model(features, truth, levels, exponential, truth)) == float(
            model(features, truth, levels, exponential)
        )
        assert float(loss) != float(model(features, truth, levels, exponential))


def test_the_belief_is_the_level_without_sight_of_the_mask(model: QualityModel) -> None:
    features = features_of(model, 1)
    belief = model.belief(features)[0].exp().numpy()
    np.testing.assert_allclose(belief.sum(0), 1, rtol=1e-5)
    for seed in range(2):  # whatever the mask is
        reading = model.read_mask(model.context(features), blobs(seed), levels=(0,))
        np.testing.assert_allclose(reading.posterior, belief, rtol=1e-4, atol=1e-6)


def test_a_score_reads_the_first_level_that_sees_the_mask(model: QualityModel) -> None:
    assert model.config.ladder.keep[0] == 0 < model.config.ladder.keep[1]
    reading = model.read(picture(0), blobs(0))
    assert reading.levels == model.config.score_levels == (1,)
    assert reading.features.shape == (1, 3)
    chosen = model.read(picture(0), blobs(0), levels=(1,))
    np.testing.assert_array_equal(reading.posterior, chosen.posterior)


def test_the_share_of_empty_masks_is_that_of_training_with_a_pseudo_count(model: QualityModel) -> None:
    counted = dataclasses.replace(model.config, training={"empty_pictures": 3, "train_pairs": 18})
    assert counted.empty_share == pytest.approx(4 / 20)
    assert model.config.empty_share == 0.5
    assert dataclasses.replace(model.config, training={"class_pictures": [18, 60, 2, 0]}).hardly_seen() == {2: 2, 3: 0}
    assert model.config.hardly_seen() == {}


def test_maps_larger_than_the_grid_needs_are_brought_down() -> None:
    model = tiny_model("structured", image_size=96)
    sides = [maps.shape[-1] for maps in model.image_features(torch.from_numpy(picture(0, 96))[None])]
    assert sides == [
        min(-(-96 // r), s)
        for r, s in zip(model.encoder.reductions, model.config.network.context_sizes[:-1], strict=True)
    ]
    model.read(picture(0, 96), blobs(0))
