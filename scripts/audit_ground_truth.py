"""Find label errors: put known ones into a share of a dataset's masks, and see how early a score that never saw a mask
ranks them.

    python scripts/audit_ground_truth.py --voc-root VOCdevkit --image-set train --out runs/label-errors [--steps N
    --share 0.2 --seed 0]

1. Copies the dataset to OUT/voc, with swapped classes, other pictures' masks, missing objects, shifts and spurious
   blobs in a share of its masks
   (OUT/voc/label_errors.csv lists them).
2. Trains `--folds` models with the preset `cpu`, each on the copy without one fold, errors included, and scores that
   fold's masks, as `segqc audit`
   does without predictions. The folds share the pictures' features.
3. Prints, overall and per type of error, AUROC, average precision and precision at the number of injected errors, with
   95 % bootstrap intervals over
   masks: for segqc's score and, where cleanlab is installed, for cleanlab's label quality of the same model's class
   probabilities.

Writes OUT/judgement.csv (that table), OUT/scores.csv (one row per mask, the most suspect first) and OUT/left_out.csv
(what is not audited, and why: pairs that cannot be read, masks that are void throughout). The same command continues a
killed run: in its copy, in the training that was cut short, or after the last scored mask.
"""

import argparse
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.corruption.cross_fit import cross_fitted_scores, segqc_trainer
from evaluation.corruption.judgement import JUDGEMENT_COLUMNS, judge_label_errors
from evaluation.corruption.label_errors import LabelError, inject_label_errors
from evaluation.corruption.measures import quality_and_cleanlab, quality_score
from segqc.auditing.config import LabelAuditConfig
from segqc.auditing.ground_truth import features_folder
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.journal import Journal
from segqc.base.settings import to_json
from segqc.base.tables import write_table
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, Problem, dataset_fingerprint
from segqc.data.voc import voc_pairs
from segqc.training.config import TrainConfig
from segqc.training.pairs import check_pairs, training_labels
from segqc.training.resolved import resolve

SCORE_NAMES = {"score": "segqc", "cleanlab": "cleanlab"}

NO_PART_OF_A_SCORE = ("voc_root", "image_set", "out", "device", "workers", "compile", "feature_cache", "fold")
"""Settings that may change, and folders that may move, without scoring a mask again."""


def audit_ground_truth(config: TrainConfig, share: float = 0.2, console: Console | None = None) -> list[dict[str, Any]]:
    """Inject, cross-fit, judge, and write the tables.

    Parameters
    ----------
    config : TrainConfig
        `voc_root` and `image_set` name the dataset, `out` the folder for everything, `seed` is that of the errors,
        folds and trainings. Cached features of the copy are kept in `feature_cache / "with-label-errors"`, or deleted
        in the end.
    share : float
        Share of masks that get an error, in (0, 1).
    console : Console, optional
        Where progress goes; None is silent.

    Returns
    -------
    list of dict
        Rows of judgement.csv: `JUDGEMENT_COLUMNS` after the name of the score.

    Raises
    ------
    BadInput
        No dataset there, or `out` holds a run with other settings.
    """
    if config.voc_root is None:
        raise BadInput("--voc-root", "is not given", "name a folder in Pascal VOC's layout")
    labels, out = training_labels(config), config.out
    pairs, problems = _readable_pairs(config.voc_root, config, labels, console)
    errors = inject_label_errors(pairs, labels, out / "voc", share, config.seed, console=console)
    copies, _ = voc_pairs(out / "voc", "train")
    _write_left_out(out / "left_out.csv", pairs, problems, copies, console)
    training = resolve(replace(config, voc_root=out / "voc", image_set="train"))
    if training.feature_cache is not None:  # the cache of the dataset itself, which has other masks, may lie there
        training = replace(training, feature_cache=training.feature_cache / "with-label-errors")
    settings = {name: value for name, value in to_json(training).items() if name not in NO_PART_OF_A_SCORE}
    measure = quality_and_cleanlab if importlib.util.find_spec("cleanlab") else quality_score
    scores = cross_fitted_scores(
        segqc_trainer(training, console), copies, labels, out / "models", config.folds, config.seed,
        scorer_id=f"{measure.__name__} {json.dumps(settings)}", measure=measure, console=console,
    )  # fmt: skip
    shutil.rmtree(features_folder(out / "models"), ignore_errors=True)
    rows = []
    for name in next(iter(scores.values())):
        judged = judge_label_errors({id_: numbers[name] for id_, numbers in scores.items()}, errors, seed=config.seed)
        rows += [{"score": SCORE_NAMES[name], **row} for row in judged]
    write_table(out / "judgement.csv", rows, ("score", *JUDGEMENT_COLUMNS))
    _write_scores(out / "scores.csv", scores, errors)
    return rows


