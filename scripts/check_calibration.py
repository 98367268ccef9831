"""Do the promises of a calibration hold on real predictions?

    python scripts/check_calibration.py --voc-root VOCdevkit --predictions deeplab_out/mnv2_513_quant --second
    deeplab_out/mnv2_dm05_513_quant python scripts/check_calibration.py --audit audit [--true-masks audit_of_true_masks]

The first form needs no model: it takes real scores that are cheap, the disagreement with a second network's masks and
the mixture of mask features (`evaluation.baselines`), for real predictions of real pictures. The second takes the
scores of an audit with ground truth, and, for the last table, those of an audit of the true masks themselves. A
prediction with a Dice of at least 0.5 counts as fine, as a reviewer would accept it.

200 times, the pictures are divided at random, half to calibrate on and half to check, which makes both exchangeable:
p-values and false discoveries, intervals, and p-values calibrated on true masks. For the certified threshold the
pictures stand for the population: labels are drawn from them with replacement, so that the share of failures among what
passes is known exactly.

In brackets: 95 % Monte Carlo intervals of the mean over the 200 divisions (of the share, for thresholds). They say how
well this table is computed, not how another set of pictures would do.

Expected time: under a minute on one core. Expected result: false discoveries, false alarms and broken promises at or
below, coverage at or above what is asked for, in every row of the first three tables, and nothing of the kind in the
last one. docs/calibration.md quotes the numbers.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import special

from evaluation.baselines.base import Example
from evaluation.baselines.mixture import FeatureMixture
from evaluation.baselines.opinions import SecondNetwork
from evaluation.metrics.classes import mean_dice
from segqc.base.errors import BadInput
from segqc.calibration.conformal import benjamini_hochberg, conformal_p_values, fit_dice_curve
from segqc.calibration.threshold import certify_threshold
from segqc.data.labels import VOC_LABELS
from segqc.data.masks import read_mask
from segqc.data.predictions import audit_pairs
from segqc.data.voc import find_voc, voc_pairs
from segqc.results.table import is_scored, read_audit_table

RESAMPLES = 200
DICE_LIMIT = 0.5
FDR, COVERAGE, CONFIDENCE = 0.1, 0.9, 0.9


@dataclass(frozen=True)
class Scored:
    """Predictions with a score and their Dice; and the scores of the true masks of the same pictures, where there are
    any.
    """

    name: str
    scores: np.ndarray
    dice: np.ndarray
    true_masks: np.ndarray | None

    @property
    def fine(self) -> np.ndarray:
        return self.dice >= DICE_LIMIT


def from_masks(voc_root: Path, image_set: str, predictions: Path, second: Path) -> list[Scored]:
    """Two scores that need no quality model, of a folder of predictions and of the true masks."""
    voc = find_voc(voc_root)
    pairs = audit_pairs(predictions, voc_root=voc_root, ground_truth=voc.masks, image_set=image_set).pairs
    usable = [pair for pair in pairs if pair.mask and pair.ground_truth and (second / f"{pair.id}.png").is_file()]
    audited = [
        Example(pair.id, pair.image, pair.mask, VOC_LABELS, second=second / f"{pair.id}.png")
        for pair in usable
        if pair.mask
    ]
    truths = [
        Example(pair.id, pair.image, pair.ground_truth, VOC_LABELS, second=second / f"{pair.id}.png")
        for pair in usable
        if pair.ground_truth
    ]
    dice = np.array(
        [
            mean_dice(example.mask(), read_mask(truth.mask_file, VOC_LABELS), VOC_LABELS.num_classes)
            for example, truth in zip(audited, truths, strict=True)
        ]
    )
    training = [
        Example(pair.id, pair.image, pair.mask, VOC_LABELS) for pair in voc_pairs(voc_root, "train")[0] if pair.mask
    ]
    found = []
    for score in (SecondNetwork(), FeatureMixture()):
        with tempfile.TemporaryDirectory() as folder:
            if score.learns:
                score.fit(training, Path(folder))
            found.append(Scored(f"{predictions.name}: {score.name}", score.score(audited), dice, score.score(truths)))
    return found


def from_audit(audit: Path, true_masks: Path | None) -> list[Scored]:
    """Scores and Dice of an audit, and the scores of an audit of true masks."""
    rows = [row for row in read_audit_table(audit).rows if is_scored(row) and row.get("dice") is not None]
    if not rows:
        raise BadInput(audit, "has no prediction with a Dice", "audit with ground truth")
    truths = (
        None
        if true_masks is None
        else np.array([row["score"] for row in read_audit_table(true_masks).rows if is_scored(row)])
    )
    scores, dice = (np.array([row[name] for row in rows], np.float64) for name in ("score", "dice"))
    return [Scored(audit.name, scores, dice, truths)]


def halves(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(count)
    return order[: count // 2], order[count // 2 :]


def check_flags(data: Scored, use_true_masks: bool = False) -> dict[str, np.ndarray]:
    """Per division: share of fine ones among the flagged, share of failures flagged, share of fine ones with p <= 0.1,
    and with p <= 0.01.
    """
    rng, rows = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        fitting, checking = halves(len(data.scores), rng)
        accepted = np.sort(data.scores[fitting][data.fine[fitting]])
        if use_true_masks:
            assert data.true_masks is not None
            accepted = np.sort(data.true_masks[fitting[fitting < len(data.true_masks)]])
        p_values, fine = conformal_p_values(data.scores[checking], accepted), data.fine[checking]
        flagged = benjamini_hochberg(p_values, FDR)
        rows.append(
            (
                (flagged & fine).sum() / max(1, flagged.sum()),
                flagged[~fine].mean() if (~fine).any() else np.nan,
                (p_values[fine] <= 0.1).mean(),
                (p_values[fine] <= 0.01).mean(),
            )
        )
    return dict(zip(("fdr", "found", "alarm_10", "alarm_1"), np.array(rows).T, strict=True))


def check_intervals(data: Scored) -> dict[str, np.ndarray]:
    """Per division: how often the interval holds the true Dice, and its mean width."""
    rng, rows = np.random.default_rng(1), []
    for seed in range(RESAMPLES):
        fitting, checking = halves(len(data.scores), rng)
        low, high = fit_dice_curve(data.scores[fitting], data.dice[fitting], COVERAGE, seed).interval(
            data.scores[checking]
        )
        rows.append((((low <= data.dice[checking]) & (data.dice[checking] <= high)).mean(), (high - low).mean()))
    return dict(zip(("coverage", "width"), np.array(rows).T, strict=True))


def check_threshold(data: Scored, labels: int, max_failures: float) -> tuple[int, int, float]:
    """How many of the draws of labels gave a threshold, how many of these broke the promise, and the mean share that
    passes (0 without one).
    """
    rng, certified, broken, passing = np.random.default_rng(2), 0, 0, 0.0
    for seed in range(RESAMPLES):
        drawn = rng.integers(0, len(data.scores), labels)
        value = certify_threshold(data.scores[drawn], ~data.fine[drawn], max_failures, CONFIDENCE, seed).value
        if value is not None:
            passes = data.scores <= value
            certified += 1
            broken += bool((~data.fine[passes]).mean() > max_failures)
            passing += passes.mean() / RESAMPLES
    return certified, broken, passing


def mean_cell(values: np.ndarray) -> str:
    values = values[~np.isnan(values)]
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def share_cell(count: int, total: int) -> str:
    """A share with Clopper and Pearson's two-sided interval."""
    low = special.betaincinv(count, total - count + 1, 0.025) if count else 0.0
    high = special.betaincinv(count + 1, total - count, 0.975) if count < total else 1.0
    return f"{count / total:.3f} [{low:.3f}, {high:.3f}]"


