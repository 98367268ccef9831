"""`--tiles`: one setting in command, Python, summary, hook and calibration; an audit in other tiles begins anew."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import segqc
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.base.errors import BadInput
from segqc.calibration.fit import Evidence, fit_calibration
from segqc.calibration.storage import check_fits
from segqc.cli.app import app
from segqc.data.masks import read_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.results.table import read_finished_audit


@pytest.fixture(scope="module")
def tiled(tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit in 2 x 2 tiles, by the command."""
    out = tmp_path_factory.mktemp("tiles") / "out"
    command = f"audit --predictions {tiny_predictions} --images {tiny_voc / 'JPEGImages'} --model {tiny_model}"
    result = CliRunner().invoke(app, [*f"{command} --device cpu --tiles 2 --out {out}".split()])
    assert result.exit_code == 0, result.output
    return out


def scores_of(out: Path) -> dict[str, float]:
    return {row["id"]: row["score"] for row in read_finished_audit(out).rows}


def test_command_python_and_hook_give_the_same_scores(
    tiled: Path, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    report = segqc.audit(
        predictions=tiny_predictions, images=tiny_voc / "JPEGImages", model=tiny_model, tiles=2, out=tmp_path / "out",
        device="cpu", heatmaps=False,
    )  # fmt: skip
    whole = segqc.load(tiny_model, device="cpu")
    qc = segqc.load(tiny_model, device="cpu", tiles=2)
    assert json.loads((tiled / "summary.json").read_text())["config"]["tiles"] == report.summary["config"]["tiles"] == 2
    for row in report.rows:
        image, mask = Image.open(row["image"]), read_mask(row["prediction"], DEMO_LABELS)
        assert qc(image, mask).score == row["score"] != whole(image, mask).score
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        with qc.attach(lambda x, mask=mask: torch.tensor(mask)[None].long()) as hook:
            hook(pixels)
        assert hook.last[0].score == pytest.approx(row["score"], abs=1e-6)
        assert row["density"] is None, "the density knows whole pictures"
        heat = Image.open(tiled / "heatmaps" / f"{row['id']}.png")
        assert heat.size == image.size
    assert scores_of(tiled) == {row["id"]: row["score"] for row in report.rows}


def test_an_audit_continues_in_its_tiles_and_begins_anew_in_others(
    tiled: Path, tiny_voc: Path, tiny_predictions: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"predictions": tiny_predictions, "images": tiny_voc / "JPEGImages", "model": tiny_model}
    before = scores_of(tiled)
    same = segqc.audit(**settings, out=tiled, device="cpu", tiles=2, progress=True)
    assert "6 of 6 pairs were scored before" in capsys.readouterr().out
    assert {row["id"]: row["score"] for row in same.rows} == before
    whole = audit(AuditConfig(**settings, out=tiled, device="cpu"))
    assert whole.summary["config"]["tiles"] == 1
    assert {row["id"]: row["score"] for row in whole.rows} != before
    assert all(row["density"] is not None for row in whole.rows)


def test_a_calibration_belongs_to_its_tiles() -> None:
    scores = np.linspace(0, 1, 200)
    calibration = fit_calibration(Evidence("model", scores, accepted=scores, tiles=2))
    check_fits(calibration, "file", "model", None, (1,), 2)
    with pytest.raises(BadInput, match="pictures in 2 x 2 tiles, but they are scored in one piece"):
        check_fits(calibration, "file", "model", None, (1,))


def test_what_cannot_be_tiled_is_refused(tiny_paper_model: Path, tiny_model: Path) -> None:
    with pytest.raises(BadInput, match="no class posterior"):
        segqc.load(tiny_paper_model, device="cpu", tiles=2)
    with pytest.raises(ValueError, match="1 to 8 tiles"):
        segqc.load(tiny_model, device="cpu", tiles=9)
    with pytest.raises(ValueError, match="tiles to be from 1 to 8"):
        AuditConfig(predictions=Path("masks"), tiles=0)
    with pytest.raises(BadInput, match="only to an audit of predictions"):
        segqc.audit(images="images", ground_truth="masks", tiles=2)
