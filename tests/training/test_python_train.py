"""`segqc.train(...)`: the settings of the command, as keyword arguments."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny_train_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import segqc
from segqc.base.settings import choices, settings_of
from segqc.training import api
from segqc.training.config import TrainConfig


def test_it_takes_every_setting_with_the_default_of_the_command():
    parameters = dict(inspect.signature(segqc.train).parameters)
    assert parameters.pop("progress").default is False
    assert {name: parameter.default for name, parameter in parameters.items()} == dataclasses.asdict(TrainConfig())
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())


@pytest.mark.parametrize("progress", [False, True])
def test_every_setting_reaches_the_training(progress: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given: dict[str, Any] = {}
    for number, (name, (hint, setting)) in enumerate(settings_of(TrainConfig).items(), start=2):
        default = getattr(TrainConfig, name)
        other = choices(hint)[-1:] or ([not default] if isinstance(default, bool) else [1 / number])
        given[name] = (
            other[0] if setting.high == 1 or not isinstance(other[0], float) else min(number, setting.high or number)
        )
    assert given.keys() == {field.name for field in dataclasses.fields(TrainConfig)}
    paths = ("out", "voc_root", "images", "masks", "data", "feature_cache", "encoder_weights")
    given |= {name: tmp_path / name for name in paths} | {"track": ("wandb",)}
    calls = []
    monkeypatch.setattr(api, "run_training", lambda *arguments: calls.append(arguments) or given["out"])
    assert segqc.train(**given | {"images": str(given["images"])}, progress=progress) == tmp_path / "out"
    [(config, console)] = calls
    assert config == TrainConfig(**given)
    assert (console is not None) is progress


def test_it_trains_in_silence_and_returns_the_model_folder(
    tiny_voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tiny_train_config(tiny_voc, tmp_path / "model", method="segmenter", steps=2)
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    folder = segqc.train(**settings | {"track": ["tensorboard"]})
    assert folder == tmp_path / "model"
    assert segqc.load(folder, device="cpu").model.config.method == "segmenter"
    assert capsys.readouterr().out == ""
    events = EventAccumulator(str(folder / "training" / "tracked"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/validation")] == [2]


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="learning_rates"):
        segqc.train(learning_rates=1.0)
