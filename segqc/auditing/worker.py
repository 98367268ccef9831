"""What every worker of an audit does, be it threads of this process or a process on another machine: from pairs to
finished rows.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from segqc.auditing.job import Scorers
from segqc.auditing.objects import object_row
from segqc.auditing.rows import Comparison, ReadPair, read_pair, score_pair
from segqc.base.devices import find_device
from segqc.base.errors import BadInput
from segqc.base.scoring import read_and_score, read_and_score_batches
from segqc.data.choices import raise_limit
from segqc.data.options import DataOptions
from segqc.data.pairs import Pair
from segqc.data.reader import PairReader
from segqc.model.reading import Reading
from segqc.results.heatmaps import Heatmaps

Finished = tuple[str, dict[str, Any]]
"""A pair's id, and JSON values: its "row", the rows of its "objects", and the stamps of the "files" that were read."""


@dataclass(frozen=True)
class ScoringPlan:
    """What a worker has to know to score any pair of an audit; it can be sent to another process.

    Attributes
    ----------
    models, model_of
        As in `AuditJob`.
    levels : tuple of int or None
        As for `QualityControl`.
    tiles : int
        Tiles along a side in which pictures are scored.
    runtime : str
        What computes the models: "onnx" or "torch".
    fingerprint : str
        Digest of the models, by which a worker sees that it has the same ones.
    reader : PairReader
    comparison : Comparison or None
    columns : sequence of str
        Columns of a row.
    heatmaps : Heatmaps or None
        Where heat maps go; None: none are written.
    options : DataOptions
        Options on the data; their limit of pixels holds for a whole process.
    """

    models: Sequence[Path]
    model_of: Mapping[str, int] | None
    levels: tuple[int, ...] | None
    tiles: int
    runtime: str
    fingerprint: str
    reader: PairReader
    comparison: Comparison | None
    columns: Sequence[str]
    heatmaps: Heatmaps | None
    options: DataOptions


def score_pairs(
    plan: ScoringPlan, scorers: Scorers, pairs: Iterable[Pair], processes: int = 1, most: int | None = None
) -> Iterator[Finished]:
    """Score pairs and write their heat maps; a pair that cannot be scored has a row with the reason.

    On a CPU each pair is scored alone: what comes out of it does not depend on who scores it, nor beside which others.
    On an accelerator as many share a forward as `PairScorer.at_once` says, and the last bits depend on their company.

    Parameters
    ----------
    plan : ScoringPlan
    scorers : Scorers
        The plan's models in memory.
    pairs : iterable of Pair
    processes, most : int
        As for `read_and_score`.
    """

    def read(pair: Pair) -> ReadPair:
        return read_pair(scorers.of(pair), pair, plan.comparison, plan.reader, plan.columns)

    def finish(item: ReadPair, reading: Reading | None = None) -> Finished:
        row, objects = score_pair(scorers.of(item.pair), item, plan.heatmaps, reading)
        return item.pair.id, {
            "files": item.stamps,
            "row": row,
            "objects": [object_row(found, item.ious) for found in objects],
        }

    if scorers.any.at_once > 1:
        yield from read_and_score_batches(read, partial(_read_batch, scorers), finish, pairs, scorers.any.at_once)
    else:
        yield from read_and_score(read, finish, pairs, scorers.any.model.device, processes, most)


def _read_batch(scorers: Scorers, items: Sequence[ReadPair]) -> list[Reading | None]:
    """What the models say of each pair, those of one model in one forward; None where it could not be read."""
    readings: list[Reading | None] = [None] * len(items)
    of_model: dict[int, list[int]] = {}
    for place, item in enumerate(items):
        if item.image is not None:
            of_model.setdefault(id(scorers.of(item.pair)), []).append(place)
    for places in of_model.values():
        images = [image for place in places if (image := items[place].image) is not None]
        grids = [grid for place in places if (grid := items[place].grid) is not None]
        found = scorers.of(items[places[0]].pair).read_many(images, grids)
        for place, reading in zip(places, found, strict=True):
            readings[place] = reading
    return readings


def start_worker(plan: ScoringPlan, device: str) -> Callable[[Iterable[Pair]], Iterator[Finished]]:
    """Load the plan's models in a process of its own, which has one core to compute with, or an accelerator.

    Raises
    ------
    BadInput
        The models are not those of the plan, or the runtime cannot be used here.
    """
    raise_limit(plan.options)
    scorers = Scorers(plan.models, plan.model_of, find_device(device), plan.levels, plan.runtime, plan.tiles)
    if scorers.fingerprint != plan.fingerprint:
        reason = f"is another model on {platform.node()} than where the audit was started"
        raise BadInput(plan.models[0], reason, "let all machines see the same files, and run again")
    return partial(score_pairs, plan, scorers, most=1)
