"""The models that come with the package: complete, small enough, found by name or without one, and better than chance
on real predictions.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segqc
from evaluation.ranking.comparison import DiceComparison
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.data.labels import VOC_LABELS
from segqc.model.catalogue import BUNDLED_MODELS
from segqc.model.folder import model_folder
from segqc.results.schema import HARDLY_SEEN


@pytest.mark.parametrize("folder", BUNDLED_MODELS.values(), ids=BUNDLED_MODELS)
def test_they_are_whole_and_small_and_say_where_they_come_from(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "config.json",
        "density.safetensors",
        "MODEL_CARD.md",
        "SHA256SUMS",
    }
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6e6
    config = json.loads((folder / "config.json").read_text())
    assert config["method"] == "structured"
    assert not {"out", "voc_root", "feature_cache"} & set(config["training"]["config"])


def test_a_name_is_a_bundled_model_unless_there_is_such_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_folder("voc-fast") == model_folder(Path("voc-fast")) == BUNDLED_MODELS["voc-fast"]
    assert model_folder("runs/voc") == Path("runs/voc")
    (tmp_path / "voc-fast").mkdir()
    assert model_folder("voc-fast") == Path("voc-fast")


def test_the_first_is_what_load_gives() -> None:
    default = segqc.load(device="cpu").model
    assert default.config == segqc.load("voc", device="cpu").model.config
    parameters = {
        name: sum(p.numel() for p in segqc.load(name, device="cpu").model.network.parameters())
        for name in BUNDLED_MODELS
    }
    assert parameters["voc"] == sum(p.numel() for p in default.network.parameters()) > 2 * parameters["voc-fast"]


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_they_know_the_classes_of_voc(name: str) -> None:
    qc = segqc.load(name, device="cpu")
    assert qc.labels == VOC_LABELS
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 20:50] = VOC_LABELS.names.index("dog")
    verdict = qc(image, mask)
    assert 0.5 < verdict.score <= 1, "there is no dog in noise"
    assert verdict.heatmap.shape == (60, 80)


def test_it_warns_of_classes_that_it_hardly_saw(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for name, label in (("plane", "aeroplane"), ("cat", "cat")):
        Image.new("RGB", (64, 48), (90, 120, 200)).save(tmp_path / "images" / f"{name}.png")
        mask = np.zeros((48, 64), np.uint8)
        mask[10:30, 10:40] = VOC_LABELS.names.index(label)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    report = audit(
        AuditConfig(predictions=tmp_path / "masks", images=tmp_path / "images", out=tmp_path / "out", device="cpu")
    )
    reasons = {row["id"]: row["reason"] for row in report.rows}
    assert reasons["cat"] == ""
    assert reasons["plane"] == "score is a guess, its model hardly saw: aeroplane (0 training pictures)"
    assert {row["id"]: row["warnings"] for row in report.rows} == {"cat": "", "plane": HARDLY_SEEN}
    assert "aeroplane (0 training pictures)" in reasons["plane"]
    assert report.summary["hardly_seen"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_they_find_the_failures_of_a_real_network(name: str, voc_root: Path, shared_data: Path, tmp_path: Path) -> None:
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for path in sorted((shared_data / "voc" / "deeplab_out" / "mnv2_257_float").glob("*.png"))[::6]:
        (predictions / path.name).write_bytes(path.read_bytes())
    config = AuditConfig(predictions, tmp_path / "out", Path(name), voc_root=voc_root, heatmaps=False, device="cpu")
    quality = audit(config, DiceComparison()).summary["quality"]
    assert quality["compared"] == 41
    assert quality["spearman"] < -0.75
