"""`segqc export-model`: the file scores as segqc does, says what it is, and is not written where it cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import segqc as run_segqc
from tiny import blobs, picture, tiny_model

import segqc
from segqc.model.agreement import agreement
from segqc.model.folder import fingerprint, save_model
from segqc.model.pair_graph import PairGraph, agreement_of_tensors

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

AWKWARD = [
    np.zeros((16, 16), np.uint8),  # background alone
    np.full((16, 16), 255, np.uint8),  # void alone
    np.where(np.arange(256).reshape(16, 16) % 3 == 0, 255, 2).astype(np.uint8),
    np.where(np.arange(256).reshape(16, 16) < 250, 255, 1).astype(np.uint8),  # six cells to judge
]


@pytest.mark.parametrize("empty_share", [0.5, 0.01])
def test_agreement_of_tensors_is_agreement(empty_share: float) -> None:
    rng = np.random.default_rng(0)
    masks = [*AWKWARD, *(blobs(seed) for seed in range(4))]
    for number, mask in enumerate(masks):
        posterior = rng.dirichlet(np.full(4, (0.02, 1.0)[number % 2]), (16, 16)).transpose(2, 0, 1).astype(np.float32)
        onehot = torch.from_numpy((mask[None] == np.arange(4)[:, None, None]).astype(np.float32))
        found = agreement_of_tensors(torch.from_numpy(posterior), onehot, (1, 2, 3), empty_share)
        assert float(found) == pytest.approx(agreement(posterior, mask, (1, 2, 3), empty_share), abs=1e-5)


@pytest.mark.parametrize("method", ["structured", "mixing", "segmenter"])
def test_the_file_scores_as_segqc_does(method: str, tmp_path: Path) -> None:
    save_model(tmp_path / "model", tiny_model(method))
    done = run_segqc("export-model", "--model", tmp_path / "model", "--out", tmp_path / "new" / "model.onnx")
    assert done.returncode == 0, done.stderr
    session = onnxruntime.InferenceSession(tmp_path / "new" / "model.onnx")
    qc = segqc.load(tmp_path / "model", "cpu")
    for number, mask in enumerate([*AWKWARD, blobs(1), blobs(2, void=False)]):
        image = picture(number)
        posterior, heat, score = session.run(None, {"image": image[None], "mask": mask[None]})
        reading = qc.model.read(image, mask)
        np.testing.assert_allclose(posterior, reading.posterior, atol=1e-4)
        np.testing.assert_allclose(heat, reading.heat, atol=1e-4)
        assert float(score[0]) == pytest.approx(qc.model.score_reading(reading, mask).score, abs=1e-4)
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["format"] == "segqc-onnx-1"
    assert facts["model"] == fingerprint(tmp_path / "model")
    assert json.loads(facts["classes"])["names"] == ["background", "cat", "dog", "cow"]


def test_a_model_without_posterior_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "model", tiny_model("paper"))
    done = run_segqc("export-model", "--model", tmp_path / "model", "--out", tmp_path / "model.onnx")
    assert done.returncode == 2
    assert "class posterior" in done.stderr
    assert "structured" in done.stderr
    assert not (tmp_path / "model.onnx").exists()
    with pytest.raises(ValueError, match="Expected a method with a class posterior, but got 'paper'"):
        PairGraph(tiny_model("paper"))
