"""Do the heat maps of an audit point at the wrong pixels? AUROC and average precision of heat against true error.

    python scripts/judge_heatmaps.py --audit audit --voc-root VOCdevkit

Error is where prediction and ground truth differ, void removed. "pooled" is over every 7th pixel of all pictures
together, "per picture" the mean over pictures that have both kinds of pixel. Takes about a minute for 241 pictures.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score, roc_auc_score

from segqc.base.errors import BadInput
from segqc.data.labels import VOC_LABELS, VOID
from segqc.data.listing import masks_by_id
from segqc.data.masks import read_mask
from segqc.data.voc import find_voc
from segqc.results.table import is_scored, read_audit_table

HeatJudgement = tuple[tuple[float, float, float], tuple[float, float, float]]
"""(AUROC, AP, share of wrong pixels), pooled and as means over pictures."""

STRIDE = 7  # pixels; pooled figures of 241 pictures hardly move with it


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audit", type=Path, required=True)
    parser.add_argument("--voc-root", type=Path, required=True)
    arguments = parser.parse_args()
    pooled, single = judge(arguments.audit, find_voc(arguments.voc_root).masks)
    table = Table(title=str(arguments.audit))
    for name in ("", "pixel AUROC", "pixel AP", "pixels wrong"):
        table.add_column(name)
    for name, numbers in (("pooled", pooled), ("per picture", single)):
        table.add_row(name, *(f"{number:.3f}" for number in numbers))
    Console().print(table)


def judge(audit: Path, truths: Path) -> HeatJudgement:
    """Compare an audit's heat maps with the errors of its predictions, by a folder of true masks."""
    heats, errors, single = [], [], []
    table, truth_of = read_audit_table(audit), masks_by_id(truths)
    for row in filter(is_scored, table.rows):
        heat_file, truth_file = table.heatmap(row), truth_of.get(row["id"])
        if heat_file is None or truth_file is None:
            missing = f"a heat map in {audit}" if heat_file is None else f"a true mask in {truths}"
            raise BadInput(row["id"], f"lacks {missing}")
        heat = np.asarray(Image.open(heat_file))
        prediction, truth = read_mask(table.file(row, "prediction"), VOC_LABELS), read_mask(truth_file, VOC_LABELS)
        valid = (truth != VOID).ravel()
        wrong, heat = (prediction != truth).ravel()[valid][::STRIDE], heat.ravel()[valid][::STRIDE]
        heats.append(heat)
        errors.append(wrong)
        if 0 < wrong.mean() < 1:
            single.append((roc_auc_score(wrong, heat), average_precision_score(wrong, heat), wrong.mean()))
    heat, wrong = np.concatenate(heats), np.concatenate(errors)
    return (roc_auc_score(wrong, heat), average_precision_score(wrong, heat), wrong.mean()), tuple(
        np.mean(single, axis=0)
    )


if __name__ == "__main__":
    main()