def tables(everything: list[Scored], label_counts: list[int]) -> list[Table]:
    flags = Table(
        "score",
        "pictures",
        "failures",
        "FDR",
        "failures flagged",
        "fine, p <= 0.1",
        "fine, p <= 0.01",
        title=f"p-values; FDR asked: {FDR}",
    )
    intervals = Table("score", "coverage", "mean width", title=f"Interval of the Dice; coverage asked: {COVERAGE}")
    thresholds = Table(
        "score",
        "labels",
        "failures asked",
        "certified",
        "promise broken",
        "share passing",
        title=f"Threshold; broken at most: {1 - CONFIDENCE:.2g}",
    )
    wrong = Table(
        "score",
        "FDR",
        "fine, p <= 0.1",
        "fine, p <= 0.01",
        title="p-values calibrated on true masks: not to be relied on",
    )
    for data in everything:
        found = {name: mean_cell(values) for name, values in check_flags(data).items()}
        counts = str(len(data.scores)), str(int((~data.fine).sum()))
        flags.add_row(data.name, *counts, found["fdr"], found["found"], found["alarm_10"], found["alarm_1"])
        intervals.add_row(data.name, *(mean_cell(values) for values in check_intervals(data).values()))
        for labels in label_counts:
            for max_failures in (0.05, 0.1, 0.2):
                certified, broken, passing = check_threshold(data, labels, max_failures)
                cells = f"{certified}/{RESAMPLES}", share_cell(broken, RESAMPLES), f"{passing:.2f}"
                thresholds.add_row(data.name, str(labels), f"{max_failures:g}", *cells)
        if data.true_masks is not None:
            found = {name: mean_cell(values) for name, values in check_flags(data, use_true_masks=True).items()}
            wrong.add_row(data.name, found["fdr"], found["alarm_10"], found["alarm_1"])
    return [flags, intervals, thresholds, *([wrong] if wrong.row_count else [])]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voc-root", type=Path, help="VOCdevkit, VOC2012 or a folder in its layout")
    parser.add_argument("--image-set", default="val")
    parser.add_argument("--predictions", type=Path, help="folder of the judged masks")
    parser.add_argument("--second", type=Path, help="folder of another network's masks")
    parser.add_argument("--audit", type=Path, help="instead: an audit with ground truth")
    parser.add_argument("--true-masks", type=Path, help="with --audit: an audit of the true masks by the same model")
    parser.add_argument("--labels", type=int, nargs="+", default=[241, 1000], help="labels drawn for the threshold")
    given = parser.parse_args(arguments)
    if given.audit is None and None in (given.voc_root, given.predictions, given.second):
        parser.error("give --audit, or --voc-root, --predictions and --second")
    try:
        if given.audit is not None:
            everything = from_audit(given.audit, given.true_masks)
        else:
            everything = from_masks(given.voc_root, given.image_set, given.predictions, given.second)
    except BadInput as error:
        raise SystemExit(str(error)) from error
    for table in tables(everything, given.labels):
        Console(width=170).print(table)


if __name__ == "__main__":
    main()
