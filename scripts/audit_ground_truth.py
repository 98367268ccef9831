"""Ground-truth audit: put known errors into a share of the masks, and see whether a model trained on them ranks the wrong ones first.

    python scripts/audit_ground_truth.py --voc-root VOCdevkit --image-set train --out runs/label-errors [--steps 1000 --share 0.2]

No predictions are involved. The pairs are dealt into three folds; each fold is scored by a `cpu` model trained on the two others, errors included.
Beside it `cleanlab.segmentation`, fed with the same model's averaged class posterior (pip install 'segqc[cleanlab]'; left out when it is missing).
Writes judgement.csv: AUROC, average precision and precision at the number of errors, for all of them and per type, with 95 % bootstrap intervals.

Stopped at any point, the same command continues. It trains three models; how long that takes is up to --steps.
"""

import argparse
import importlib.util
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.label_errors import (
    JUDGEMENT_COLUMNS,
    cross_fitted_scores,
    inject_label_errors,
    judge_label_errors,
    quality_and_cleanlab,
    quality_score,
    segqc_trainer,
)
from segqc.config import TrainConfig
from segqc.files import write_table
from segqc.pairs import voc_pairs
from segqc.training_data import training_labels


def main() -> None:
    """Inject, train and score, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--image-set", default="train")
    parser.add_argument("--classes", help="as --classes of `segqc train`")
    parser.add_argument("--out", type=Path, default=Path("runs/label-errors"))
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console = Console()
    copy = arguments.out / "VOC"
    config = TrainConfig(voc_root=copy, image_set="train", classes=arguments.classes, preset="cpu", steps=arguments.steps, seed=arguments.seed)
    labels = training_labels(config)
    errors = inject_label_errors(
        voc_pairs(arguments.voc_root, arguments.image_set)[0], labels, copy, arguments.share, arguments.seed, console=console
    )
    with_cleanlab = importlib.util.find_spec("cleanlab") is not None
    scores = cross_fitted_scores(
        segqc_trainer(config, console),
        voc_pairs(copy, "train")[0],
        labels,
        arguments.out / "models",
        seed=arguments.seed,
        scorer_id=f"{arguments.steps} steps, cleanlab {with_cleanlab}",
        measure=quality_and_cleanlab if with_cleanlab else quality_score,
        console=console,
    )
    rows = []
    for method in ("score", "cleanlab") if with_cleanlab else ("score",):
        judged = judge_label_errors({id_: values[method] for id_, values in scores.items()}, errors, seed=arguments.seed)
        rows += [{"method": "segqc" if method == "score" else method} | row for row in judged]
    write_table(arguments.out / "judgement.csv", rows, ["method", *JUDGEMENT_COLUMNS])
    table = Table(title=f"{len(errors)} wrong masks among {len(scores)}")
    for column in ("method", "error", "injected", "AUROC", "average precision", "precision"):
        table.add_column(column)
    for row in rows:
        figures = (f"{row[key]:.3f} [{row[key + '_low']:.2f}, {row[key + '_high']:.2f}]" for key in ("auroc", "average_precision", "precision"))
        table.add_row(row["method"], row["error"], str(row["injected"]), *figures)
    console.print(table)
    console.print(f"Wrote {arguments.out / 'judgement.csv'}.")


if __name__ == "__main__":
    main()
