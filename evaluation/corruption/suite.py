"""The corruption suite: does a QC score tell a ground-truth mask from the same mask with a known error in it?

Every picture is scored with its own mask and with each corruption of it (`evaluation.corruption.corruptions`). Per type
and strength:

    AUROC      the chance that a corrupted mask scores above an untouched one, of whichever picture; interval over pictures
    win rate   the share of pictures whose corrupted mask scores above their own untouched one, a tie counting one half
    mean Dice  of the corrupted masks to the untouched ones: how much damage there was to see

A swapped class and another image's mask are as well-formed as the truth, so only a score that looks at the picture
finds them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from evaluation.corruption.corruptions import (
    CORRUPTIONS,
    VOID,
    Context,
    Corrupted,
    Corruption,
    Donor,
    corrupt,
    donor_of,
)
from evaluation.ranking.correlation import Interval, bootstrap_interval
from evaluation.ranking.selective import auroc
from segqc.base.console import make_progress
from segqc.base.errors import BadInput
from segqc.base.fingerprints import stable_seed
from segqc.base.journal import Journal
from segqc.base.parallel import ordered_map
from segqc.base.tables import write_table
from segqc.data.images import read_image, read_mask
from segqc.data.labels import LabelSpace
from segqc.data.pairs import Pair, dataset_fingerprint
from segqc.quality_control import QualityControl

ROW_COLUMNS = ("id", "corruption", "strength", "score", "untouched_score", "changed_pixels", "dice")
TABLE_COLUMNS = (
    "corruption", "strength", "setting", "pairs", "auroc", "auroc_low", "auroc_high", "win_rate", "win_rate_low", "win_rate_high", "mean_dice",
)  # fmt: skip

Score = Callable[[Image.Image, np.ndarray], float]


class Scorer(Protocol):
    """A QC score that reads several masks of one picture at once."""

    def score_many(self, image: Image.Image, masks: Sequence[np.ndarray]) -> list[float]:
        """Scores, higher = worse, of masks uint8 `[H, W]`, 255 where void."""
        ...


@dataclass(frozen=True)
class SharedScorer:
    """`QualityControl.score_pair(image, mask).score` for several masks of a picture; the frozen encoder sees the
    picture once.
    """

    qc: QualityControl

    @torch.inference_mode()
    def score_many(self, image: Image.Image, masks: Sequence[np.ndarray]) -> list[float]:
        """The same numbers as `score_pair`, mask by mask; raises what it raises."""
        model = self.qc.model
        grids = [self.qc.prepare(image, mask) for mask in masks]
        if not grids:
            return []
        features = model.image_features(torch.from_numpy(grids[0][0]).to(model.device)[None])
        scores = []
        for _, grid in grids:
            reading = model.read_features(
                features, torch.from_numpy(grid).to(model.device), self.qc.levels, with_features=False
            )
            scores.append(model.score_reading(reading, grid).score)
        return scores


def shared_scorer(qc: QualityControl) -> SharedScorer:
    """A scorer for the suite that computes the encoder's features once per picture."""
    return SharedScorer(qc)


@dataclass(frozen=True)
class SuiteReport:
    """What the suite found.

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
    score: Scorer | Score,
    items: Sequence[Pair],
    labels: LabelSpace,
    corruptions: Iterable[Corruption] = tuple(CORRUPTIONS.values()),
    seed: int = 0,
    out: Path = Path("corruptions"),
    console: Console | None = None,
    *,
    scorer_id: str,
    max_items: int | None = None,
    resamples: int = 1000,
) -> SuiteReport:
    """Corrupt, score, and write `corruption_scores.csv` and `corruption_table.csv` to `out`.

    The scores of a picture are kept as soon as they are known: the same call continues a killed run, and one with a
    larger `max_items` extends it.

    Parameters
    ----------
    score : Scorer or callable
        A callable takes a picture and one mask and returns a float, higher = worse.
    items : sequence of Pair
        Pictures with ground-truth masks. All of them lend their masks to the others.
    labels : LabelSpace
    corruptions : iterable of Corruption
    seed : int
        Of the corruptions, the subset and the bootstrap.
    out : Path
    console : Console, optional
        Where progress and the table go; None is silent.
    scorer_id : str
        What the scores depend on beside pictures and masks, `segqc.model.folder.fingerprint` of a model folder for
        instance: scores kept under another name are not used.
    max_items : int, optional
        Score a seeded subset of so many pictures; a larger one contains a smaller one.
    resamples : int
        Of the bootstrap over pictures.

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
    scorer = score if hasattr(score, "score_many") else _OneByOne(score)
    with Journal(Path(out) / ".progress" / "corruptions.jsonl", header) as journal:
        _score_items(scorer, items, chosen, labels, corruptions, seed, journal, console)
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


def mask_context(pairs: Sequence[Pair], labels: LabelSpace) -> Context:
    """What corruptions know of the data; each mask is read now, and again when it is lent."""

    def describe(pair: Pair) -> Donor:
        read = partial(read_mask, pair.mask, labels)
        return donor_of(pair.id, read(), labels.background, read)

    for pair in pairs:
        if pair.mask is None:
            raise BadInput(pair.image, "has no mask", "give pairs with ground truth")
    return Context(labels.num_classes, labels.background, tuple(ordered_map(describe, pairs)))


@dataclass(frozen=True)
class _OneByOne:
    """A plain function as a `Scorer`."""

    score: Score

    def score_many(self, image: Image.Image, masks: Sequence[np.ndarray]) -> list[float]:
        return [float(self.score(image, mask)) for mask in masks]


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
    scorer: Scorer,
    items: Sequence[Pair],
    chosen: Sequence[Pair],
    labels: LabelSpace,
    corruptions: Sequence[Corruption],
    seed: int,
    journal: Journal,
    console: Console | None,
) -> None:
    """Score what the journal does not hold; masks are read and corrupted ahead in threads."""
    todo = [item for item in chosen if item.id not in journal]
    if not todo:
        return
    context = mask_context(items, labels)

    def prepare(item: Pair) -> _Prepared:
        image = read_image(item.image)
        mask = read_mask(item.mask, labels, size=image)  # type: ignore[arg-type]  # mask_context has checked it
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
        for item in ordered_map(prepare, todo, ahead=2):
            journal.append(item.id, _score_item(scorer, item))
            progress.advance(task)


def _score_item(scorer: Scorer, item: _Prepared) -> dict[str, Any]:
    if (item.mask == VOID).all():
        return {"untouched": None, "corrupted": []}
    untouched, *scores = scorer.score_many(item.image, [item.mask, *(result.mask for _, _, result in item.corrupted)])
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
        for name, statistic in (("auroc", _auroc), ("win_rate", _win_rate)):
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
