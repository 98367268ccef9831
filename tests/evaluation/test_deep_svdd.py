"""Deep SVDD: objective, centre, radius, a fit that lives, and the check that tells when one has collapsed."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import LABELS, blobs, write_pairs
from torch import nn

from evaluation.baselines.base import Example
from evaluation.baselines.svdd import deep_svdd
from evaluation.baselines.svdd import networks as svdd_networks
from evaluation.baselines.svdd import training as svdd_training
from evaluation.baselines.svdd.deep_svdd import DeepSVDD, collapse_report, collapse_statistics, is_alive
from evaluation.baselines.svdd.training import (
    PRESETS,
    SVDDConfig,
    SVDDTraining,
    batch_indices,
    centre_of,
    objective_value,
    radius_of,
    squared_distances,
)
from segqc.base.errors import BadInput
from segqc.data.labels import VOC_LABELS, LabelSpace
from segqc.data.masks import write_mask
from segqc.training.feature_cache import FeatureCache

# Fits of a few steps are no models; the tests that need a living one ask `is_alive`.
pytestmark = pytest.mark.filterwarnings("ignore:.*has collapsed or learned nothing")

CONFIG = SVDDConfig(size=32, steps=60, batch_size=8, learning_rate=5e-3, embedding=8, checkpoint_every=2, device="cpu")


@pytest.fixture(autouse=True)
def small_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """v2_b0 is timm's backbone for tests: 0.1 M parameters."""
    monkeypatch.setitem(svdd_networks.V2_BACKBONES, "v2_b0", "test_efficientnet")
    # Whatever the machine: bit-wise comparisons between runs, and float32.
    monkeypatch.setattr(svdd_training, "bfloat16_is_native", lambda device: False)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """32 pairs: the first 24 to train on."""
    return [
        Example(pair.id, pair.image, pair.mask, LABELS) for pair in write_pairs(tmp_path_factory.mktemp("pairs"), 32)
    ]


def fitted(training: list[Example], folder: Path, **changes: object) -> DeepSVDD:
    model = DeepSVDD(dataclasses.replace(CONFIG, **changes))
    model.fit(training, folder)
    return model


# ---- the parts of the objective


@pytest.mark.parametrize("objective", ["one-class", "soft-boundary"])
def test_objective_is_that_of_the_paper_term_by_term(objective: str) -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings, centre = torch.randn(7, 3, generator=generator), torch.randn(3, generator=generator)
    weights = [torch.randn(2, 3, generator=generator), torch.randn(4, 1, 2, 2, generator=generator)]
    config, radius = SVDDConfig(objective=objective, nu=0.3, weight_decay=0.05), 2.2

    total, outside = 0.0, 0
    for embedding in embeddings.tolist():
        distance = sum((a - b) ** 2 for a, b in zip(embedding, centre.tolist(), strict=True))
        outside += distance > radius**2
        total += distance if objective == "one-class" else max(0.0, distance - radius**2) / 0.3
    expected = total / 7 + (radius**2 if objective == "soft-boundary" else 0.0)
    expected += 0.05 / 2 * sum(value**2 for weight in weights for value in weight.flatten().tolist())

    assert 0 < outside < 7  # pairs on both sides of the boundary
    value = objective_value(squared_distances(embeddings, centre), radius, weights, config)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_centre_keeps_its_distance_from_zero() -> None:
    embeddings = torch.tensor([[0.3, -0.02, 0.04, 0.0, -0.1, -0.5], [0.5, -0.04, 0.02, 0.0, -0.1, -0.1]])
    assert centre_of(embeddings).tolist() == pytest.approx([0.4, -0.1, 0.1, 0.1, -0.1, -0.3])


@pytest.mark.parametrize("nu", [0.05, 0.1, 0.25, 0.5, 0.9])
def test_radius_leaves_a_share_nu_outside(nu: float) -> None:
    distances = torch.rand(201, generator=torch.Generator().manual_seed(1)) * 5
    radius = radius_of(distances, nu)
    assert (distances.double().sqrt() > radius).sum().item() == round(nu * 200)
    place = (1 - nu) * 200  # by hand: linear between the two neighbours in order
    ordered = sorted(math.sqrt(d) for d in distances.tolist())
    low = math.floor(place + 1e-9)
    expected = ordered[low] + max(place - low, 0) * (ordered[min(low + 1, 200)] - ordered[low])
    assert radius == pytest.approx(expected, abs=1e-6)


