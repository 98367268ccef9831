"""`segqc train --minutes` and `--dry-run`: plans that fit the time, are kept, and say what is true."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import segqc
from conftest import DEMO_CLASSES, tiny_train_config

from segqc.base.devices import make_accelerator
from segqc.base.errors import BadInput
from segqc.training import plan
from segqc.training.config import TrainConfig
from segqc.training.pairs import training_source
from segqc.training.plan import fitted, planned
from segqc.training.run import train
from segqc.training.speed import Speed, all_steps

SPEED = Speed(
    view_seconds=0.1, step_seconds=0.5, score_seconds=0.1, view_bytes=10**6, network_bytes=10**7, memory_gib=1.0
)
MEMORY_WITHIN = 1.5  # factor between what the dry run says and what the training takes


@pytest.fixture
def given(tiny_voc: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(voc_root=tiny_voc, classes=DEMO_CLASSES, out=tmp_path / "run", minutes=20, device="cpu")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch):
    """Measured speeds by preset."""
    speeds = {"cpu": SPEED, "fast": dataclasses.replace(SPEED, step_seconds=0.1)}
    monkeypatch.setattr(plan, "measure_speed", lambda config, *_: speeds[config.preset])
    return speeds


def test_the_plan_fills_the_time_and_no_more(given: TrainConfig, measured) -> None:
    config, speed = fitted(given, training_source(given), make_accelerator("cpu"))
    seconds = speed.seconds(config, 28)
    assert 0.85 * 20 * 60 < seconds <= 0.9 * 20 * 60
    assert config.preset == "cpu"
    assert config.guess_steps == config.steps // 5
    assert seconds == pytest.approx(0.1 * (25 * 4 + 3) + 0.1 * 28 + 0.5 * all_steps(config), rel=0.01)


def test_a_preset_that_would_learn_too_little_gives_way_to_the_lighter(given: TrainConfig, measured) -> None:
    config, _ = fitted(dataclasses.replace(given, minutes=10), training_source(given), make_accelerator("cpu"))
    assert config.preset == "fast"
    assert config.encoder == "tf_efficientnet_lite0"
    assert config.steps == 3000, "the preset's length is enough"


def test_what_is_given_stays(given: TrainConfig, measured) -> None:
    own = dataclasses.replace(given, steps=123, views=2, image_size=96)
    config, _ = fitted(own, training_source(given), make_accelerator("cpu"))
    assert (config.preset, config.steps, config.views, config.image_size) == ("cpu", 123, 2, 96)


def test_too_little_time_is_refused_with_the_time_that_is_enough(given: TrainConfig, measured) -> None:
    source, accelerator = training_source(given), make_accelerator("cpu")
    with pytest.raises(BadInput, match=r"--minutes.*enough for") as refused:
        fitted(dataclasses.replace(given, minutes=0.2), source, accelerator)
    least = float(re.findall(r"at least ([\d.]+)", str(refused.value))[0])
    assert fitted(dataclasses.replace(given, minutes=least + 0.1), source, accelerator)[0].steps >= 50


def test_a_continued_run_keeps_its_plan_on_a_faster_machine(given: TrainConfig, measured) -> None:
    source, accelerator = training_source(given), make_accelerator("cpu")
    first = planned(given, source, accelerator, None)
    measured["cpu"] = dataclasses.replace(SPEED, step_seconds=0.01)
    assert planned(given, source, accelerator, None) == first
    with pytest.raises(BadInput, match="planned for another time"):
        planned(dataclasses.replace(given, minutes=21), source, accelerator, None)


def test_a_planned_training_ends_and_is_not_planned_again(tiny_voc: Path, tmp_path: Path, monkeypatch) -> None:
    quick = dataclasses.replace(SPEED, view_seconds=1e-3, step_seconds=0.2, score_seconds=1e-3)
    monkeypatch.setattr(plan, "measure_speed", lambda *_: quick)
    monkeypatch.setattr(plan, "_FEWEST", 1)
    config = tiny_train_config(tiny_voc, tmp_path / "run", steps=None, minutes=0.02, warmup_steps=None, density_items=2)
    folder = train(config)
    facts = json.loads((folder / "config.json").read_text())["training"]
    kept = json.loads((folder / "training" / "plan.json").read_text())
    assert facts["steps"] == kept["steps"] < 10
    assert train(config) == folder, "finished"


def test_a_dry_run_on_data_says_what_the_training_takes(tiny_voc: Path, tmp_path: Path) -> None:
    """In a process of its own: the peak of this one is that of other tests."""
    options = [
        "--voc-root", tiny_voc, "--classes", DEMO_CLASSES, "--out", tmp_path / "run", "--device", "cpu",
        "--encoder", "tf_efficientnet_lite0", "--image-size", 128, "--grid-size", 32, "--views", 2, "--steps", 3,
        "--precision", "fp32", "--density-items", 2,
    ]  # fmt: skip
    code = f"""
import resource, sys
from segqc.cli.app import app
arguments = ["train", *{[str(part) for part in options]}]
app([*arguments, "--dry-run"], standalone_mode=False)
print("written", __import__("os").path.exists({str(tmp_path / "run")!r}))
app(arguments, standalone_mode=False)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "written False" in ended.stdout
    assert "28 pairs' first batch" in ended.stdout
    said = float(re.findall(r"([\d.]+) GiB of memory", ended.stdout)[0])
    assert said / MEMORY_WITHIN < float(re.findall(r"peak ([\d.]+)", ended.stdout)[0]) < said * MEMORY_WITHIN


def test_a_dry_run_on_data_that_is_not_there_ends_in_one_line(tmp_path: Path) -> None:
    ended = segqc("train", "--images", tmp_path / "none", "--masks", tmp_path / "none", "--dry-run")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
