"""The scripts that reproduce tables, end to end on rendered scenes: what they print is what a run of theirs found."""

import csv
import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import script as run_script
from conftest import DEMO_CLASSES

from evaluation.ranking.correlation import spearman
from segqc.data.masks import read_mask, write_mask
from segqc.demo.scenes import DEMO_LABELS
from segqc.results.table import read_finished_audit
from segqc.training.run import train

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run(script: str, *arguments: object) -> str:
    result = run_script(SCRIPTS / script, *arguments)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow
def test_the_papers_experiment_at_four_steps(tiny_voc: Path, tiny_predictions: Path, tmp_path: Path) -> None:
    arguments = [
        "--voc-root",
        tiny_voc,
        "--predictions",
        tiny_predictions,
        "--out",
        tmp_path,
        "--classes",
        DEMO_CLASSES,
    ]
    arguments += [
        "--deep-svdd",
        "none",
        "--steps",
        4,
        "--batch-size",
        2,
        "--size",
        32,
        "--density-items",
        4,
        "--resamples",
        20,
    ]
    arguments += ["--device", "cpu", "--precision", "fp32"]
    printed = run("reproduce_paper_voc.py", *arguments)
    assert "-0.53, +0.14, +0.30" in printed
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["method"], len(config["ladder"]["temperature"]), config["encoder"]) == ("paper", 20, None)
    record = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert record["rows"][0]["method"] == "segqc (paper)"
    assert record["images"] == 6


def test_the_results_on_voc_in_small_with_two_seeds(
    tiny_voc: Path, tiny_predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = importlib.import_module("reproduce_voc")
    trained = []

    def train_small(config, console):
        trained.append((config.out.name, config.method, config.seed))
        small = {
            "encoder": "tf_efficientnet_lite0",
            "image_size": 64,
            "grid_size": 16,
            "batch_size": 4,
            "guess_steps": 2,
            "views": 1,
        }
        return train(dataclasses.replace(config, density_items=8, device="cpu", precision="fp32", **small), console)

    monkeypatch.setattr(script, "train", train_small)
    monkeypatch.setattr(script, "MODELS", tuple(model for model in script.MODELS if model.every_seed))
    for number, path in enumerate(sorted(tiny_predictions.glob("*.png"))):
        mask = read_mask(path, DEMO_LABELS).copy()
        mask[: 10 * number] = number  # the later, the worse
        write_mask(tmp_path / "predictions" / "net" / path.name, mask, DEMO_LABELS)
    out = tmp_path / "out"
    arguments = [
        "--voc-root",
        tiny_voc,
        "--predictions",
        tmp_path / "predictions",
        "--out",
        out,
        "--train-set",
        "train",
        "--deep-svdd",
        "none",
    ]
    arguments += ["--steps", 4, "--ablation-steps", 3, "--corruptions", 1, "--seeds", 0, 1, "--resamples", 20]
    monkeypatch.setattr(sys, "argv", ["reproduce_voc.py", *map(str, arguments)])
    script.main()
    assert set(trained) == {
        ("structured", "structured", 0), ("structured-seed-1", "structured", 1), ("paper-short", "paper", 0),
        ("paper-short-seed-1", "paper", 1),
    }  # fmt: skip
    text = (out / "results-voc.md").read_text()
    assert "seeds 0, 1" in text
    with (out / "evaluations" / "net" / "images.csv").open(newline="") as file:
        dice = {row["id"]: float(row["dice"]) for row in csv.DictReader(file)}
    scores = []
    for name in ("structured", "structured-seed-1"):
        audited = read_finished_audit(out / "audits" / "net" / name)
        scores.append(audited.column("score", list(dice)))
    ranks = [spearman(column, np.array(list(dice.values()))) for column in scores]
    (row,) = (line for line in text.splitlines() if line.startswith("| structured, 4 steps |") and "pooled" in line)
    assert f"{np.mean(ranks):.3f} [" in row
    assert ", ".join(f"{rank:.3f}" for rank in ranks) in row
    assert not np.array_equal(*scores)
