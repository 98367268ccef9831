"""Hold an audit's score against the simple scores that a sceptic would try, on the same pictures.

    python scripts/compare_scores.py audit/ [--second OTHER_PREDICTIONS/]

Needs an audit whose pictures have ground truth (the `dice` column of its scores.csv). Prints for each score its Spearman correlation with Dice (95 %
bootstrap interval over pictures), the AUROC of Dice < 0.5 and the mean Dice of the 50 ranked worst: the rows of the README's results table. Takes
ten seconds for 241 pictures. On the README's Pascal VOC subset with a 513 px quantised DeepLabV3-MobileNetV2 it printed, for a `mixing` model:
score -0.778, density head -0.414, number of predicted classes -0.655, disagreement with the half-width network -0.765.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evaluation.correlation import bootstrap_interval, spearman
from evaluation.metrics import mean_dice
from evaluation.selective import auroc, bad_below, mean_of_top
from segqc.artifact import load_model
from segqc.files import read_json
from segqc.masks import read_mask

TOP = 50


def read_rows(audit: Path) -> list[dict[str, str]]:
    """Rows of an audit that were scored and compared with ground truth."""
    with (audit / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "ok" and row["dice"]]
    if len(rows) < 3:
        raise SystemExit(f"{audit / 'scores.csv'} has {len(rows)} rows with a Dice; audit with --voc-root or --ground-truth first")
    return rows


def disagreement(rows: list[dict[str, str]], second: Path, model: Path) -> np.ndarray:
    """1 - Dice between each prediction and a second network's mask of the same picture."""
    labels = load_model(model, "cpu").config.label_space
    pairs = [(Path(row["prediction"]), second / f"{row['id']}.png") for row in rows]
    return np.array([1 - mean_dice(read_mask(a, labels), read_mask(b, labels), labels.num_classes, background=labels.background) for a, b in pairs])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audit", type=Path, help="folder written by `segqc audit`")
    parser.add_argument("--second", type=Path, help="another network's masks of the same pictures")
    arguments = parser.parse_args()
    rows = read_rows(arguments.audit)
    summary = read_json(arguments.audit / "summary.json")
    dice = np.array([float(row["dice"]) for row in rows])
    scores = {f"score ({summary['method']})": np.array([float(row["score"]) for row in rows])}
    if rows[0]["agreement"]:
        scores["density head"] = np.array([float(row["density"]) for row in rows])
    scores["number of predicted classes"] = np.array([len([name for name in row["classes"].split(";") if name]) for row in rows])
    if arguments.second:
        scores[f"disagreement with {arguments.second.name}"] = disagreement(rows, arguments.second, Path(summary["model"]["folder"]))
    scores["the true Dice"] = -dice
    table = Table(title=f"{len(rows)} pictures, mean Dice {dice.mean():.3f}")
    for column in ("score", "Spearman with Dice", "AUROC of Dice < 0.5", f"mean Dice of the {TOP} ranked worst"):
        table.add_column(column)
    for name, values in scores.items():
        interval = bootstrap_interval(spearman, values, dice)
        numbers = f"{spearman(values, dice):.3f} [{interval.low:.2f}, {interval.high:.2f}]"
        table.add_row(name, numbers, f"{auroc(values, bad_below(dice)):.3f}", f"{mean_of_top(values, dice, TOP):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
