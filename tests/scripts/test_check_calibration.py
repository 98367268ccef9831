"""The script that checks calibrations on real predictions: it tells promises that hold from promises that do not."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from segqc.base.tables import write_table


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "check_calibration.py"
    spec = importlib.util.spec_from_file_location("check_calibration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    module.RESAMPLES = 40
    return module


@pytest.fixture
def audits(tmp_path: Path) -> tuple[Path, Path]:
    """An audit with Dice, and one of true masks that score much lower."""
    rng = np.random.default_rng(0)
    scores = rng.random(300)
    dice = np.clip(1 - scores**2 + rng.normal(0, 0.1, 300), 0, 1)
    rows = [
        {"id": f"{i}", "status": "ok", "score": s, "dice": d} for i, (s, d) in enumerate(zip(scores, dice, strict=True))
    ]
    write_table(tmp_path / "audit" / "scores.csv", rows, ("id", "status", "score", "dice"))
    write_table(
        tmp_path / "truth" / "scores.csv",
        [row | {"score": 0.2 * row["score"]} for row in rows],
        ("id", "status", "score", "dice"),
    )
    return tmp_path / "audit", tmp_path / "truth"


def test_promises_hold_on_an_audit_and_not_for_true_masks(
    script: ModuleType, audits, capsys: pytest.CaptureFixture[str]
) -> None:
    (data,) = script.from_audit(*audits)
    flags, wrong = script.check_flags(data), script.check_flags(data, use_true_masks=True)
    assert flags["fdr"].mean() < 0.12
    assert flags["found"].mean() > 0.5
    assert flags["alarm_10"].mean() < 0.12
    assert wrong["alarm_10"].mean() > 0.5
    assert script.check_intervals(data)["coverage"].mean() > 0.88
    certified, broken, passing = script.check_threshold(data, 240, 0.1)
    assert certified > 20
    assert broken <= 10
    assert 0.2 < passing < 0.9
    script.main(["--audit", str(audits[0]), "--true-masks", str(audits[1]), "--labels", "120"])
    printed = capsys.readouterr().out
    assert "calibrated on true masks" in printed


def test_the_share_cell_is_clopper_and_pearsons(script: ModuleType) -> None:
    assert script.share_cell(0, 200) == "0.000 [0.000, 0.018]"
    assert script.share_cell(200, 200) == "1.000 [0.982, 1.000]"
    assert script.share_cell(5, 200) == "0.025 [0.008, 0.057]"


def test_what_is_missing_is_named(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main([])
    assert "--audit" in capsys.readouterr().err
    write_table(tmp_path / "scores.csv", [{"id": "a", "status": "ok", "score": 1.0}], ("id", "status", "score"))
    with pytest.raises(SystemExit, match="no prediction with a Dice"):
        script.main(["--audit", str(tmp_path)])
