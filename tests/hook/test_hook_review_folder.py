"""A review folder is read by every command that reads an audit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import segqc
from test_hook import Segmenter, inputs
from tiny import LABELS, tiny_model

import segqc as package
from segqc.hook import ReviewFolder
from segqc.model.folder import save_model
from segqc.results.review import REVIEW_FORMAT
from segqc.results.table import audit_fingerprint, read_audit_table


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, tiny_model())
    return folder


@pytest.fixture(scope="module")
def review(model, tmp_path_factory) -> Path:
    """What a pipeline wrote, of 24 predictions, each with its picture: any of them may be reviewed."""
    folder = tmp_path_factory.mktemp("pipeline") / "review"
    policy = ReviewFolder(folder, LABELS, on=("pass", "review", "fail"))
    segmenter = Segmenter().eval()
    with package.load(model, "cpu").attach(segmenter, threshold=0.5, policy=policy), torch.inference_mode():
        for seed in range(6):
            segmenter(inputs(4, seed))
    return folder


def succeeds(*arguments) -> str:
    done = segqc(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_calibrated_and_monitored(review, tmp_path):
    rows = read_audit_table(review).rows
    reviewed = {
        "format": REVIEW_FORMAT, "audit": audit_fingerprint(rows),
        "items": {row["id"]: {"verdict": "accept", "note": ""} for row in rows},
    }  # fmt: skip
    (tmp_path / "review.json").write_text(json.dumps(reviewed))
    out = tmp_path / "calibration.json"
    said = succeeds("calibrate", "--audit", review, "--accepted", tmp_path / "review.json", "--out", out)
    assert "24 accepted predictions" in said
    assert json.loads(out.read_text())["model"] == read_audit_table(review).summary["model"]["fingerprint"]
    succeeds("monitor", review, "--calibration", out, "--window", "20", "--plot", tmp_path / "drift.png")


def test_it_is_shown_and_exported(review, tmp_path):
    succeeds("gallery", "--audit", review, "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("cat") > 0
    succeeds("export", "--audit", review, "--to", "csv", "--out", tmp_path / "queue")
    assert (tmp_path / "queue" / "export.json").is_file()


def test_scores_of_two_models_are_not_mixed(review, tmp_path):
    other = tmp_path / "other"
    save_model(other, tiny_model(seed=1))
    with pytest.raises(ValueError, match=r"holds scores of the model .* choose another folder"):
        package.load(other, "cpu").attach(Segmenter().eval(), threshold=0.5, policy=review)


def test_a_folder_of_an_earlier_version_goes_on_without_a_model(model, tmp_path):
    """Of its first rows nobody knows which model judged them."""
    folder = tmp_path / "review"
    qc = package.load(model, "cpu")
    segmenter = Segmenter().eval()
    for _ in range(2):
        with qc.attach(segmenter, threshold=0.5, policy=folder), torch.inference_mode():
            segmenter(inputs(1))
        (folder / "summary.json").unlink(missing_ok=True)
    assert len(read_audit_table(folder).rows) == 2
    with qc.attach(segmenter, threshold=0.5, policy=folder), torch.inference_mode():
        segmenter(inputs(1))
    assert not (folder / "summary.json").exists()
    assert np.isfinite([row["score"] for row in read_audit_table(folder).rows]).all()
