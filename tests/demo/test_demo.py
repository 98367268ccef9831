"""The demo at a smaller size: the ranking finds the segmenter's own failures, and a repeated command redoes nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segqc.cli.app import app
from segqc.demo.config import DURATION, DemoConfig
from segqc.demo.run import demo


@pytest.mark.slow
def test_the_ranking_finds_the_failures_and_the_story_is_told_once(tmp_path: Path) -> None:
    # A quarter of the demo's time: smaller pictures, fewer of them, and fewer steps.
    config = DemoConfig(
        out=tmp_path / "demo", train_scenes=120, audit_scenes=60, scene_size=(120, 90), segmenter_steps=200,
        qc_steps=120, qc_image_size=96, qc_grid_size=32, top=12,
    )  # fmt: skip
    result = demo(config)
    rankings = result["rankings"]
    assert result["audited"] == 60
    assert rankings["segqc"]["spearman"] <= -0.4
    assert rankings["segqc"]["mean_dice_of_top"] < result["mean_dice"] - 0.1
    assert set(rankings) == {"segqc", "small foreground", "many classes"}
    assert Path(result["gallery"]).is_file()
    assert json.loads((tmp_path / "demo" / "demo.json").read_text())["rankings"] == rankings

    finished = {
        path: path.stat().st_mtime_ns
        for name in ("model", "predictions")
        for path in (tmp_path / "demo" / name).rglob("*")
        if path.is_file()
    }
    again = demo(config)
    assert again["rankings"] == rankings
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_the_help_and_the_readme_state_the_same_time() -> None:
    said = CliRunner().invoke(app, ["demo", "--help"]).output
    assert DURATION in " ".join(said.split())
    assert DURATION in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
