"""Configurations survive JSON, refuse what they do not know, and resolve to something that can run."""

import dataclasses
import json
import math
import re
from functools import partial
from pathlib import Path

import pytest

import ncsnpp
from evaluation.report.config import EvaluateConfig
from segqc.auditing.config import AuditConfig, LabelAuditConfig
from segqc.base.settings import from_json, to_json
from segqc.calibration.config import CalibrateConfig, MonitorConfig
from segqc.data.labels import VOC_LABELS, LabelSpace, voc_palette
from segqc.export.config import ExportConfig
from segqc.gallery.config import GalleryConfig
from segqc.gumbel import NoiseLadder
from segqc.model.config import ModelConfig
from segqc.model.methods import find_method
from segqc.tabular.config import BenchmarkConfig, FitConfig, ScoreConfig
from segqc.training.config import PRESETS, Preset, TrainConfig
from segqc.training.resolved import ResolvedTrainConfig, resolve

NETWORK = ncsnpp.cpu(3, (8, 16), (4, 8), 64, 16)


def model(**changes) -> ModelConfig:
    settings = {
        "method": "mixing",
        "labels": LabelSpace(("a", "b", "c"), void=7, background=None, palette=voc_palette()[::-1].copy()).to_dict(),
        "image_size": 64,
        "grid_size": 16,
        "encoder": "x",
        "network": NETWORK,
        "ladder": NoiseLadder((0.1, 0.2 + 0.1), (1.0, math.pi)),
        "draws": 2,
    }
    return ModelConfig(**(settings | changes))


CONFIGS = [
    TrainConfig(),
    TrainConfig(
        out=Path("a b/ü"),
        voc_root=Path("/data"),
        method="paper",
        steps=7,
        learning_rate=1e-3 / 3,
        download=True,
        device="cuda:1",
        workers=0,
    ),
    resolve(TrainConfig(preset="voc256")),
    AuditConfig(Path("p")),
    AuditConfig(predictions=Path("p"), model=Path("m"), ground_truth=Path("../g"), heatmaps=False, top=1),
    model(),
    model(
        encoder=None,
        inlier_norm=(0.1, 1e-300, 3.0),
        training={"steps": 3, "config": {"seed": None}, "list": [1, "x"]},
        noise_seed=2**62,
    ),
    model(network=dataclasses.replace(ncsnpp.voc256(3), channel_mult=(1, 1.5, 2), attention_resolutions=())),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: type(c).__name__)
def test_json_round_trip_is_exact(config):
    values = json.loads(json.dumps(to_json(config), allow_nan=False))
    again = from_json(type(config), values)
    assert again == config
    for field in dataclasses.fields(config):
        one, other = getattr(config, field.name), getattr(again, field.name)
        assert type(one) is type(other), field.name
    assert to_json(again) == values


def test_round_trip_restores_types_that_json_lacks():
    again = from_json(ModelConfig, json.loads(json.dumps(to_json(model(inlier_norm=(1.0,))))))
    assert isinstance(again.network, ncsnpp.NCSNppConfig)
    assert isinstance(again.ladder, NoiseLadder)
    assert isinstance(again.inlier_norm, tuple)
    assert isinstance(again.ladder.keep, tuple)
    assert isinstance(again.network.channel_mult, tuple)
    assert again.label_space == LabelSpace(("a", "b", "c"), void=7, background=None)
    assert (again.label_space.palette == voc_palette()[::-1]).all()
    assert hash(again.ladder) == hash(model().ladder)
    train = from_json(TrainConfig, {"out": "x", "voc_root": None, "images": "y"})
    assert (train.out, train.voc_root, train.images) == (Path("x"), None, Path("y"))


