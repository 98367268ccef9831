"""The command line: help, exit codes, dry run, version, and one-line errors."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import segqc
from conftest import DEMO_CLASSES
from PIL import Image
from typer.testing import CliRunner

from segqc.base.version import __version__
from segqc.cli.app import app

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.mark.parametrize(
    "command", ["train", "audit", "merge", "predict", "evaluate", "calibrate", "monitor", "export", "gallery", "demo"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: segqc {command}" in result.output


def test_version() -> None:
    assert __version__ in runner.invoke(app, ["--version"]).output


def test_help_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, segqc.cli.app; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("voc256", "33.4 M parameters"),
        ("cpu", "4.8 M parameters"),
        ("fast", "1.7 M parameters"),
        ("voc128", "18.6 M parameters"),
    ],
)
def test_dry_run_needs_no_data_and_writes_nothing(
    preset: str, parameters: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["train", "--preset", preset, "--dry-run"])
    assert result.exit_code == 0, result.output
    for words in (parameters, "GFLOPs", "GiB", '"method": "structured"'):
        assert words in result.output
    assert not any(tmp_path.iterdir())


def test_dry_run_counts_the_passes_of_the_method() -> None:
    assert (
        "20 denoising passes"
        in runner.invoke(app, ["train", "--preset", "voc256", "--method", "paper", "--dry-run"]).output
    )
    assert (
        "9 denoising passes"
        in runner.invoke(app, ["train", "--preset", "cpu", "--method", "mixing", "--dry-run"]).output
    )
    assert "1 denoising pass" in runner.invoke(app, ["train", "--preset", "cpu", "--dry-run"]).output


def test_expected_errors_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    Image.new("L", (4, 3)).save(tmp_path / "a.png")  # a picture, and a mask
    for arguments, words in (
        (("monitor", tmp_path, "--calibration", tmp_path / "c.json", "--level", 1), "level to be strictly between"),
        (("train", "--voc-root", tmp_path / "nowhere", "--out", tmp_path / "run"), "nowhere"),
        (("train", "--out", tmp_path / "none", "--resume", "--voc-root", tmp_path), "no run to resume"),
        (("audit", "--predictions", tmp_path, "--model", tmp_path, "--images", tmp_path), "config.json"),
    ):
        done = segqc(*arguments)
        assert done.returncode == 2, done.stdout
        assert done.stderr.startswith("segqc: ")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_train_then_audit_as_a_user_would(tiny_voc: Path, tiny_predictions: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "audit"
    done = segqc(
        "train", "--images", tiny_voc / "JPEGImages", "--masks", tiny_voc / "SegmentationClass", "--out", model,
        "--classes", DEMO_CLASSES, "--steps", 3, "--encoder", "tf_efficientnet_lite0", "--image-size", 64,
        "--grid-size", 16, "--batch-size", 4, "--views", 1, "--density-items", 12,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"segqc audit --model {model}" in done.stdout
    predictions = shutil.copytree(tiny_predictions, tmp_path / "predictions")
    (predictions / "broken.png").write_bytes(b"x")
    arguments = ("audit", "--model", model, "--predictions", predictions, "--voc-root", tiny_voc, "--out", out)
    done = segqc(*arguments)
    assert done.returncode == 0, done.stderr
    assert "6 scored, 1 errors, 28 images without a prediction" in done.stdout
    assert "gallery.html" in done.stdout
    assert segqc(*arguments, "--strict").returncode == 1
