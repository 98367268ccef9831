"""The paper's own experiment at its own size: GNSM (arXiv 2304.03220) on Pascal VOC, Pearson over the 50 most anomalous
pictures.

    python scripts/reproduce_paper_voc.py --voc-root VOCdevkit --predictions deeplab_out --out runs/paper [--steps N
    --batch-size N --precision bf16]

Method `paper` with preset `voc256`: the reference's NCSN++ of 33.4 M parameters on picture and mask at 256 x 256, 20
temperatures, VOC train (or another list), Gaussian mixture on the score norms. Beside it the paper's other row, Deep
SVDD with an EfficientNetV2-S backbone. Prints the headline with the paper's figures: Pearson with Dice, MSD and HD95 of
-0.53, +0.14, +0.30 for GNSM and -0.03, -0.12, -0.11 for Deep SVDD.

For GPUs: days on one, `torchrun --nproc_per_node 4 scripts/reproduce_paper_voc.py ...` for several. Nobody has run it
at full size yet; the tests run four steps of it at 32 x 32, which proves that it works, nothing about its figures.
Stopped at any point, the same command continues.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.ranking.comparison import DiceComparison
from evaluation.report.config import EvaluateConfig
from evaluation.report.evaluate import evaluate
from segqc.auditing.config import AuditConfig
from segqc.auditing.run import audit
from segqc.training.config import TrainConfig
from segqc.training.run import train

PAPER = {"segqc (paper)": (-0.53, 0.14, 0.30), "Deep SVDD, one-class (v2_s)": (-0.03, -0.12, -0.11)}


def main() -> None:
    """Train, audit, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True, help="folder of masks predicted for VOC val")
    parser.add_argument("--out", type=Path, default=Path("runs/paper"))
    parser.add_argument("--train-set", default="train")
    parser.add_argument(
        "--classes", help="as --classes of `segqc train`, for a data set in VOC's layout with other classes"
    )
    parser.add_argument("--deep-svdd", default="v2_s/one-class", help='"none" for none')
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--size", type=int, help="side of picture and mask; 256 in the paper")
    parser.add_argument(
        "--density-items", type=int, default=TrainConfig().density_items, help="pairs that the mixture is fitted on"
    )
    parser.add_argument("--resamples", type=int, default=EvaluateConfig(Path()).resamples, help="of the bootstrap")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console = Console()
    model = train(
        TrainConfig(
            voc_root=arguments.voc_root,
            image_set=arguments.train_set,
            classes=arguments.classes,
            out=arguments.out / "model",
            method="paper",
            preset="voc256",
            steps=arguments.steps,
            batch_size=arguments.batch_size,
            image_size=arguments.size,
            grid_size=arguments.size,
            density_items=arguments.density_items,
            precision=arguments.precision,
            device=arguments.device,
            seed=arguments.seed,
        ),
        console,
    )
    audited = AuditConfig(
        predictions=arguments.predictions,
        out=arguments.out / "audit",
        model=model,
        voc_root=arguments.voc_root,
        device=arguments.device,
    )
    audit(audited, DiceComparison(), console)
    networks = () if arguments.deep_svdd == "none" else (arguments.deep_svdd,)
    config = EvaluateConfig(
        audit=audited.out,
        out=arguments.out / "evaluation",
        voc_root=arguments.voc_root,
        train_set=arguments.train_set,
        deep_svdd=networks,
        resamples=arguments.resamples,
        device=arguments.device,
        seed=arguments.seed,
    )
    found = evaluate(config, console)
    table = Table(
        title=f"Pearson over the {config.top} most anomalous of {len(found.study.ids)} pictures (in the paper: 1,449)"
    )
    for column in ("method", "Dice", "MSD", "HD95", "in the paper"):
        table.add_column(column)
    for row in (row for row in found.rows if row["method"] in PAPER):
        values = [row[f"pearson_{name}_top"] for name in ("dice", "msd", "hd95")]
        cells = ["-" if value is None else f"{value:+.2f}" for value in values]
        table.add_row(row["method"], *cells, ", ".join(f"{value:+.2f}" for value in PAPER[row["method"]]))
    console.print(table)
    console.print(f"Wrote {arguments.out}: model/, audit/ and evaluation/report.html with all other rows.")


if __name__ == "__main__":
    main()