def test_batches_are_permutations_and_depend_on_the_step_alone() -> None:
    epoch = [batch_indices(11, 3, 5, step) for step in range(3)]
    assert len(set(np.concatenate(epoch).tolist())) == 9
    assert all(np.array_equal(batch_indices(11, 3, 5, step), epoch[step]) for step in (2, 0, 1))
    assert not np.array_equal(batch_indices(11, 3, 5, 3), epoch[0])
    assert not np.array_equal(batch_indices(11, 3, 6, 0), epoch[0])


# ---- a fit that lives, and one that does not


@pytest.fixture(scope="module")
def healthy(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> tuple[DeepSVDD, Path]:
    folder = tmp_path_factory.mktemp("healthy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(svdd_networks.V2_BACKBONES, "v2_b0", "test_efficientnet")
        patch.setattr(svdd_training, "bfloat16_is_native", lambda device: False)
        return fitted(examples[:24], folder), folder


def test_a_healthy_fit_is_alive_on_pairs_it_has_not_seen(
    healthy: tuple[DeepSVDD, Path], examples: list[Example]
) -> None:
    model, _ = healthy
    assert is_alive(model.report_)
    report = collapse_report(model, examples[24:])
    assert is_alive(report), report
    assert report["examples"] == report["distinct_scores"] == 8
    assert report["centre_norm"] >= 0.1 * math.sqrt(8) - 1e-6
    scores = model.score(examples[24:])
    assert scores.dtype == np.float64
    assert np.all(scores > 0)


class OnlyBias(nn.Module):
    """The minimum that a bias opens: every pair is mapped to one learned point."""

    def __init__(self, classes: int, embedding: int) -> None:
        super().__init__()
        self.network = svdd_networks.V2Network("test_efficientnet", classes, embedding)
        self.bias = nn.Parameter(torch.full((embedding,), 0.2))

    def forward(self, inputs: svdd_networks.Inputs) -> torch.Tensor:
        return self.bias + 0 * self.network(inputs)


def test_a_network_that_answers_with_its_bias_is_caught(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pairs, steps and learning rate as the healthy fit; the loss is nearly 0, which alone would look like a
    success.
    """
    monkeypatch.setattr(
        deep_svdd,
        "make_networks",
        lambda name, classes, embedding: (svdd_networks.Pixels(), OnlyBias(classes, embedding)),
    )
    with pytest.warns(UserWarning, match="has collapsed"):
        model = fitted(examples[:24], tmp_path)
    assert not is_alive(model.report_)
    report = collapse_report(model, examples[24:])
    assert report["loss_last"] < 1e-3
    assert not is_alive(report), report


def test_order_by_rounding_errors_counts_as_one_score() -> None:
    rng = np.random.default_rng(0)
    centre = np.full(8, 0.2)
    report = collapse_statistics(centre + 1e-7 * rng.standard_normal((50, 8)), centre)
    assert report["distinct_scores"] == 1
    assert report["embedding_variance"] < 1e-10
    spread = collapse_statistics(centre + 0.1 * rng.standard_normal((50, 8)), centre)
    assert spread["distinct_scores"] == 50
    assert is_alive(spread | {"loss_first": 1.0, "loss_last": 0.5})
    assert not is_alive(spread | {"loss_first": 1.0, "loss_last": 1.1})
    assert not is_alive(report | {"loss_first": 1.0, "loss_last": 0.5})


def test_a_constant_beside_the_centre_is_a_collapse_too() -> None:
    """Every embedding on a sphere around the centre: embeddings vary, scores do not."""
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((50, 8))
    report = collapse_statistics(
        np.full(8, 0.2) + 0.1 * directions / np.linalg.norm(directions, axis=1, keepdims=True), np.full(8, 0.2)
    )
    assert report["embedding_variance"] > 1e-2
    assert not is_alive(report | {"loss_first": 1.0, "loss_last": 0.5})


def test_statistics_by_hand() -> None:
    report = collapse_statistics(np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([2.0, 0.0]))
    assert report == {
        "examples": 2,
        "distinct_scores": 1,
        "embedding_variance": 0.25,
        "score_spread": 0.0,
        "centre_norm": 2.0,
    }


# ---- scores


def test_scores_depend_neither_on_companions_nor_on_order(
    healthy: tuple[DeepSVDD, Path], examples: list[Example]
) -> None:
    model, _ = healthy
    together = model.score(examples)
    assert np.array_equal(model.score(examples[::-1]), together[::-1])
    assert [model.score([example])[0] for example in examples[:3]] == together[:3].tolist()


def test_score_is_the_squared_distance(healthy: tuple[DeepSVDD, Path], examples: list[Example]) -> None:
    model, _ = healthy
    expected = sum(
        (a - b) ** 2 for a, b in zip(model.embed(examples[30]).tolist(), model.centre_.tolist(), strict=True)
    )
    assert model.score([examples[30]])[0] == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_read_is_nan_with_a_warning(
    healthy: tuple[DeepSVDD, Path], examples: list[Example], tmp_path: Path
) -> None:
    model, _ = healthy
    (tmp_path / "cut.png").write_bytes(examples[0].image.read_bytes()[:60])
    write_mask(tmp_path / "small.png", blobs(0, 9, 9), LABELS)
    broken = [
        dataclasses.replace(examples[0], id="cut", image=tmp_path / "cut.png"),
        dataclasses.replace(examples[0], id="absent", mask_file=tmp_path / "absent.png"),
        dataclasses.replace(examples[0], id="size", mask_file=tmp_path / "small.png"),
    ]
    with pytest.warns(UserWarning, match="is left out") as caught:
        scores = model.score([*broken, examples[1]])
    assert np.isnan(scores[:3]).all()
    assert scores[3] == model.score([examples[1]])[0]
    assert [str(warning.message).split()[0] for warning in caught] == ["cut", "absent", "size"]


def test_void_throughout_and_one_class_have_scores(
    healthy: tuple[DeepSVDD, Path], examples: list[Example], tmp_path: Path
) -> None:
    model, _ = healthy
    masks = {
        "void": np.full((30, 40), 255, np.uint8),
        "empty": np.zeros((30, 40), np.uint8),
        "pixel": np.zeros((30, 40), np.uint8),
    }
    masks["pixel"][29, 39] = 2
    for name, mask in masks.items():
        write_mask(tmp_path / f"{name}.png", mask, LABELS)
    scores = model.score([dataclasses.replace(examples[0], mask_file=tmp_path / f"{name}.png") for name in masks])
    assert np.isfinite(scores).all()
    assert len(set(scores.tolist())) == 3


def test_another_label_space_is_refused(healthy: tuple[DeepSVDD, Path], examples: list[Example]) -> None:
    other = LabelSpace(("background", "cat", "dog", "horse"))
    with pytest.raises(ValueError, match="label space"):
        healthy[0].score([dataclasses.replace(examples[0], labels=other)])


# ---- soft boundary


def test_soft_boundary_solves_for_its_radius(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, float]] = []

    def recorded(distances: torch.Tensor, radius: float, *rest: object) -> torch.Tensor:
        seen.append((distances.detach().clone(), radius))
        return objective_value(distances, radius, *rest)

    monkeypatch.setattr(svdd_training, "objective_value", recorded)
    model = fitted(examples[:24], tmp_path, objective="soft-boundary", steps=20, warmup=0.25, nu=0.25)
    radii = [radius for _, radius in seen]
    assert radii[:6] == [0.0] * 6  # step 6 is the first after the warm-up; its radius serves the next
    for step in range(6, 20):
        recent = torch.cat([distances for distances, _ in seen[max(0, step - 3) : step]])  # as many as there are pairs
        assert radii[step] == pytest.approx(float(np.quantile(recent.sqrt().double().numpy(), 0.75)), rel=1e-6)
    scores = model.score(examples[:24])
    assert (scores > 0).sum() == 6  # nu of the pairs it was trained on are outside
    assert scores.min() == pytest.approx(
        min(((model.embed(e) - model.centre_.numpy()) ** 2).sum() for e in examples[:24]) - model.report_["radius"] ** 2
    )


# ---- fits on disk


def test_a_killed_fit_continues_as_if_nothing_had_happened(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"objective": "soft-boundary", "steps": 9}
    whole = fitted(examples[:24], tmp_path / "whole", **changes)
    step = SVDDTraining._take_step

    def killed(self: SVDDTraining, inputs: svdd_networks.Inputs) -> float:
        if self.step == 5:
            raise KeyboardInterrupt
        return step(self, inputs)

    monkeypatch.setattr(SVDDTraining, "_take_step", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(examples[:24], tmp_path / "killed", **changes)
    assert not (tmp_path / "killed" / "svdd.json").exists()
    steps = []
    monkeypatch.setattr(SVDDTraining, "_take_step", lambda self, inputs: steps.append(self.step) or step(self, inputs))
    resumed = fitted(examples[:24], tmp_path / "killed", **changes)
    assert steps == [4, 5, 6, 7, 8]
    assert torch.equal(resumed.centre_, whole.centre_)
    assert resumed.report_ == whole.report_
    state = resumed.network_.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.network_.state_dict().items())


def test_a_finished_fit_of_the_same_pairs_is_loaded(
    healthy: tuple[DeepSVDD, Path], examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = healthy
    # no inputs, no checkpoint
    assert sorted(path.name for path in folder.iterdir()) == ["checked.jsonl", "svdd.json", "svdd.safetensors"]
    monkeypatch.setattr(SVDDTraining, "run", lambda self, progress: pytest.fail("trained again"))
    again = fitted(examples[:24][::-1], folder, workers=0, cache_gib=1.0)
    assert again.report_ == model.report_
    assert np.array_equal(again.score(examples[24:]), model.score(examples[24:]))


@pytest.mark.parametrize("change", ["mask", "pairs", "settings"])
def test_a_fit_of_something_else_is_not(change: str, tmp_path: Path) -> None:
    pairs = [Example(pair.id, pair.image, pair.mask, LABELS) for pair in write_pairs(tmp_path, 5)]
    first = fitted(pairs, tmp_path / "fit", steps=1)
    if change == "mask":
        write_mask(pairs[0].mask_file, blobs(99, 30, 40), LABELS)
    second = fitted(pairs[: 4 if change == "pairs" else 5], tmp_path / "fit", steps=1, seed=int(change == "settings"))
    assert second.report_ != first.report_


def test_pairs_too_many_for_the_cache_are_read_anew_and_give_the_same_model(
    examples: list[Example], tmp_path: Path
) -> None:
    cached, read = (fitted(examples[:9], tmp_path / str(gib), steps=3, cache_gib=gib, workers=0) for gib in (1.0, 0.0))
    assert cached.report_ == read.report_


def test_fits_share_a_cache(examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = []
    fill = FeatureCache.fill
    monkeypatch.setattr(
        FeatureCache, "fill", lambda self, blocks, *rest: filled.append(len(blocks)) or fill(self, blocks, *rest)
    )
    for objective in ("one-class", "soft-boundary"):
        config = dataclasses.replace(CONFIG, objective=objective, steps=1)
        DeepSVDD(config, tmp_path / "inputs").fit(examples[:20], tmp_path / objective)
    assert filled == [2, 0]
    assert (tmp_path / "inputs" / "cache.json").is_file()


def test_unreadable_training_pairs_are_left_out(examples: list[Example], tmp_path: Path) -> None:
    Image.new("L", (40, 30), 77).save(tmp_path / "strange.png")  # a class that does not exist
    broken = dataclasses.replace(examples[0], id="strange", mask_file=tmp_path / "strange.png")
    with pytest.warns(UserWarning, match="strange is left out"):
        model = fitted([*examples[:4], broken], tmp_path / "fit", steps=1)
    assert model.report_["examples"] == 4
    with pytest.warns(UserWarning, match="strange"), pytest.raises(BadInput, match="1 training pairs"):
        fitted([examples[0], broken], tmp_path / "few", steps=1)


def test_training_pairs_must_exist_and_share_a_label_space(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no training pairs"):
        fitted([], tmp_path)
    with pytest.raises(ValueError, match="one label space"):
        fitted([examples[0], dataclasses.replace(examples[1], labels=VOC_LABELS)], tmp_path)


# ---- the frozen variant, real pairs, settings


def test_frozen_features_with_a_trained_head_are_alive(examples: list[Example], tmp_path: Path) -> None:
    model = fitted(examples[:24], tmp_path, network="frozen_lite", steps=40)
    report = collapse_report(model, examples[24:])
    assert is_alive(report), report
    assert not any(name.startswith("encoder") for name in model.network_.state_dict())


def test_real_pairs(voc_root: Path, tmp_path: Path) -> None:
    folder = voc_root / "VOC2012"
    names = (folder / "ImageSets" / "Segmentation" / "train.txt").read_text().split()[:8]
    pairs = [
        Example(name, folder / "JPEGImages" / f"{name}.jpg", folder / "SegmentationClass" / f"{name}.png", VOC_LABELS)
        for name in names
    ]
    model = fitted(pairs, tmp_path, steps=2)
    assert len(set(model.score(pairs).tolist())) == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "resnet"}, {"objective": "both"}, {"size": 100}, {"size": 0}, {"steps": 0}, {"batch_size": 1},
        {"embedding": 0},
        {"nu": 0.0}, {"nu": 1.0}, {"warmup": 1.0}, {"checkpoint_every": 0},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="Expected"):
        SVDDConfig(**wrong)


def test_every_network_has_a_preset() -> None:
    assert {name: config.network for name, config in PRESETS.items()} == {
        name: name for name in ("v2_b0", "v2_s", "v2_m", "frozen_lite")
    }
