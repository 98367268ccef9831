"""`segqc evaluate`."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from evaluation.report.config import EvaluateConfig
from segqc.base.console import console, present, wrote
from segqc.base.imports import large_imports
from segqc.cli.options import fills_in

if TYPE_CHECKING:
    from evaluation.report.evaluation import Evaluation
    from evaluation.report.objects import ObjectStudy

EPILOG = (
    "Example: segqc evaluate --audit audit --voc-root VOCdevkit --image-set val --train-set train "
    "--second predictions_b --out evaluation"
    "\n\nExample, own data: segqc evaluate --audit audit --ground-truth MASKS --train-images IMAGES --train-masks "
    "MASKS --out evaluation"
)
_WRITTEN = (
    "report.html", "methods.csv", "images.csv", "classes.csv", "objects.csv", "object_methods.csv", "evaluation.json",
)  # fmt: skip


@fills_in(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> None:
    """Evaluate an audit against ground truth, in comparison with baselines.

    Takes the audit of a set of predictions. Measures how well its scores, and those of each baseline, rank the
    predictions by their true Dice.

    Baselines that learn take the pairs that the audit's model was trained on, or those of `--train-images` and
    `--train-masks`, `--train-data`, or `--voc-root` and `--train-set`.

    Writes report.html, methods.csv, images.csv, classes.csv, objects.csv, object_methods.csv (each also as .parquet),
    class_summary.csv, evaluation.json and figures.
    """
    with large_imports():
        from evaluation.report.evaluate import evaluate as run
        from segqc.data.inspection.survey import commonest_reason

    found = run(config, console)
    _print_answer(found)
    if found.objects is not None:
        console.print(_about_objects(found.objects), soft_wrap=True, highlight=False)
    for name, why in found.absent.items():
        console.print(f"Not evaluated: {name}: {why}", soft_wrap=True, highlight=False)
    if found.study.left_out:
        console.print(f"{len(found.study.left_out)} predictions were left out; the report lists them with the reason.")
        console.print(f"  {commonest_reason(list(found.study.left_out.items()))}", soft_wrap=True, highlight=False)
    console.print()
    console.print(
        wrote(
            config.out,
            f": {present(config.out, _WRITTEN)} and figures.",
        ),
        soft_wrap=True,
    )
    console.print(f"Next: open {config.out / 'report.html'} in a browser.", soft_wrap=True)


def _print_answer(found: "Evaluation") -> None:
    """What a user asks, in sentences and a short table, and what there is to say about the figures."""
    from evaluation.report.answer import HEADING

    console.print(Text(HEADING, style="bold"))
    for sentence in found.answer.sentences:
        console.print(sentence, soft_wrap=True, highlight=False)
    if found.answer.lines:
        table = Table(title=f"{len(found.study.examples)} images, mean Dice {found.study.quality.dice.mean():.3f}")
        for name in found.answer.lines[0]:
            table.add_column(name, overflow="fold")
        for line in found.answer.lines:
            table.add_row(*line.values())
        console.print(table)
    notes = [*found.undefined_notes("auroc", "auroc_decile"), *found.notes]
    for note in [*notes, found.top_note] if found.top_note else notes:
        console.print(note, soft_wrap=True, highlight=False)


def _about_objects(objects: "ObjectStudy") -> str:
    """The audit's own figures on single objects, and what was missed."""
    own = objects.rows[0]
    parts = [
        f"AUROC of {what} {own[key]:.3f}"
        for key, what in (("auroc_zero", "IoU = 0"), ("auroc_below", "IoU < 0.5"))
        if own[key] is not None
    ]
    if objects.missed:
        parts.append(f"{objects.found[1.0]:.0%} of {objects.missed} missed ones listed at one false alarm a picture")
    return f"Objects: {own['count']} judged" + "".join(f"; {part}" for part in parts) + "."