def test_missing_keys_with_a_default_take_it():
    assert from_json(TrainConfig, {}) == TrainConfig()
    values = to_json(model())
    for name in ("noise_seed", "inlier_norm", "training", "format"):
        del values[name]
    assert from_json(ModelConfig, values) == model()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda v: v.update(colour=1), ["colour", "config"]),
        (lambda v: v["network"].update(colour=1), ["colour", "config.network"]),
        (lambda v: v["ladder"].update(sigma=[1]), ["sigma", "config.ladder"]),
        (lambda v: v.update(zeta=1, alpha=2), ["alpha, zeta", "config"]),
        (lambda v: v.pop("grid_size"), ["config is incomplete", "grid_size"]),
        (lambda v: v["ladder"].pop("temperature"), ["config.ladder is incomplete", "temperature"]),
        (lambda v: v.update(network=5), ["config.network", "5"]),
        (lambda v: v.update(network=[1]), ["config.network", "[1]"]),
        (lambda v: v.update(ladder=None), ["config.ladder", "None"]),
        (lambda v: v["ladder"].update(keep=0.5), ["config.ladder.keep", "0.5"]),
        (lambda v: v["ladder"].update(keep="0.5"), ["config.ladder.keep", "0.5"]),
        (lambda v: v.update(inlier_norm=None), ["config.inlier_norm", "None"]),
        (lambda v: v["ladder"].update(keep=[0.5]), ["kept shares"]),
        (lambda v: v["ladder"].update(keep=[0.5, 1.5]), ["1.5"]),
        (lambda v: v["network"].update(body="heavy"), ["body", "heavy"]),
    ],
)
def test_what_does_not_fit_is_refused_by_key_and_place(change, names):
    values = json.loads(json.dumps(to_json(model())))
    change(values)
    with pytest.raises(ValueError, match=".*".join(map(re.escape, names))):
        from_json(ModelConfig, values)


@pytest.mark.parametrize("values", [[], None, 3, "text"])
def test_a_file_without_an_object_is_refused(values):
    with pytest.raises(ValueError, match="Expected an object at config"):
        from_json(ModelConfig, values)


def test_a_path_must_be_text():
    with pytest.raises(ValueError, match=r"config\.out"):
        from_json(TrainConfig, {"out": 3})
    with pytest.raises(ValueError, match=r"config\.images"):
        from_json(TrainConfig, {"images": ["a"]})


@pytest.mark.parametrize("name", PRESETS)
def test_resolve_fills_in_the_preset_and_nothing_else(name):
    config = resolve(TrainConfig(preset=name, seed=5))
    for field in dataclasses.fields(Preset):
        assert getattr(config, field.name) == getattr(PRESETS[name], field.name)
    assert config.guess_steps == config.steps // 5
    taken = {field.name for field in dataclasses.fields(Preset)} | {"guess_steps"}
    for field in dataclasses.fields(TrainConfig):
        if field.name not in taken:
            assert getattr(config, field.name) == getattr(TrainConfig(preset=name, seed=5), field.name)
    assert resolve(config) == config
    assert isinstance(config, ResolvedTrainConfig)
    assert to_json(config).keys() == to_json(TrainConfig()).keys()  # config.json names no other fields


def test_resolve_keeps_what_was_given():
    given = {
        "steps": 1,
        "batch_size": 2,
        "learning_rate": 0.5,
        "warmup_steps": 0,
        "image_size": 32,
        "grid_size": 8,
        "encoder": "tf_efficientnet_lite0",
        "views": 0,
    }
    config = resolve(TrainConfig(**given))
    assert {name: getattr(config, name) for name in given} == given


@pytest.mark.parametrize("preset", ["", "CPU", "voc512"])
def test_unknown_preset(preset):
    with pytest.raises(ValueError, match=r"cpu, fast, voc128, voc256"):
        TrainConfig(preset=preset)


