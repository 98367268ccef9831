"""`segqc evaluate`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from evaluation.report.config import EvaluateConfig
from segqc.base.console import console, wrote
from segqc.cli.options import fills_in

if TYPE_CHECKING:
    from evaluation.report.evaluation import Evaluation

EPILOG = (
    "Example: segqc evaluate --audit audit --voc-root VOCdevkit --image-set val --train-set train "
    "--second predictions_b --out evaluation"
    "\n\nExample, own data: segqc evaluate --audit audit --ground-truth MASKS --train-images IMAGES --train-masks "
    "MASKS --out evaluation"
)


@fills_in(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> None:
    """Evaluate an audit against ground truth, in comparison with baselines.

    Takes the audit of a set of predictions. Measures how well its scores, and those of each baseline, rank the
    predictions by their true Dice.

    Baselines that learn take the pairs that the audit's model was trained on, or those of `--train-images` and
    `--train-masks`, `--train-data`, or `--voc-root` and `--train-set`.

    Writes report.html, methods.csv, images.csv, classes.csv (each also as .parquet), class_summary.csv, evaluation.json
    and figures.
    """
    from evaluation.report.evaluate import evaluate as run
    from segqc.data.inspection.survey import commonest_reason

    found = run(config, console)
    _print_methods(found)
    for name, why in found.absent.items():
        console.print(f"Not evaluated: {name}: {why}", soft_wrap=True, highlight=False)
    if found.study.left_out:
        console.print(f"{len(found.study.left_out)} predictions were left out; the report lists them with the reason.")
        console.print(f"  {commonest_reason(list(found.study.left_out.items()))}", soft_wrap=True, highlight=False)
    console.print()
    console.print(
        wrote(
            config.out,
            ": report.html, methods.csv, images.csv, classes.csv, class_summary.csv, evaluation.json and figures.",
        ),
        soft_wrap=True,
    )
    console.print(f"Next: open {config.out / 'report.html'} in a browser.", soft_wrap=True)


def _print_methods(found: "Evaluation") -> None:
    """The table of methods with three measures, and what there is to say about them."""
    from evaluation.ranking.judging import measures

    # Failures that are none, or all, tell no method from another; the worst tenth by Dice is then shown in their place.
    failures = "auroc_decile" if len(found.undefined.get("auroc", {})) == len(found.rows) else "auroc"
    shown = ["spearman", failures, "dice_top"]
    titles = {measure.key: measure.title for measure in measures(found.top, found.threshold)}
    title = f"{len(found.study.examples)} images, mean Dice {found.study.quality.dice.mean():.3f}"
    table = Table(title=f"{title}; a lower Spearman is better")
    for name in ("method", *(titles[key] for key in shown)):
        table.add_column(name, overflow="fold")
    for row in found.rows:
        table.add_row(row["method"], *(_figure(row, key) for key in shown))
    console.print(table)
    notes = [*found.undefined_notes("auroc", *shown), *found.notes]
    if failures != "auroc":
        notes.insert(0, "The table has the worst tenth by Dice in place of failures; --threshold sets another limit.")
    for note in [*notes, found.top_note] if found.top_note else notes:
        console.print(note, soft_wrap=True, highlight=False)


def _figure(row: Mapping[str, Any], key: str) -> str:
    """A figure with its interval in brackets."""
    if row[key] is None:
        return "-"
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return f"{row[key]:.3f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")
