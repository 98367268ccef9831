"""The scripts in docs/examples run, and so does the code in docs/pipeline.md, as printed."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from torchvision.models import segmentation

from segqc.data.labels import VOC_LABELS
from segqc.model.folder import save_model

DOCS = Path(__file__).parents[2] / "docs"
NEEDS = {
    "with_smp": "segmentation_models_pytorch",
    "with_transformers": "transformers",
    "with_onnxruntime": "onnxruntime",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a quality model of random weights in runs/voc, and a picture."""
    folder = tmp_path_factory.mktemp("examples")
    save_model(folder / "runs" / "voc", tiny.tiny_model(labels=VOC_LABELS))
    coarse = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC).save(folder / "photo.jpg")
    return folder


def run(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path, *more: object) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [name, "runs/voc", "photo.jpg", *map(str, more)])
    runpy.run_path(str(DOCS / "examples" / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("name", ["with_torchvision", "with_smp", "with_transformers", "with_onnxruntime"])
@pytest.mark.filterwarnings("ignore:The quality model does not know")
def test_an_integration(name, folder, monkeypatch, capsys):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    run(name, monkeypatch, folder)
    printed = capsys.readouterr().out
    assert "score 0." in printed
    assert re.search(r"seen=(\d), scored=\1, sampled_out=0, training=0, dropped=0, failed=0", printed)


def test_tflite(folder, monkeypatch, capsys, shared_data):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    run("with_tflite", monkeypatch, folder, shared_data / "weights" / "deeplabv3_mnv2_dm05_pascal_quant.tflite")
    assert "scored=1" in capsys.readouterr().out


def test_decisions(folder, monkeypatch, capsys, tmp_path):
    run("decide", monkeypatch, folder, tmp_path / "decided")
    printed = capsys.readouterr().out
    assert "p-values from 200 accepted predictions" in printed
    assert "of 100; drifted: False" in printed
    assert len((tmp_path / "decided" / "review" / "scores.csv").read_text().splitlines()) == 101


def test_the_lines_on_the_page_of_pipelines_run_as_printed(folder, monkeypatch, capsys, tmp_path):
    """With random weights in the place from which torchvision would take its own, since there is no network here."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = segmentation.DeepLabV3_MobileNet_V3_Large_Weights.DEFAULT
    network = segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=21, aux_loss=True
    )
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(network.state_dict(), checkpoints / Path(weights.url).name)
    code = re.search(r"```python\n(.*?)```", (DOCS / "pipeline.md").read_text(), re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    monkeypatch.chdir(folder)
    exec(compile(code, "docs/pipeline.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith(("fail: score 0.", "pass: score 0.", "fail: score 1."))
    assert "scored=1" in printed
