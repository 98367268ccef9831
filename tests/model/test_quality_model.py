"""The model against its definitions: what it reads, what it ignores, how its losses begin, and its agreement against a
loop.
"""

import dataclasses
import hashlib
import math

import numpy as np
import pytest
import torch
from tiny import blobs, picture, tiny_model, tiny_model_config

from segqc import gumbel
from segqc.base.fingerprints import stable_seed
from segqc.data.labels import LabelSpace
from segqc.density import DensityHead
from segqc.gumbel import Levels, NoiseLadder
from segqc.model import quality_model
from segqc.model.methods import PairScore
from segqc.model.quality_model import QualityModel, Reading

METHODS = ("mixing", "paper")
VARIANTS = [(method, encoder) for method in METHODS for encoder in (True, False)]


@pytest.fixture(scope="module")
def models() -> dict[tuple[str, bool], QualityModel]:
    return {(method, encoder): tiny_model(method, encoder) for method, encoder in VARIANTS}


def side(model: QualityModel) -> int:
    return model.config.image_size


def pair(model: QualityModel, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return picture(seed, side(model)), blobs(seed)


def batch(
    model: QualityModel, masks: np.ndarray, seed: int = 0
) -> tuple[list[torch.Tensor], torch.Tensor, Levels, torch.Tensor]:
    """Arguments of `forward` for these masks."""
    features = model.image_features(
        torch.from_numpy(np.stack([picture(seed + i, side(model)) for i in range(len(masks))]))
    )
    levels = model.config.ladder.at([i % len(model.config.ladder) for i in range(len(masks))])
    shape = (len(masks), model.config.num_classes, *masks.shape[1:])
    return (
        features,
        torch.from_numpy(masks),
        levels,
        gumbel.sample_exponential(shape, torch.Generator().manual_seed(seed)),
    )


def assert_same(one: Reading, other: Reading) -> None:
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_array_equal(one.heat, other.heat)
    assert (one.posterior is None) == (other.posterior is None)
    if one.posterior is not None:
        np.testing.assert_array_equal(one.posterior, other.posterior)


# Reading


@pytest.mark.parametrize("variant", VARIANTS)
def test_reading_has_the_documented_shapes_and_ranges(models, variant):
    model = models[variant]
    reading = model.read(*pair(model, 0))
    levels = len(model.config.ladder)
    assert reading.features.shape == (levels, len(model.config.feature_names))
    assert reading.features.dtype == np.float64
    assert np.isfinite(reading.features).all()
    assert (reading.features >= 0).all()
    assert reading.heat.shape == (16, 16)
    assert reading.heat.dtype == np.float32
    assert 0 <= reading.heat.min() < reading.heat.max() <= 1
    if variant[0] == "paper":
        assert reading.posterior is None
    else:
        assert reading.posterior.shape == (4, 16, 16)
        np.testing.assert_allclose(reading.posterior.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_reading_does_not_depend_on_what_was_read_before(models, variant):
    model = models[variant]
    pairs = [pair(model, seed) for seed in range(3)]
    forwards = [model.read(*p) for p in pairs]
    backwards = [model.read(*p) for p in reversed(pairs)][::-1]
    torch.manual_seed(123)
    fresh = QualityModel(model.config).eval()
    fresh.load_state_dict(model.state_dict())
    for one, other, p in zip(forwards, backwards, pairs, strict=True):
        assert_same(one, other)
        assert_same(one, fresh.read(*p))
    assert not np.array_equal(forwards[0].features, forwards[1].features)


@pytest.mark.parametrize("variant", VARIANTS)
def test_reading_sees_picture_and_mask(models, variant):
    model = models[variant]
    image, mask = pair(model, 0)
    reading = model.read(image, mask)
    assert not np.array_equal(reading.features, model.read(255 - image, mask).features)
    changed = mask.copy()
    changed[3, 3] = 1 if mask[3, 3] == 0 else 0
    assert not np.array_equal(reading.features, model.read(image, changed).features)


def test_reading_is_by_the_levels_of_the_ladder_in_order(models):
    model = models["mixing", True]
    reading = model.read(*pair(model, 0))
    for level in range(3):
        one = QualityModel(
            dataclasses.replace(
                model.config,
                ladder=NoiseLadder((model.config.ladder.keep[level],), (model.config.ladder.temperature[level],)),
            )
        ).eval()
        one.load_state_dict(model.state_dict())
        one._noise = model.scoring_noise()[1][level : level + 1]
        np.testing.assert_allclose(one.read(*pair(model, 0)).features[0], reading.features[level], rtol=1e-4)


def test_some_levels_are_read_as_they_are_among_all(models):
    model = models["mixing", True]
    whole, some = model.read(*pair(model, 0)), model.read(*pair(model, 0), levels=(0, 2))
    np.testing.assert_allclose(some.features, whole.features[[0, 2]], rtol=1e-4)
    apart = [model.read(*pair(model, 0), levels=(level,)).posterior for level in (0, 2)]
    np.testing.assert_allclose(some.posterior, np.mean(apart, axis=0), atol=1e-5)
    assert np.abs(some.posterior - whole.posterior).max() > 1e-3


def test_at_level_0_nothing_but_the_picture_counts():
    model = tiny_model("mixing", ladder=NoiseLadder((0.0, 0.19), (1.0, 1.0)))
    (image, mask), other = pair(model, 0), blobs(3, void=False)
    mask = np.where(mask == 255, 0, mask).astype(np.uint8)
    posteriors = {level: [model.read(image, m, levels=(level,)).posterior for m in (mask, other)] for level in (0, 1)}
    np.testing.assert_allclose(*posteriors[0], atol=1e-6)
    assert np.abs(posteriors[1][0] - posteriors[1][1]).max() > 1e-3
    assert np.abs(posteriors[0][0] - model.read(255 - image, mask, levels=(0,)).posterior).max() > 1e-3


def test_a_segmenter_sees_the_picture_and_neither_mask_nor_noise():
    model = tiny_model("segmenter")
    assert model.config.ladder.keep == (0.0,)
    image, mask = pair(model, 0)
    reading = model.read(image, mask)
    np.testing.assert_array_equal(reading.posterior, model.read(image, blobs(5)).posterior)
    assert np.abs(reading.posterior - model.read(255 - image, mask).posterior).max() > 1e-3
    losses = [float(model(*batch(model, mask[None])[:3], torch.full((1, 4, 16, 16), value))) for value in (0.1, 5.0)]
    assert losses[0] == losses[1], "the noise must not matter in training either"
    assert 0 <= model.agreement(reading, mask) <= 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_mask_only_model_is_blind_to_the_picture(variant):
    model = tiny_model(*variant, mask_only=True)
    image, mask = pair(model, 0)
    one, other = model.read(image, mask), model.read(255 - image, mask)
    assert_same(one, other)
    assert not np.array_equal(one.features, model.read(image, blobs(7)).features)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_ladder_read_in_several_forwards_is_read_the_same(models, variant, monkeypatch):
    model = models[variant]
    whole = model.read(*pair(model, 0))
    # two passes at a time; the last of three levels is alone
    monkeypatch.setattr(quality_model, "_CELLS_PER_FORWARD", 2 * 16 * 16)
    parts = model.read(*pair(model, 0))
    np.testing.assert_allclose(parts.features, whole.features, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(parts.heat, whole.heat, atol=1e-4)
    if whole.posterior is not None:
        np.testing.assert_allclose(parts.posterior, whole.posterior, atol=1e-5)


def test_features_are_those_of_the_definitions(models):
    """Norm (eq. 7), denoising error and surprise of each level, from the score that the K^2 sum over the posterior
    gives.
    """
    model = models["mixing", True]
    image, mask = pair(model, 0)
    reading = model.read(image, mask)
    levels, noise = model.scoring_noise()
    onehot, valid = model.one_hot(torch.from_numpy(mask)[None])
    classes, cells = model.config.num_classes, int(valid.sum())
    with torch.no_grad():
        context = model.context(model.image_features(torch.from_numpy(image)[None]))
        posterior_sum = np.zeros((classes, 16, 16))
        for i in range(3):
            level = Levels(levels.logit_keep[i : i + 1], levels.temperature[i : i + 1])
            t = model.config.ladder.keep[i]
            log_a = torch.where(valid, (t * onehot + (1 - t) / classes).double().log(), -math.log(classes))
            x = torch.log_softmax(log_a - noise[i].double().log(), 1)
            p = model.log_prediction(x.float(), level, context, valid).double().exp()
            posterior_sum += p[0].numpy()
            scores = []  # of each candidate class c: -1 + K softmax(log a_c - x)
            for c in range(classes):
                candidate = torch.full((classes,), (1 - t) / classes, dtype=torch.float64)
                candidate[c] += t
                scores.append(-1 + classes * torch.softmax(candidate.log().view(1, -1, 1, 1) - x, 1))
            score = sum(p[:, c : c + 1] * scores[c] for c in range(classes))
            true_score = -1 + classes * torch.softmax(log_a - x, 1)
            maps = [score.square().sum(1), (score - true_score).square().sum(1), -(p.log() * onehot).sum(1)]
            expected = [float((m * valid).sum()) / cells for m in maps]
            np.testing.assert_allclose(reading.features[i], expected, rtol=2e-3)
    np.testing.assert_allclose(reading.posterior, posterior_sum / 3, atol=1e-5)
    observed = np.where(mask == 255, 0, mask)
    heat = np.where(mask == 255, 0, 1 - np.take_along_axis(posterior_sum / 3, observed[None].astype(int), 0)[0])
    np.testing.assert_allclose(reading.heat, heat, atol=1e-5)


def test_norms_of_the_paper_are_of_the_clean_location(models):
    model = models["paper", False]
    image, mask = pair(model, 1)
    onehot, valid = model.one_hot(torch.from_numpy(mask)[None])
    x = torch.log_softmax((onehot + 1e-5).log(), 1)  # a = x + d, normalised; neither noise nor temperature
    norms = []
    with torch.no_grad():
        context = model.context(model.image_features(torch.from_numpy(image)[None]))
        for i, temperature in enumerate(model.config.ladder.temperature):
            q = model.log_prediction(x, model.config.ladder.at([i]), context, valid).exp()
            norm = (temperature * (4 * q - 1)).square().sum(1)
            norms.append(float(norm[valid].mean()))
    np.testing.assert_allclose(model.read(image, mask).features[:, 0], norms, rtol=1e-3)


def test_paper_reads_norms_only(models):
    model = models["paper", True]
    assert model.config.feature_names == ("norm",)
    assert model.read(*pair(model, 0)).features.shape == (20, 1)
    assert torch.equal(model.scoring_noise()[1], torch.ones(20, 4, 16, 16))  # E = 1 is no noise


def test_heat_of_the_paper_is_relative_to_the_norm_of_inliers(models):
    model = models["paper", True]
    image, mask = pair(model, 0)
    reading = model.read(image, mask)
    hot = QualityModel(
        dataclasses.replace(model.config, inlier_norm=tuple((reading.features[:, 0] / 7).tolist()))
    ).eval()
    hot.load_state_dict(model.state_dict())
    heat = hot.read(image, mask).heat
    valid = mask != 255
    ratio = heat[valid] / (1 - heat[valid].astype(np.float64))
    assert ratio.mean() == pytest.approx(7, rel=1e-2)  # the mean cell is seven times as far out as the mean inlier cell
    assert heat.max() <= 1
    assert (heat[~valid] == 0).all()


# Scoring noise


def test_scoring_noise_is_a_function_of_seed_level_draw_and_grid():
    """Cut to a shorter ladder, other levels, other draws or another process: what stays keeps its noise."""
    config = tiny_model_config(draws=2)
    levels, noise = QualityModel(config).scoring_noise()
    assert noise.shape == (3 * 2, 4, 16, 16)
    assert torch.equal(levels.logit_keep, config.ladder.at([0, 0, 1, 1, 2, 2]).logit_keep)
    fewer = QualityModel(dataclasses.replace(config, ladder=NoiseLadder((0.3, 0.4), (1.0, 1.0)))).scoring_noise()[1]
    assert torch.equal(fewer, noise[:4])
    single = QualityModel(dataclasses.replace(config, draws=1)).scoring_noise()[1]
    assert torch.equal(single, noise[::2])
    assert len({tuple(row) for row in noise.flatten(1)[:, :5].tolist()}) == 6
    other_seed = QualityModel(dataclasses.replace(config, noise_seed=1)).scoring_noise()[1]
    assert not (other_seed == noise).any(dim=0).all()
    other_grid = QualityModel(dataclasses.replace(config, grid_size=8)).scoring_noise()[1]
    assert other_grid.shape == (6, 4, 8, 8)
    assert not torch.equal(other_grid, noise[..., :8, :8])


def test_scoring_noise_ignores_the_global_generator():
    config = tiny_model_config()
    torch.manual_seed(1)
    one = QualityModel(config).scoring_noise()[1]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    model = QualityModel(config)
    other_state = torch.get_rng_state()
    other = model.scoring_noise()[1]
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), other_state)
    assert not torch.equal(state, other_state)  # building a model does draw
    assert model.scoring_noise()[1] is other


def test_scoring_noise_is_exponential():
    noise = QualityModel(tiny_model_config(draws=8)).scoring_noise()[1].double()
    count = noise.numel()
    assert float(noise.mean()) == pytest.approx(1, abs=5 / math.sqrt(count))
    assert float((noise > 1).double().mean()) == pytest.approx(math.exp(-1), abs=5 / math.sqrt(count))


def test_seeds_are_the_same_in_every_process_and_version():
    """Pinned: a change of the function would silently change every score of every model on disk."""
    assert stable_seed("levels", 3, None, 0.5, (1, 2)) == 5151833759989481939
    digest = hashlib.blake2b(b"(1, 'a')", digest_size=8).digest()
    assert stable_seed(1, "a") == int.from_bytes(digest, "big") // 2 < 2**63
    assert len({stable_seed(i, j) for i in range(30) for j in range(30)}) == 900
    assert stable_seed(1, 2) != stable_seed(12) != stable_seed("1", 2)


# Void


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_void_cells_hold_has_no_influence(models, variant):
    """Another value that is no class, and other noise there, change no bit of the reading."""
    model = models[variant]
    image, mask = pair(model, 0)
    void = mask == 255
    assert void.any()
    reading = model.read(image, mask)
    assert (reading.heat[void] == 0).all()
    assert_same(reading, model.read(image, np.where(void, 4, mask).astype(np.uint8)))
    levels, noise = model.scoring_noise()
    other = QualityModel(model.config).eval()
    other.load_state_dict(model.state_dict())
    other._noise = torch.where(torch.from_numpy(void), noise.flip(0) * 3, noise)
    assert len(levels) == len(other._noise)
    assert_same(reading, other.read(image, mask))
    if model.config.draws:
        # while noise on the labelled cells does count
        other._noise = torch.where(torch.from_numpy(void), noise, noise.flip(0))
        assert not np.array_equal(reading.features, other.read(image, mask).features)


@pytest.mark.parametrize("variant", VARIANTS)
def test_noise_on_void_cells_does_not_enter_the_loss(models, variant):
    model = models[variant]
    masks = np.stack([blobs(0), blobs(1), np.full((16, 16), 255, np.uint8)])
    features, labels, levels, noise = batch(model, masks)
    void = (labels == 255).unsqueeze(1)
    with torch.no_grad():
        loss = model(features, labels, levels, noise)
        assert torch.equal(loss, model(features, labels, levels, torch.where(void, 5 * noise.flip(1), noise)))
        assert not torch.equal(loss, model(features, labels, levels, torch.where(void, noise, 5 * noise.flip(1))))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_mask_that_is_all_void_reads_as_nothing(models, variant):
    model = models[variant]
    reading = model.read(picture(0, side(model)), np.full((16, 16), 255, np.uint8))
    assert (reading.features == 0).all()
    assert (reading.heat == 0).all()


def test_one_hot_marks_void_by_zeros(models):
    model = models["mixing", True]
    onehot, valid = model.one_hot(torch.tensor([[[0, 3], [4, 255]]], dtype=torch.uint8))
    assert onehot.shape == (1, 4, 2, 2)
    assert onehot[0, :, 0, 0].tolist() == [1, 0, 0, 0]
    assert onehot[0, :, 0, 1].tolist() == [0, 0, 0, 1]
    assert onehot[0, :, 1].sum() == 0
    assert valid.tolist() == [[[True, True], [False, False]]]


# Image features


def test_frozen_features_are_independent_of_the_batch_up_to_rounding(models):
    model = models["mixing", True]
    images = torch.from_numpy(np.stack([picture(i) for i in range(6)]))
    together = model.image_features(images)
    # the classifier reads the last
    assert len(together) == len(model.encoder.channels) == len(model.config.network.context_channels) - 1
    for i in range(6):
        for one, many in zip(model.image_features(images[i : i + 1]), together, strict=True):
            torch.testing.assert_close(one[0], many[i], rtol=1e-4, atol=1e-4)
    assert [m.shape[1:] for m in together] == [
        (c, s, s) for c, s in zip(model.encoder.channels, model.config.network.context_sizes[:-1], strict=True)
    ]


def test_without_an_encoder_the_picture_itself_is_shown(models):
    model = models["mixing", False]
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    (shown,) = model.image_features(images)
    np.testing.assert_allclose(shown[0, :, 0, 0], [-1, -0.6, 1], rtol=1e-6)
    assert not any(name.startswith("encoder") for name in model.state_dict())


# Training loss


def harmonic(n: int) -> float:
    return sum(1 / i for i in range(1, n + 1))


@pytest.mark.parametrize("encoder", [True, False])
@pytest.mark.parametrize("classes", [2, 4, 21])
def test_loss_of_a_fresh_mixing_model_is_log_k(classes, encoder):
    labels = LabelSpace(tuple(f"c{i}" for i in range(classes)))
    model = tiny_model("mixing", encoder, trained=False, labels=labels)
    masks = np.stack([blobs(i, classes=classes) for i in range(4)])
    with torch.no_grad():
        loss = model(*batch(model, masks))
    assert loss.shape == ()
    assert float(loss) == pytest.approx(math.log(classes), abs=1e-5)


@pytest.mark.parametrize("classes", [2, 4, 21])
def test_loss_of_a_fresh_paper_model_is_that_of_a_dirichlet_draw_from_the_uniform(classes):
    """E KL(Dirichlet(1) || uniform) = log K - (H_K - 1): a component is Beta(1, K - 1), for which E[p log p] = -(H_K -
    1)/K.
    """
    expected = math.log(classes) - (harmonic(classes) - 1)
    draws = np.random.default_rng(0).dirichlet(np.ones(classes), size=200_000)
    kl = math.log(classes) + (draws * np.log(draws)).sum(1)
    assert kl.mean() == pytest.approx(expected, abs=5 * kl.std() / math.sqrt(len(kl)))
    labels = LabelSpace(tuple(f"c{i}" for i in range(classes)))
    model = tiny_model("paper", False, trained=False, labels=labels)
    masks = np.stack([blobs(i, classes=classes, void=False) for i in range(20)])
    with torch.no_grad():
        loss = float(model(*batch(model, masks)))
    assert loss == pytest.approx(expected, abs=5 * kl.std() / math.sqrt(masks.size))


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_is_the_mean_over_items_of_their_own_means(models, variant):
    model = models[variant]
    masks = np.stack([blobs(i) for i in range(3)])
    masks[1, :, 1:] = 255  # few valid cells weigh as much as many
    features, labels, levels, noise = batch(model, masks)
    with torch.no_grad():
        together = float(model(features, labels, levels, noise))
        single = [
            float(
                model(
                    [f[i : i + 1] for f in features],
                    labels[i : i + 1],
                    Levels(levels.logit_keep[i : i + 1], levels.temperature[i : i + 1]),
                    noise[i : i + 1],
                )
            )
            for i in range(3)
        ]
    assert together == pytest.approx(np.mean(single), rel=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_parameters_of_the_network_get_gradients_and_the_encoder_none(variant):
    model = tiny_model(*variant)
    model.train()
    model(*batch(model, np.stack([blobs(i) for i in range(4)]))).backward()
    for name, parameter in model.network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert float(parameter.grad.abs().sum()) > 0, name
    if model.encoder is not None:
        assert all(p.grad is None and not p.requires_grad for p in model.encoder.parameters())
        assert not any(m.training for m in model.encoder.modules())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_few_steps_lower_the_loss(variant):
    model = tiny_model(*variant, trained=False)
    arguments = batch(model, np.stack([blobs(i) for i in range(4)]))
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=1e-2)
    losses = []
    for _ in range(10):
        loss = model(*arguments)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


# Agreement and score


def test_paper_has_no_agreement(models):
    model = models["paper", True]
    with pytest.raises(ValueError, match="no class posterior"):
        model.agreement(model.read(*pair(model, 0)), blobs(0))


def test_score_of_mixing_is_disagreement_and_the_density_stands_beside_it(models):
    model = models["mixing", True]
    image, mask = pair(model, 0)
    reading = model.read(image, mask)
    numbers = model.score_reading(reading, mask)
    agreed = model.agreement(reading, mask)
    assert numbers == PairScore(1 - agreed, agreed, None)
    head = DensityHead.fit(np.random.default_rng(0).normal(size=(20, 9)), np.empty((0, 9)), components=(1,))
    model.density = head
    try:
        again = model.score_reading(reading, mask)
    finally:
        model.density = None
    assert again.score == numbers.score
    assert again.density == head.score(reading.features.reshape(1, -1))[0]


def test_score_of_the_paper_is_its_density(models):
    model = models["paper", False]
    image, mask = pair(model, 0)
    reading = model.read(image, mask)
    with pytest.raises(ValueError, match="no density head"):
        model.score_reading(reading, mask)
    model.density = DensityHead.fit(np.random.default_rng(0).normal(size=(60, 20)), np.empty((0, 20)), components=(1,))
    try:
        numbers = model.score_reading(reading, mask)
    finally:
        model.density = None
    assert numbers.agreement is None
    assert numbers.score == numbers.density
    assert math.isfinite(numbers.score)


@pytest.mark.parametrize("method", ["structured", "mixing", "segmenter"])
def test_without_features_all_else_is_the_same(method: str) -> None:
    model = tiny_model(method).eval()
    whole, bare = (model.read(picture(0), blobs(0), with_features=wanted) for wanted in (True, False))
    np.testing.assert_array_equal(bare.posterior, whole.posterior)
    np.testing.assert_array_equal(bare.heat, whole.heat)
    assert (bare.levels, bare.features.shape) == (whole.levels, (len(whole.levels), 0))
    assert model.score_reading(bare, blobs(0)).score == model.score_reading(whole, blobs(0)).score


def test_the_paper_method_is_scored_by_its_features_and_keeps_them() -> None:
    model = tiny_model("paper").eval()
    assert model.read(picture(0), blobs(0), with_features=False).features.shape == (20, 1)
