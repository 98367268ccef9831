"""The scripts behind docs/results-objects.md, on scenes small enough for a test."""

import sys
from pathlib import Path

import numpy as np
import pytest

import segqc
from scripts import check_object_calibration, judge_missed, judge_objects
from segqc.base.files import write_json
from segqc.base.tables import write_table
from segqc.results.schema import object_columns


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


def test_promises_of_a_calibration_of_objects(tmp_path: Path, monkeypatch, capsys):
    rng, columns = np.random.default_rng(0), object_columns(compared=True, calibrated=False)
    objects = [
        dict.fromkeys(columns) | {"id": f"p{i % 60}", "object": i, "expected_iou": iou, "iou": iou**2, "score": 1 - iou}
        for i, iou in enumerate(rng.random(150).tolist())
    ]
    scores = [{"id": f"p{i}", "score": 0.5, "status": "ok", "dice": 0.5} for i in range(60)]
    write_table(tmp_path / "scores.csv", scores, ("id", "score", "status", "dice"))
    write_table(tmp_path / "objects.parquet", objects, columns)
    write_json(tmp_path / "summary.json", {"model": {"fingerprint": "m"}, "config": {}})
    monkeypatch.setattr(check_object_calibration, "RESAMPLES", 4)
    lines = run(check_object_calibration, monkeypatch, capsys, "--audit", f"made={tmp_path}")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[:3] for row in cells[2:]] == [
        ["made", f"60, 150, {sum(row['iou'] < 0.5 for row in objects)}", weights]
        for weights in ("by picture", "all alike")
    ]
    assert float(cells[2][3].split()[0]) > 0.8
    write_table(tmp_path / "objects.parquet", [row for row in objects if row["id"] < "p2"], columns)
    with pytest.raises(SystemExit, match="pictures with objects are missing"):
        run(check_object_calibration, monkeypatch, capsys, "--audit", f"made={tmp_path}")
