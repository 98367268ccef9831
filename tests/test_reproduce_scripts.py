"""The scripts that reproduce tables, end to end on rendered scenes: what they print is what a run of theirs found."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import DEMO_CLASSES

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def run(script: str, *arguments: object) -> str:
    result = subprocess.run([sys.executable, str(SCRIPTS / script), *map(str, arguments)], capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_the_papers_experiment_at_twenty_steps(tiny_voc: Path, tiny_predictions: Path, tmp_path: Path) -> None:
    arguments = ["--voc-root", tiny_voc, "--predictions", tiny_predictions, "--out", tmp_path, "--classes", DEMO_CLASSES]
    arguments += [
        "--deep-svdd",
        "none",
        "--steps",
        20,
        "--batch-size",
        2,
        "--size",
        32,
        "--density-items",
        8,
        "--device",
        "cpu",
        "--precision",
        "fp32",
    ]
    printed = run("reproduce_paper_voc.py", *arguments)
    assert "-0.53, +0.14, +0.30" in printed
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["method"], len(config["ladder"]["temperature"]), config["encoder"]) == ("paper", 20, None)
    record = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert record["rows"][0]["method"] == "segqc (paper)"
    assert record["images"] == 6
