"""A device is the one that was asked for, or an error that says which there are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from evaluation.baselines.svdd.deep_svdd import DeepSVDD
from evaluation.baselines.svdd.training import PRESETS
from segqc.base.devices import best_device, find_device, make_accelerator
from segqc.base.errors import BadInput
from segqc.cli.app import app
from segqc.model.folder import load_model
from segqc.predict.config import PredictConfig
from segqc.predict.run import predict
from segqc.tabular import GumbelScoreDetector

ABSENT = ["tpu9", "cuda:99", "cpu:1", "meta", "", *([] if torch.cuda.is_available() else ["cuda"])]


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu")])
def test_the_cpu_has_one_name(device: str | torch.device) -> None:
    assert find_device(device) == torch.device("cpu")
    assert find_device() == torch.device(best_device())
    assert make_accelerator("cpu:0").device.type == "cpu"


@pytest.mark.parametrize("device", ABSENT)
@pytest.mark.parametrize("use", [find_device, make_accelerator, lambda device: load_model(Path("nowhere"), device)])
def test_what_is_not_there_is_refused_with_what_is(use: Callable[[str], object], device: str) -> None:
    with pytest.raises(BadInput, match=r"--device: .*this machine has cpu"):
        use(device)


@pytest.mark.parametrize(
    "use",
    [
        lambda folder: predict(PredictConfig(out=folder / "out", images=folder / "in", device="tpu9")),
        lambda folder: GumbelScoreDetector.load(folder, device="tpu9"),
        lambda folder: GumbelScoreDetector(device="tpu9").fit([[1.0], [2.0]]),
        lambda folder: DeepSVDD(replace(PRESETS["v2_b0"], device="tpu9")).fit([], folder),
    ],
)
def test_python_refuses_it_before_any_work(use: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    with pytest.raises(BadInput, match="'tpu9' is no device"):
        use(tmp_path)


def test_commands_refuse_it(tmp_path: Path) -> None:
    for command in (
        ["audit", "--predictions", tmp_path],
        ["evaluate", "--audit", tmp_path],
        ["train", "--images", tmp_path, "--masks", tmp_path],
    ):
        result = CliRunner().invoke(app, [*map(str, command), "--device", "tpu9", "--out", str(tmp_path / "out")])
        assert "'tpu9' is no device" in str(result.exception), command