def test_unknown_method():
    with pytest.raises(ValueError, match=r"'diffusion'.*mixing, paper"):
        TrainConfig(method="diffusion")


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize(
    "name", ["steps", "batch_size", "image_size", "grid_size", "validate_every", "checkpoint_every"]
)
def test_sizes_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"{name} to be at least 1, but got {value}"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("make", "changes", "words"),
    [
        (partial(AuditConfig, Path()), {"top": -3}, "top to be at least 1, but got -3"),
        (LabelAuditConfig, {"top": 0}, "top to be at least 1"),
        (partial(MonitorConfig, Path(), Path()), {"level": 7}, "level to be strictly between 0 and 1, but got 7"),
        (partial(MonitorConfig, Path(), Path()), {"level": math.nan}, "level to be strictly between 0 and 1"),
        (partial(EvaluateConfig, Path()), {"top": 0}, "top to be at least 1"),
        (partial(EvaluateConfig, Path()), {"resamples": 0}, "resamples to be at least 1"),
        (partial(EvaluateConfig, Path()), {"threshold": 50}, "threshold to be from 0 to 1"),
        (partial(FitConfig, Path()), {"contamination": 0.9}, r"contamination to be from 0 to 0\.5"),
        (partial(ScoreConfig, Path()), {"chunk": 0}, "chunk to be at least 1"),
        (partial(BenchmarkConfig, Path()), {"seeds": (0, -1)}, "seeds to be at least 0, but got -1"),
        (partial(BenchmarkConfig, Path()), {"seeds": ()}, "at least one seed"),
        (partial(CalibrateConfig, Path()), {"fdr": 1.5}, "fdr to be from 0 to 1"),
        (partial(ExportConfig, Path(), "csv"), {"top": 0}, "top to be at least 1"),
        (TrainConfig, {"learning_rate": 0.0}, "learning_rate to be above 0"),
        (TrainConfig, {"views": -1}, "views to be at least 0"),
        (TrainConfig, {"validation_fraction": 1.0}, "validation_fraction to be strictly between 0 and 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make, changes, words):
    make()
    with pytest.raises(ValueError, match=words):
        make(**changes)


@pytest.mark.parametrize(
    ("make", "changes", "words"),
    [
        (TrainConfig, {"precision": "fp8"}, "Unknown precision 'fp8'; choose one of auto, fp32, bf16"),
        (partial(ExportConfig, Path()), {"to": "xml"}, "Unknown to 'xml'; choose one of labelstudio, cvat"),
        (partial(ExportConfig, Path(), "csv"), {"shapes": "box"}, "Unknown shapes 'box'; choose one of rle, polygon"),
        (partial(GalleryConfig, Path()), {"thumbnails": "big"}, "choose one of auto, inline, beside"),
        (partial(EvaluateConfig, Path()), {"metrics_backend": "scipy"}, "choose one of segqc, medpy"),
        (partial(EvaluateConfig, Path()), {"undefined": "zero"}, "choose one of diagonal, exclude"),
    ],
)
def test_what_is_no_choice_is_refused_with_the_choices(make, changes, words):
    with pytest.raises(ValueError, match=words):
        make(**changes)


def test_without_an_encoder_picture_and_mask_share_a_grid_and_nothing_is_cached():
    assert resolve(TrainConfig(preset="voc256", image_size=64, grid_size=64)).encoder is None
    for bad in ({"image_size": 128}, {"grid_size": 64}, {"views": 2}):
        with pytest.raises(ValueError, match="image_size must equal grid_size"):
            resolve(TrainConfig(preset="voc256", **bad))
    assert (
        resolve(TrainConfig(preset="voc256", image_size=128, encoder="tf_efficientnet_lite0", views=2)).image_size
        == 128
    )


def test_what_a_model_says_of_itself():
    mixing, paper = model(), model(method="paper")
    assert (mixing.feature_names, paper.feature_names) == (("norm", "error", "surprise"), ("norm",))
    assert mixing.num_classes == 3
    assert model(labels=VOC_LABELS.to_dict()).label_space == VOC_LABELS


def test_ladders_of_the_methods():
    paper, mixing = find_method("paper").ladder(21), find_method("mixing").ladder(21)
    assert len(paper) == 20
    assert paper.temperature[0] == 2
    assert paper.temperature[-1] == pytest.approx(20)
    ratios = [b / a for a, b in zip(paper.temperature, paper.temperature[1:], strict=False)]
    assert ratios == pytest.approx([10 ** (1 / 19)] * 19)
    assert paper.keep == (pytest.approx(1 / (1 + 21e-5)),) * 20
    assert mixing.temperature == (1.0,) * 9
    assert mixing.keep[0] == 0
    assert (mixing.keep[1], mixing.keep[-1]) == (pytest.approx(0.0015), pytest.approx(0.19))
