"""The scripts behind docs/results-objects.md, on scenes small enough for a test."""

import sys
from pathlib import Path

import pytest

import segqc
from scripts import judge_missed, judge_objects


def run(script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *arguments: object) -> list[str]:
    monkeypatch.setattr(sys, "argv", [script.__name__, *map(str, arguments)])
    script.main()
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]


def test_tables_of_an_audit(tiny_voc, tiny_predictions, tiny_model, tmp_path, monkeypatch, capsys):
    segqc.audit(predictions=tiny_predictions, voc_root=tiny_voc, model=tiny_model, out=tmp_path / "audit", device="cpu")
    lines = run(
        judge_objects, monkeypatch, capsys, "--audit", f"tiny={tmp_path / 'audit'}", "--second", tiny_predictions
    )
    cells = [line.split("|")[1:-1] for line in lines]
    assert [cell.strip() for cell in cells[2][:3]] == ["tiny", "all", "segqc"]
    assert " second network " in {row[2] for row in cells}
    assert len(cells[-1]) == 5


def test_removed_objects_by_size(tiny_voc, tiny_model, tmp_path: Path, monkeypatch, capsys):
    for name in ("scene_00028", "scene_00029"):
        for kind, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / f"{name}.{suffix}").symlink_to(tiny_voc / kind / f"{name}.{suffix}")
    folders = ("--images", tmp_path / "JPEGImages", "--masks", tmp_path / "SegmentationClass")
    lines = run(judge_missed, monkeypatch, capsys, "--model", tiny_model, *folders, "--each", 1)
    counts = [int(line.split("|")[2]) for line in lines[2:]]
    assert len(counts) == 3
    assert 1 <= sum(counts) <= 6
