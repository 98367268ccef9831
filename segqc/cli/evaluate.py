"""`segqc evaluate`."""

from rich.table import Table

from evaluation.report.config import EvaluateConfig
from segqc.base.console import console, wrote
from segqc.cli.options import fills_in

EPILOG = (
    "Example: segqc evaluate --audit audit --voc-root VOCdevkit --image-set val --train-set train "
    "--second predictions_b --out evaluation"
)

_EVALUATED = ("spearman", "auroc", "dice_top")  # measures that the console shows; the report has all of them


@fills_in(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> None:
    """Evaluate an audit against ground truth, in comparison with baselines.

    Takes the audit of a set of predictions. Measures how well its scores, and those of each baseline, rank the
    predictions by their true Dice.

    Writes report.html, methods.csv, images.csv, classes.csv (each also as .parquet), class_summary.csv, evaluation.json
    and figures.
    """
    from evaluation.report.evaluate import evaluate as run

    found = run(config, console)
    title = f"{len(found.study.examples)} images, mean Dice {found.study.quality.dice.mean():.3f}"
    table = Table(title=f"{title}; a lower Spearman is better")
    for name in (
        "method",
        "Spearman with Dice",
        f"AUROC of Dice < {config.threshold:g}",
        f"mean Dice of the {found.top} highest scores",
    ):
        table.add_column(name, overflow="fold")
    for row in found.rows:
        numbers = (
            "-" if row[key] is None else f"{row[key]:.3f} [{row[key + '_low']:.2f}, {row[key + '_high']:.2f}]"
            for key in _EVALUATED
        )
        table.add_row(row["method"], *numbers)
    console.print(table)
    if found.top_note:
        console.print(found.top_note, soft_wrap=True)
    for name, why in found.absent.items():
        console.print(f"Not evaluated: {name}: {why}", soft_wrap=True, highlight=False)
    if found.study.left_out:
        console.print(f"{len(found.study.left_out)} predictions were left out; the report lists them with the reason.")
    console.print()
    console.print(
        wrote(
            config.out,
            ": report.html, methods.csv, images.csv, classes.csv, class_summary.csv, evaluation.json and figures.",
        ),
        soft_wrap=True,
    )
    console.print(f"Next: open {config.out / 'report.html'} in a browser.", soft_wrap=True)
