"""The lines of a scores file: one per row of the table, in its order; rows that cannot be read keep their places."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow

from segqc.tabular.detector import GumbelScoreDetector
from segqc.tabular.io.cells import is_date, text_of
from segqc.tabular.io.files import Chunk
from segqc.tabular.io.raw import BadRow

Line = dict[str, Any]


def header_of(cells: int, keep: Iterable[str]) -> list[str]:
    """Names of the columns, with `cells` triples for the most anomalous cells."""
    odd = [f"{what}_{k}" for k in range(1, cells + 1) for what in ("odd", "value", "share")]
    return ["row", "status", "rank", "score", *odd, "outlier", "reason", *(f"kept_{name}" for name in keep)]


def scored_lines(
    detector: GumbelScoreDetector, chunk: Chunk, scores: np.ndarray, ranks: np.ndarray, explained: int, cells: int
) -> Iterator[Line]:
    """Lines of a chunk's rows, without their numbers.

    Parameters
    ----------
    detector : GumbelScoreDetector
    chunk : Chunk
    scores, ranks : ndarray `[n]`
        Anomaly scores of the chunk's rows and their ranks in the whole table.
    explained : int
        Rows up to this rank name their most anomalous cells.
    cells : int
        Largest number of cells named per row.
    """
    odd = _odd_cells(detector, chunk.table, ranks <= explained, cells)
    kept = {f"kept_{name}": chunk.kept.column(name).fill_null("").to_pylist() for name in chunk.kept.column_names}
    for i, (score, rank) in enumerate(zip(scores.tolist(), ranks.tolist(), strict=True)):
        outlier = "yes" if -score < detector.offset_ else ""
        line: Line = {"status": "ok", "rank": rank, "score": score, "outlier": outlier}
        line |= odd.get(i, {})
        line |= {name: values[i] for name, values in kept.items()}
        yield line | {"reason": chunk.notes.get(i)}


def number_lines(scored: Iterable[Line], problems: Iterable[BadRow]) -> Iterator[Line]:
    """Number the lines of scored rows, with the lines of bad rows between them, where the table has these."""
    waiting = deque(sorted(problems, key=lambda problem: problem.number))
    number = 1
    for line in scored:
        while waiting and waiting[0].number == number:
            yield _bad_line(waiting.popleft())
            number += 1
        yield {"row": number} | line
        number += 1
    yield from map(_bad_line, waiting)


def _bad_line(problem: BadRow) -> Line:
    return {"row": problem.number, "status": "error", "reason": problem.reason}


def _odd_cells(detector: GumbelScoreDetector, table: pyarrow.Table, chosen: np.ndarray, cells: int) -> dict[int, Line]:
    """Columns, cells and contributions of the chosen rows, by row: by falling contribution, and only those that make a
    row more anomalous.
    """
    rows = np.flatnonzero(chosen)
    if not len(rows) or not cells:
        return {}
    part = table.take(rows)
    contributions = detector.explain(part)
    order = np.argsort(-contributions, axis=1, kind="stable")[:, :cells]
    values = [(text_of(column) if is_date(column.type) else column).to_pylist() for column in part.columns]
    found: dict[int, Line] = {}
    for i, row in enumerate(rows.tolist()):
        line = found[row] = {}
        for k, j in enumerate(order[i].tolist(), start=1):
            if contributions[i, j] > 0:
                line[f"odd_{k}"] = table.column_names[j]
                line[f"value_{k}"] = "(missing)" if values[j][i] is None else values[j][i]
                line[f"share_{k}"] = contributions[i, j]
    return found
