"""From an audit to a calibration and back: the columns it adds, and the same decisions as in Python."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image
from typer.testing import CliRunner

import segqc
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.base.errors import BadInput
from segqc.calibration.calibrate import calibrate
from segqc.calibration.config import CalibrateConfig
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.storage import save_calibration
from segqc.cli.app import app
from segqc.data.masks import read_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.model.folder import fingerprint, save_model
from segqc.results.schema import DECISION_COLUMNS, audit_columns, names

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights: what is tested here is bookkeeping."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, tiny.tiny_model(labels=DEMO_LABELS))
    return folder


@pytest.fixture(scope="module")
def plain(tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("plain") / "audit"
    return audit(
        AuditConfig(
            predictions=tiny_predictions, voc_root=tiny_voc, model=tiny_model, out=out, device="cpu", image_set="val"
        )
    )


@pytest.fixture(scope="module")
def calibration(plain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = tmp_path_factory.mktemp("accepted") / "ids.txt"
    ids.write_text("\n".join(row["id"] for row in plain.rows[1:]))
    return calibrate(CalibrateConfig(audit=plain.out, accepted=ids, review_level=0.2))[1]


def test_an_audit_gets_columns_and_the_numbers_are_those_of_a_call(
    plain, calibration: Path, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit"
    (tmp_path / "predictions").mkdir()
    for path in tiny_predictions.iterdir():
        (tmp_path / "predictions" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "predictions" / "broken.png").write_bytes(b"x")
    result = runner.invoke(
        app,
        [
            "audit", "--model", str(tiny_model), "--predictions", str(tmp_path / "predictions"), "--voc-root",
            str(tiny_voc), "--out", str(out),
            "--calibration", str(calibration), "--device", "cpu",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "p-values from 5 accepted predictions" in result.output
    assert "Decisions:" in result.output
    with (out / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == audit_columns(calibrated=True)
    # the score is the same with and without
    assert [row["score"] for row in rows[:-1]] == [str(row["score"]) for row in plain.rows]
    assert float(rows[0]["p_value"]) == pytest.approx(1 / 6)
    assert rows[-1]["decision"] == "review"
    assert rows[-1]["p_value"] == ""
    qc = segqc.load(tiny_model, device="cpu", calibration=calibration)
    for row in rows[:-1]:
        verdict = qc(Image.open(row["image"]), read_mask(row["prediction"], DEMO_LABELS))
        assert str(verdict.score) == row["score"]
        assert str(verdict.p_value) == row["p_value"]
        assert verdict.decision == row["decision"]
    summary = json.loads((out / "summary.json").read_text())["calibration"]
    assert sum(summary["decisions"].values()) == 7
    assert summary["source"] == "accepted"
    assert "list" in summary["warnings"][0]


def test_without_a_calibration_nothing_is_added(plain) -> None:
    assert "calibration" not in plain.summary
    assert not set(names(DECISION_COLUMNS)) & plain.rows[0].keys()


def test_a_calibration_of_another_model_is_refused_before_anything_is_scored(
    calibration: Path, tiny_voc: Path, tiny_predictions: Path, tmp_path: Path
) -> None:
    save_model(tmp_path / "other", tiny.tiny_model(labels=DEMO_LABELS, seed=1))
    config = AuditConfig(
        predictions=tiny_predictions,
        voc_root=tiny_voc,
        model=tmp_path / "other",
        out=tmp_path / "audit",
        device="cpu",
        calibration=calibration,
    )
    with pytest.raises(BadInput, match="fitted on scores of the model"):
        audit(config)
    assert not (tmp_path / "audit").exists()


def test_labelled_audits_get_dice_and_interval(
    plain, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    scores = np.linspace(0, 1, 60)
    save_calibration(
        tmp_path / "c.json", fit_calibration(Evidence(fingerprint(tiny_model), scores, labelled=(scores, 1 - scores)))
    )
    config = AuditConfig(
        predictions=tiny_predictions,
        voc_root=tiny_voc,
        model=tiny_model,
        out=tmp_path / "audit",
        device="cpu",
        calibration=tmp_path / "c.json",
    )
    for row in audit(config).rows:
        assert row["expected_dice"] == pytest.approx(1 - row["score"], abs=0.05)
        assert 0 <= row["expected_dice_low"] <= row["expected_dice"] <= row["expected_dice_high"] <= 1
        assert row["decision"] in ("review", "fail", "pass")
