"""The corruption suite: does a QC score tell a ground-truth mask from the same mask with a known error in it?

Every picture is scored with its own mask and with each corruption of it (`evaluation.corruption.corruptions`). Per type
and strength:

    AUROC      the chance that a corrupted mask scores above an untouched one, of whichever picture; interval over
               pictures
    win rate   the share of pictures whose corrupted mask scores above their own untouched one, a tie counting one half
    mean Dice  of the corrupted masks to the untouched ones: how much damage there was to see

A swapped class and another image's mask are as well-formed as the truth, so only a score that looks at the picture
finds them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from evaluation.corruption.context import VOID
from evaluation.corruption.corruptions import CORRUPTIONS, Corrupted, Corruption, corrupt
from evaluation.corruption.donors import mask_context, mask_path
from evaluation.ranking.correlation import Interval, bootstrap_interval
from evaluation.ranking.selective import auroc
from segqc.base.console import make_progress
from segqc.base.fingerprints import stable_seed
from segqc.base.journal import Journal
from segqc.base.scoring import read_and_score
from segqc.base.tables import write_table
from segqc.data.labels import LabelSpace
from segqc.data.masks import read_mask
from segqc.data.pairs import Pair, dataset_fingerprint
from segqc.data.pictures import AS_STORED, PictureReading, read_image
from segqc.model.tiled import encode_picture, read_encoded
from segqc.quality_control import QualityControl

ROW_COLUMNS = ("id", "corruption", "strength", "score", "untouched_score", "changed_pixels", "dice")
_MEASURES = ("auroc", "win_rate")
TABLE_COLUMNS = (
    *("corruption", "strength", "setting", "pairs"),
    *(f"{measure}{end}" for measure in _MEASURES for end in ("", "_low", "_high")),
    "mean_dice",
)

ScoreMasks = Callable[[Image.Image, Sequence[np.ndarray]], list[float]]


def score_masks(qc: QualityControl, image: Image.Image, masks: Sequence[np.ndarray]) -> list[float]:
    """`qc.score_pair(image, mask).score` for several masks of a picture, which the frozen encoder sees once.

    Raises
    ------
    BadInput, ValueError
        When `score_pair` raises it.
    """
    grids = [qc.prepare(image, mask) for mask in masks]
    if not grids:
        return []
    context = encode_picture(qc.model, grids[0][0])
    scores = []
    for _, grid in grids:
        reading = read_encoded(qc.model, context, grid, qc.levels)
        scores.append(qc.model.score_reading(reading, grid).score)
    return scores


@dataclass(frozen=True)
class SuiteReport:
    """Result of the suite.

    Attributes
    ----------
    rows : list of dict
        One per corrupted mask, `ROW_COLUMNS`.
    table : list of dict
        One per type and strength, `TABLE_COLUMNS`; None where it applied to no picture.
    pictures : int
        Pictures scored.
    unlabelled : list of str
        Ids left out because their mask is void throughout.
    """

    rows: list[dict[str, Any]]
    table: list[dict[str, Any]]
    pictures: int
    unlabelled: list[str]


def run_suite(
    score: ScoreMasks,
    items: Sequence[Pair],
    labels: LabelSpace,
    corruptions: Iterable[Corruption] = tuple(CORRUPTIONS.values()),
    seed: int = 0,
    out: Path = Path("corruptions"),
    console: Console | None = None,
    *,
    scorer_id: str,
    pictures: PictureReading = AS_STORED,
    max_items: int | None = None,
    resamples: int = 1000,
    device: torch.device | None = None,
) -> SuiteReport:
    """Corrupt, score, and write `corruption_scores.csv` and `corruption_table.csv` to `out`.

    The scores of a picture are kept as soon as they are known: the same call continues a killed run, and one with a
    larger `max_items` extends it.

    Parameters
    ----------
    score : callable
        (picture, masks uint8 `[H, W]`, 255 where void) -> scores of the masks, higher = worse. `score_masks` is
        that of a model.
    items : sequence of Pair
        Pictures with ground-truth masks. All of them lend their masks to the others.
    labels : LabelSpace
        The classes, with the values that stand for them in the mask files.
    corruptions : iterable of Corruption
    seed : int
        Random seed for the corruptions, the subset and the bootstrap.
    out : Path
    console : Console, optional
        Where progress and the table go; None is silent.
    scorer_id : str
        Identifies what else the scores depend on, for instance `segqc.model.folder.fingerprint` of a model folder:
        scores kept under another name are not used.
    pictures : PictureReading
        How picture files are read.
    max_items : int, optional
        Score a seeded subset of so many pictures; a larger one contains a smaller one.
    resamples : int
        Number of resamples of the bootstrap over pictures.
    device : torch.device, optional
        Where `score` computes, the CPU by default: there it is called in threads, several at a time.

    Raises
    ------
    BadInput
        A picture or mask that cannot be read, or an item without mask.
    ValueError
        No items, an id twice, or a score that is not finite.
    """
    corruptions = list(corruptions)
    chosen = _subset(items, max_items, seed)
    header = {
        "scorer": scorer_id,
        "data": dataset_fingerprint(items),
        "labels": labels.to_dict(),
        "seed": seed,
        "corruptions": {corruption.name: corruption.settings for corruption in corruptions},
    }
    with Journal(Path(out) / ".progress" / "corruptions.jsonl", header) as journal:
        _score_items(score, items, chosen, labels, pictures, corruptions, seed, journal, console, device)
        entries = {item.id: journal.rows[item.id] for item in chosen}
    rows = [
        dict(zip(ROW_COLUMNS, (id_, name, strength, value, entry["untouched"], changed, dice), strict=True))
        for id_, entry in entries.items()
        for name, strength, value, changed, dice in entry["corrupted"]
    ]
    table = [
        _summary(rows, corruption, strength, seed, resamples)
        for corruption in corruptions
        for strength in corruption.strengths
    ]
    write_table(Path(out) / "corruption_scores.csv", rows, ROW_COLUMNS)
    write_table(Path(out) / "corruption_table.csv", table, TABLE_COLUMNS)
    unlabelled = [id_ for id_, entry in entries.items() if entry["untouched"] is None]
    report = SuiteReport(rows, table, len(chosen) - len(unlabelled), unlabelled)
    if console:
        console.print(_rich_table(report))
    return report


@dataclass(frozen=True)
class _Prepared:
    """A picture, its mask, and all corruptions of it."""

    id: str
    image: Image.Image
    mask: np.ndarray
    corrupted: list[tuple[str, int, Corrupted]]


def _subset(items: Sequence[Pair], max_items: int | None, seed: int) -> list[Pair]:
    """`max_items` of the items, those with the smallest hash of (seed, id), in their own order."""
    if not items:
        raise ValueError("Expected at least one pair to corrupt, but got none")
    if len({item.id for item in items}) < len(items):
        raise ValueError("Expected every id once, but one occurs twice")
    ordered = sorted(items, key=lambda item: (stable_seed("corruption suite", seed, item.id), item.id))
    kept = {item.id for item in ordered[:max_items]}
    return [item for item in items if item.id in kept]


def _score_items(
    score: ScoreMasks,
    items: Sequence[Pair],
    chosen: Sequence[Pair],
    labels: LabelSpace,
    pictures: PictureReading,
    corruptions: Sequence[Corruption],
    seed: int,
    journal: Journal,
    console: Console | None,
    device: torch.device | None,
) -> None:
    """Score what the journal does not hold."""
    todo = [item for item in chosen if item.id not in journal]
    if not todo:
        return
    context = mask_context(items, labels)

    def prepare(item: Pair) -> _Prepared:
        image = read_image(item.image, pictures)
        mask = read_mask(mask_path(item), labels, size=image)
        found = (
            (c.name, strength, corrupt(mask, item.id, c, strength, seed, context))
            for c in corruptions
            for strength in c.strengths
        )
        return _Prepared(
            item.id, image, mask, [(name, strength, result) for name, strength, result in found if result is not None]
        )

    with make_progress(console) as progress:
        task = progress.add_task("scoring corrupted masks", total=len(todo))
        scored = read_and_score(
            prepare, lambda item: (item.id, _score_item(score, item)), todo, device or torch.device("cpu")
        )
        for id_, entry in scored:
            journal.append(id_, entry)
            progress.advance(task)


def _score_item(score: ScoreMasks, item: _Prepared) -> dict[str, Any]:
    if (item.mask == VOID).all():
        return {"untouched": None, "corrupted": []}
    untouched, *scores = score(item.image, [item.mask, *(result.mask for _, _, result in item.corrupted)])
    if not np.isfinite([untouched, *scores]).all():
        raise ValueError(f"Expected finite scores, but got one that is not for {item.id}")
    corrupted = [
        [name, strength, value, result.changed, result.dice]
        for (name, strength, result), value in zip(item.corrupted, scores, strict=True)
    ]
    return {"untouched": untouched, "corrupted": corrupted}


def _summary(
    rows: Sequence[dict[str, Any]], corruption: Corruption, strength: int, seed: int, resamples: int
) -> dict[str, Any]:
    """One line of the table."""
    mine = [row for row in rows if (row["corruption"], row["strength"]) == (corruption.name, strength)]
    line = dict.fromkeys(TABLE_COLUMNS) | {"corruption": corruption.name, "strength": strength, "pairs": len(mine)}
    line["setting"] = str(corruption.settings[strength - 1])
    if mine:
        scores, untouched = (np.array([row[name] for row in mine], float) for name in ("score", "untouched_score"))
        for name, statistic in zip(_MEASURES, (_auroc, _win_rate), strict=True):
            # Rows are pictures: a resample takes a picture's corrupted and untouched score together.
            interval: Interval = bootstrap_interval(statistic, scores, untouched, resamples=resamples, seed=seed)
            line |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        line["mean_dice"] = float(np.mean([row["dice"] for row in mine]))
    return line


def _auroc(corrupted: np.ndarray, untouched: np.ndarray) -> float:
    return auroc(np.concatenate([corrupted, untouched]), np.repeat([True, False], len(corrupted)))


def _win_rate(corrupted: np.ndarray, untouched: np.ndarray) -> float:
    return float(np.mean((corrupted > untouched) + 0.5 * (corrupted == untouched)))


def _rich_table(report: SuiteReport) -> Table:
    table = Table(title=f"Corrupted against untouched ground truth, {report.pictures} pictures")
    for heading in ("corruption", "setting"):
        table.add_column(heading)
    for heading in ("pairs", "AUROC", "95 %", "win rate", "Dice"):
        table.add_column(heading, justify="right")
    for line in report.table:
        numbers = ["-"] * 4
        if line["pairs"]:
            between = f"{line['auroc_low']:.2f} to {line['auroc_high']:.2f}"
            numbers = [f"{line['auroc']:.3f}", between, f"{line['win_rate']:.3f}", f"{line['mean_dice']:.2f}"]
        table.add_row(line["corruption"], line["setting"], str(line["pairs"]), *numbers)
    return table