def _readable_pairs(
    voc_root: Path, config: TrainConfig, labels: LabelSpace, console: Console | None
) -> tuple[list[Pair], list[Problem]]:
    """Pairs of the image set that can be read, and what is wrong with the others."""
    pairs, problems = voc_pairs(voc_root, config.image_set)
    with (
        make_progress(console) as progress,
        Journal(config.out / ".progress" / "checked.jsonl", {"data": dataset_fingerprint(pairs)}) as journal,
    ):
        task = progress.add_task(
            "checking files", total=len(pairs), completed=sum(pair.id in journal for pair in pairs)
        )
        readable, unreadable = check_pairs(pairs, labels, journal, lambda count: progress.advance(task, count))
    return readable, problems + unreadable


def _write_left_out(
    path: Path, pairs: list[Pair], problems: list[Problem], copies: list[Pair], console: Console | None
) -> None:
    """Write which pairs of the image set are not audited, and why: they cannot be read, or they have no copy."""
    copied = {copy.id for copy in copies}
    void = [pair for pair in pairs if pair.id not in copied]
    problems = problems + [Problem(pair.id, pair.mask or pair.image, "is void throughout") for pair in void]
    write_table(
        path,
        [{"id": problem.id, "file": str(problem.path), "reason": problem.reason} for problem in problems],
        ("id", "file", "reason"),
    )
    if console and problems:
        console.print(
            Text.assemble((f"{len(problems)} pairs are left out", "yellow"), f", listed with reasons in {path}")
        )


def _write_scores(path: Path, scores: dict[str, dict[str, float]], errors: list[LabelError]) -> None:
    """Every mask with its error, if it got one, by falling segqc score."""
    injected = {error.id: error for error in errors}
    rows = []
    for id_, numbers in sorted(scores.items(), key=lambda item: -item[1]["score"]):
        error = injected.get(id_)
        rows.append(
            {"id": id_, "error": error and error.corruption, "dice": error and error.dice}
            | {SCORE_NAMES[k]: v for k, v in numbers.items()}
        )
    write_table(path, rows, tuple(rows[0]))


def _rich_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Injected label errors, found by models that did not see the mask")
    for heading in ("score", "error"):
        table.add_column(heading, no_wrap=True)
    for heading in ("injected", "masks", "AUROC", "average precision", "precision at injected"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = [
            f"{row[m]:.3f} [{row[m + '_low']:.2f}, {row[m + '_high']:.2f}]"
            for m in ("auroc", "average_precision", "precision")
        ]
        table.add_row(row["score"], row["error"], str(row["injected"]), str(row["masks"]), *numbers)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, required=True, help="VOCdevkit, VOC2012 or a folder in its layout")
    parser.add_argument("--image-set", default="train", help="list in ImageSets/Segmentation")
    parser.add_argument(
        "--classes", help="class names with commas between them, or a JSON file; Pascal VOC's by default"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/label-errors"))
    parser.add_argument("--share", type=float, default=0.2, help="of masks that get an error")
    parser.add_argument("--folds", type=int, default=LabelAuditConfig().training.folds)
    parser.add_argument("--method", default=LabelAuditConfig().training.method, help="as for segqc train")
    parser.add_argument("--steps", type=int, help="of each training; the preset's by default")
    parser.add_argument("--feature-cache", type=Path, help="keep the features of the copy in a folder below this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cpu or cuda; what is there by default")
    given = parser.parse_args(arguments)
    config = TrainConfig(
        voc_root=given.voc_root, image_set=given.image_set, classes=given.classes, out=given.out, steps=given.steps,
        seed=given.seed, device=given.device, preset="cpu", folds=given.folds, method=given.method,
        feature_cache=given.feature_cache,
    )  # fmt: skip
    console = Console()
    try:
        rows = audit_ground_truth(config, given.share, console)
    except (BadInput, ValueError) as error:
        raise SystemExit(str(error)) from error
    console.print(_rich_table(rows))
    console.print(f"Tables: {given.out / 'judgement.csv'}, {given.out / 'scores.csv'}")


if __name__ == "__main__":
    main()
